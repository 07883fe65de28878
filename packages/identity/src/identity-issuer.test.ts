import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { Labels } from '@weft/resources'
import {
  createMeshCa,
  fingerprintOf,
  loadCertificateAuthority,
  parseCertificates,
  createEnvoyAdminCa,
  issueAdminCertificate,
} from './certificates.ts'
import { createFakeStore } from './fakes/fake-store.ts'
import { createIdentityIssuer } from './identity-issuer.ts'
import { loadAdminAuthority } from './admin-authority.ts'
import { secretSpec, secretText } from './signing-keys.ts'
import type { Svid } from './svid-issuance.ts'

const kri = 'kri_mid_default_east__mid1_'
const wanted = { kri, spiffeId: 'spiffe://default.east.mesh.local/workload/web' }
const autogenerate = { type: 'Bundled', bundled: { insecureAllowSelfSigned: true, autogenerate: { enabled: true } } }
const hour = 3_600_000

function midResource(provider: unknown, labels: Labels = { 'kuma.io/zone': 'east' }) {
  return {
    type: 'MeshIdentity',
    mesh: 'default',
    name: 'mid1',
    labels,
    spec: { selector: { dataplane: { matchLabels: {} } }, ...(provider ? { provider } : {}) },
  }
}

function setUp() {
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

async function running() {
  const fixture = setUp()
  await fixture.store.put(midResource(autogenerate))
  await fixture.issuer.start()
  await fixture.issuer.idle()
  return fixture
}

describe('a bundled identity', () => {
  it('gets an authority, a trust and conditions', async () => {
    const { issuer, conditions, trust, authority, store } = await running()
    assert.deepEqual(conditions(), { Provider: 'True/ProviderInitialized', MeshTrustCreated: 'True/MeshTrustCreated', Ready: 'True/Ready' })
    const { resource, spec } = trust()
    assert.equal(spec?.trustDomain, 'default.east.mesh.local')
    assert.deepEqual(spec.caBundles, [{ type: 'Pem', pem: { value: authority() } }])
    assert.deepEqual(resource?.status, { origin: { kri } })
    assert.deepEqual(resource?.labels, {
      'kuma.io/mesh': 'default',
      'kuma.io/display-name': 'mid1',
      'kuma.io/origin': 'zone',
      'kuma.io/env': 'universal',
    })
    assert.match(secretText(store.get({ type: 'Secret', mesh: 'default', name: 'mid1-private-key' })) ?? '', /PRIVATE KEY/)
    await issuer.stop()
  })

  it('is found by the watch, and a second process changes nothing', async () => {
    const { store, issuer, clock, conditions } = setUp()
    await issuer.start()
    await store.put(midResource(autogenerate))
    await issuer.idle()
    assert.equal(conditions()['Ready'], 'True/Ready')
    const before = store.changes
    const second = createIdentityIssuer({
      store,
      clock,
      log: silentLogger,
      settings: { zone: 'east', environment: 'universal' },
      onIssued: () => {},
    })
    await second.start()
    await second.idle()
    assert.equal(store.changes, before)
    await Promise.all([issuer.stop(), second.stop()])
  })

  it('takes secret names from the display name when it came from global', async () => {
    const { store, issuer, trust } = setUp()
    await store.put({
      ...midResource(autogenerate, { 'kuma.io/display-name': 'mid1', 'kuma.io/origin': 'global' }),
      name: 'mid1-z589fv45dd29x7bc',
    })
    await issuer.start()
    await issuer.idle()
    assert.ok(store.get({ type: 'Secret', mesh: 'default', name: 'mid1-root-ca' }))
    const made = store.get({ type: 'MeshTrust', mesh: 'default', name: 'mid1-z589fv45dd29x7bc' })
    assert.equal(made?.labels['kuma.io/display-name'], 'mid1')
    assert.equal(trust().resource, undefined)
    await issuer.stop()
  })

  it('keeps what its trust held and restores what it lost', async () => {
    const { store, issuer, trust, authority } = setUp()
    const foreign = (await createMeshCa({ trustDomain: 'x', now: Date.UTC(2026, 0, 1) })).certificatePem
    await store.put({
      type: 'MeshTrust',
      mesh: 'default',
      name: 'mid1',
      labels: {},
      spec: { trustDomain: 'x', caBundles: [{ type: 'Pem', pem: { value: foreign } }] },
    })
    await store.put(midResource(autogenerate))
    await issuer.start()
    await issuer.idle()
    assert.deepEqual(
      trust().spec?.caBundles.map((each) => each.pem.value),
      [foreign, authority()],
    )
    store.remove({ type: 'MeshTrust', mesh: 'default', name: 'mid1' })
    await issuer.idle()
    assert.equal(trust().spec?.caBundles.length, 1)
    await issuer.stop()
  })

  it('uses a given authority', async () => {
    const { store, issuer, conditions, trust, clock } = setUp()
    const root = await loadCertificateAuthority({ ...(await createEnvoyAdminCa(clock.now())), allowSelfSigned: true, now: clock.now() })
    const made = await createMeshCa({ trustDomain: 'default.east.mesh.local', now: clock.now() })
    await store.put({ type: 'Secret', mesh: 'default', name: 'my-key', labels: {}, spec: secretSpec(made.privateKeyPem) })
    const ca = {
      certificate: { type: 'InsecureInline', insecureInline: { value: made.certificatePem } },
      privateKey: { type: 'Secret', secretRef: { kind: 'Secret', name: 'my-key' } },
    }
    await store.put(midResource({ type: 'Bundled', bundled: { ca } }))
    await issuer.start()
    await issuer.idle()
    assert.deepEqual(
      conditions(),
      { Provider: 'False/ProviderInitializationError', Ready: 'False/Failure' },
      'self-signed is refused by default',
    )
    assert.equal(trust().resource, undefined)
    await store.put(midResource({ type: 'Bundled', bundled: { ca, insecureAllowSelfSigned: true } }))
    await issuer.idle()
    assert.equal(conditions()['Ready'], 'True/Ready')
    await store.put(midResource({ type: 'Bundled', bundled: { ca, insecureAllowSelfSigned: true, meshTrustCreation: 'Disabled' } }))
    await issuer.idle()
    assert.equal(conditions()['MeshTrustCreated'], undefined)
    const leaf = await issueAdminCertificate(root, { usage: 'server', name: 'x', now: clock.now() })
    await store.put(
      midResource({
        type: 'Bundled',
        bundled: { ca: { ...ca, certificate: { type: 'InsecureInline', insecureInline: { value: leaf.certificatePem } } } },
      }),
    )
    await issuer.idle()
    assert.equal(conditions()['Provider'], 'False/ProviderInitializationError')
    await issuer.stop()
  })

  const others: [string, unknown, Record<string, string>][] = [
    ['no provider', undefined, { SpiffeIDProvider: 'True/SpiffeIDProvided', Ready: 'False/PartiallyReady' }],
    ['Spire', { type: 'Spire' }, { Provider: 'True/ProviderInitialized', Ready: 'True/Ready' }],
    [
      'an extension nobody provides',
      { type: 'Extension', extension: { name: 'x' } },
      { Provider: 'False/ProviderNotFoundError', Ready: 'False/Failure' },
    ],
    [
      'a relative file',
      { type: 'Bundled', bundled: { ca: { certificate: { type: 'File', file: { path: '../x' } } } } },
      { Provider: 'False/ProviderInitializationError', Ready: 'False/Failure' },
    ],
    [
      'autogenerate without permission',
      { type: 'Bundled', bundled: { autogenerate: { enabled: true } } },
      { Provider: 'False/ProviderInitializationError', Ready: 'False/Failure' },
    ],
  ]
  for (const [name, provider, expected] of others) {
    it(`says what it is with ${name}`, async () => {
      const { store, issuer, conditions } = setUp()
      await store.put(midResource(provider))
      await issuer.start()
      await issuer.idle()
      assert.deepEqual(conditions(), expected)
      await issuer.stop()
    })
  }

  it('tries again when the store was away', async () => {
    const { store, issuer, clock, conditions } = setUp()
    await store.put(midResource(autogenerate))
    store.failNext(new AppError('store/unavailable', 'away', { retryable: true }))
    await issuer.start()
    await issuer.idle()
    assert.equal(conditions()['Ready'], undefined)
    clock.advance(30_000)
    await issuer.idle()
    assert.equal(conditions()['Ready'], 'True/Ready')
    await issuer.stop()
  })
})

describe('certificates of proxies', () => {
  it('are issued once and renewed at 80 % with a new key', async () => {
    const { issuer, issued, clock } = await running()
    issuer.ensure('default/web-1', wanted)
    issuer.ensure('default/web-1', wanted)
    await issuer.idle()
    assert.equal(issued.length, 1)
    const first = issuer.current('default/web-1')
    assert.equal(first?.notAfter, clock.now() + 120 * hour)
    clock.advance(95 * hour)
    await issuer.idle()
    assert.equal(issued.length, 1)
    clock.advance(2 * hour)
    await issuer.idle()
    assert.equal(issued.length, 2)
    const second = issuer.current('default/web-1')
    assert.notEqual(second?.privateKeyPem, first.privateKeyPem)
    assert.equal(parseCertificates(second?.certificateChainPem ?? '')[0]?.subjectAltName, `URI:${wanted.spiffeId}`)
    await issuer.stop()
    assert.equal(clock.pending, 0)
  })

  it('honour the configured lifetime', async () => {
    const { store, issuer, issued, clock } = setUp()
    const bundled = { ...autogenerate.bundled, certificateParameters: { expiry: '1m' } }
    await store.put(midResource({ type: 'Bundled', bundled }))
    await issuer.start()
    issuer.ensure('default/web-1', wanted)
    await issuer.idle()
    assert.equal(issued[0]?.[1].notAfter, clock.now() + 60_000)
    for (let i = 0; i < 4; i += 1) {
      clock.advance(48_000)
      await issuer.idle()
    }
    assert.equal(issued.length, 5)
    await issuer.stop()
  })

  it('stay the same over a reconnect, and change with the identity', async () => {
    const { issuer, issued, clock } = await running()
    issuer.ensure('default/web-1', wanted)
    await issuer.idle()
    const first = issuer.current('default/web-1')
    issuer.ensure('default/web-1', undefined)
    assert.equal(issuer.current('default/web-1'), undefined)
    clock.advance(60_000)
    issuer.ensure('default/web-1', wanted)
    await issuer.idle()
    assert.equal(issuer.current('default/web-1'), first)
    issuer.ensure('default/web-1', { ...wanted, spiffeId: 'spiffe://default.east.mesh.local/workload/other' })
    assert.equal(issuer.current('default/web-1'), undefined)
    await issuer.idle()
    assert.equal(issued.length, 2)
    assert.equal(issuer.current('default/web-1')?.privateKeyPem, first?.privateKeyPem)
    issuer.ensure('default/web-1', undefined)
    clock.advance(11 * 60_000)
    issuer.ensure('default/web-1', wanted)
    await issuer.idle()
    assert.notEqual(issuer.current('default/web-1')?.privateKeyPem, first?.privateKeyPem)
    await issuer.stop()
  })

  it('wait for an authority that is not there yet', async () => {
    const { store, issuer, issued } = setUp()
    await issuer.start()
    issuer.ensure('default/web-1', wanted)
    await issuer.idle()
    assert.deepEqual(issuer.pending(), [{ proxyKey: 'default/web-1', kri, reason: 'no-authority' }])
    await store.put(midResource(autogenerate))
    await issuer.idle()
    assert.equal(issued.length, 1)
    assert.deepEqual(issuer.pending(), [])
    await issuer.stop()
  })
})

describe('a new authority', () => {
  it('issues to proxies without a certificate after 10 s at most', async () => {
    const { store, issuer, issued, spread, clock } = setUp()
    spread.answer = false
    await store.put(midResource(autogenerate))
    await issuer.start()
    issuer.ensure('default/web-1', wanted)
    await issuer.idle()
    assert.deepEqual(
      issuer.pending().map((each) => each.reason),
      ['trust-not-spread'],
    )
    clock.advance(9999)
    await issuer.idle()
    assert.equal(issued.length, 0)
    clock.advance(1)
    await issuer.idle()
    assert.equal(issued.length, 1)
    await issuer.stop()
  })

  it('replaces valid certificates only when trust has spread', async () => {
    const { issuer, issued, spread, clock, replaceAuthority, trust } = await running()
    issuer.ensure('default/web-1', wanted)
    await issuer.idle()
    const old = issuer.current('default/web-1')
    spread.answer = false
    await replaceAuthority()
    assert.equal(trust().spec?.caBundles.length, 2, 'old and new roots are trusted')
    clock.advance(hour)
    await issuer.idle()
    assert.equal(issuer.current('default/web-1'), old)
    issuer.ensure('default/web-2', wanted)
    await issuer.idle()
    assert.ok(issuer.current('default/web-2'), 'a proxy without any is served after the cap')
    spread.answer = true
    issuer.trustAdvanced(kri)
    await issuer.idle()
    assert.notEqual(issuer.current('default/web-1')?.authority, old?.authority)
    assert.equal(issued.length, 3)
    assert.ok(spread.asked.some((each) => each === `${kri} ${issuer.current('default/web-1')?.authority}`))
    await issuer.stop()
  })

  it('replaces them before they expire even when trust does not spread', async () => {
    const { issuer, issued, spread, clock, replaceAuthority } = await running()
    issuer.ensure('default/web-1', wanted)
    await issuer.idle()
    spread.answer = false
    await replaceAuthority()
    clock.advance(107 * hour)
    await issuer.idle()
    assert.equal(issued.length, 1)
    clock.advance(2 * hour)
    await issuer.idle()
    assert.equal(issued.length, 2)
    await issuer.stop()
  })

  it('that cannot be used leaves the last good one in place', async () => {
    const { store, issuer, issued, conditions, authority } = await running()
    const good = fingerprintOf(parseCertificates(authority())[0] ?? assert.fail())
    await store.put({ type: 'Secret', mesh: 'default', name: 'mid1-root-ca', labels: {}, spec: secretSpec('broken') })
    await issuer.idle()
    assert.equal(conditions()['Ready'], 'False/Failure')
    issuer.ensure('default/web-1', wanted)
    await issuer.idle()
    assert.equal(issued[0]?.[1].authority, good)
    await issuer.stop()
  })
})

describe('the admin authority', () => {
  it('is made once and shared', async () => {
    const store = createFakeStore()
    const clock = new FakeClock()
    const first = await loadAdminAuthority({ store, clock })
    const second = await loadAdminAuthority({ store, clock })
    assert.equal(first.caPem, second.caPem)
    assert.equal((await first.server('10.0.0.1')).certificatePem, (await first.server('10.0.0.1')).certificatePem)
    const leaf = parseCertificates(first.client.certificatePem)[0] ?? assert.fail()
    assert.ok(leaf.verify(parseCertificates(second.caPem)[0]?.publicKey ?? assert.fail()))
    assert.equal(leaf.subjectAltName, 'DNS:kuma-cp')
  })
})
