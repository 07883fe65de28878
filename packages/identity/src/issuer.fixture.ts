// An issuer of identities over fakes, for its tests.
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { Labels } from '@weft/resources'
import { createMeshCa } from './certificates.ts'
import { createFakeStore } from './fakes/fake-store.ts'
import { createIdentityIssuer } from './identity-issuer.ts'
import { secretSpec, secretText } from './signing-keys.ts'
import type { Svid } from './svid-issuance.ts'

/** The identity of the fixture. */
export const kri = 'kri_mid_default_east__mid1_'
/** What a proxy asks for. */
export const wanted = { kri, spiffeId: 'spiffe://default.east.mesh.local/workload/web' }
/** A provider that makes its authority itself. */
export const autogenerate = { type: 'Bundled', bundled: { insecureAllowSelfSigned: true, autogenerate: { enabled: true } } }
/** In milliseconds. */
export const hour = 3_600_000

/** A MeshIdentity that selects every dataplane. */
export function midResource(provider: unknown, labels: Labels = { 'kuma.io/zone': 'east' }) {
  return {
    type: 'MeshIdentity',
    mesh: 'default',
    name: 'mid1',
    labels,
    spec: { selector: { dataplane: { matchLabels: {} } }, ...(provider ? { provider } : {}) },
  }
}

/** An issuer on a fake store and clock, not started; `spread` answers whether trust has reached everybody. */
export function setUp() {
  const store = createFakeStore()
  const clock = new FakeClock()
  const issued: [string, Svid][] = []
  const spread = { answer: true, asked: [] as string[] }
  const issuer = createIdentityIssuer({
    store,
    clock,
    log: silentLogger,
    settings: { zone: 'east', environment: 'universal' },
    onIssued: (proxyKey, svid) => issued.push([proxyKey, svid]),
    trustSpread: (of, fingerprint) => {
      spread.asked.push(`${of} ${fingerprint}`)
      return spread.answer
    },
  })
  const conditions = (): Record<string, string> => {
    const status = store.get({ type: 'MeshIdentity', mesh: 'default', name: 'mid1' })?.status as
      | { conditions?: { type: string; status: string; reason: string }[] }
      | undefined
    return Object.fromEntries((status?.conditions ?? []).map((each) => [each.type, `${each.status}/${each.reason}`]))
  }
  const trust = () => {
    const resource = store.get({ type: 'MeshTrust', mesh: 'default', name: 'mid1' })
    const spec = resource?.spec as { trustDomain: string; caBundles: { type: string; pem: { value: string } }[] } | undefined
    return { resource, spec }
  }
  const authority = () => secretText(store.get({ type: 'Secret', mesh: 'default', name: 'mid1-root-ca' })) ?? ''
  const replaceAuthority = async () => {
    const made = await createMeshCa({ trustDomain: 'default.east.mesh.local', now: clock.now() })
    await store.transact(
      [
        {
          op: 'put',
          resource: { type: 'Secret', mesh: 'default', name: 'mid1-private-key', labels: {}, spec: secretSpec(made.privateKeyPem) },
        },
        {
          op: 'put',
          resource: { type: 'Secret', mesh: 'default', name: 'mid1-root-ca', labels: {}, spec: secretSpec(made.certificatePem) },
        },
      ],
      { actor: 'test', reason: 'test', class: 'desired' },
    )
    await issuer.idle()
  }
  return { store, clock, issuer, issued, spread, conditions, trust, authority, replaceAuthority }
}

/** An issuer with one bundled identity, started and at rest. */
export async function running() {
  const fixture = setUp()
  await fixture.store.put(midResource(autogenerate))
  await fixture.issuer.start()
  await fixture.issuer.idle()
  return fixture
}
