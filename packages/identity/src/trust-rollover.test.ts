// A zone that lost its certificate authority: the new one joins the roots that are still in use, and proxies keep what they hold until all
// who matter trust both.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createMeshCa } from './certificates.ts'
import { createFakeStore } from './fakes/fake-store.ts'
import { createIdentityIssuer } from './identity-issuer.ts'
import { secretText } from './signing-keys.ts'

const kri = 'kri_mid_default_east__mid1_'
const domain = 'default.east.mesh.local'
const wanted = { kri, spiffeId: `spiffe://${domain}/workload/web` }
const hour = 3_600_000

interface World {
  isTrustKnown: boolean
  isSpread: boolean
  readonly holders: Set<string>
}

function setUp(expiry = '24h') {
  const store = createFakeStore()
  const clock = new FakeClock()
  const world: World = { isTrustKnown: true, isSpread: false, holders: new Set() }
  const issued: string[] = []
  const issuer = createIdentityIssuer({
    store,
    clock,
    log: silentLogger,
    settings: { zone: 'east', environment: 'universal' },
    onIssued: (proxyKey) => issued.push(proxyKey),
    trustSpread: () => world.isSpread,
    isTrustKnown: () => world.isTrustKnown,
    holdsCertificate: (proxyKey) => world.holders.has(proxyKey),
  })
  const bundled = { insecureAllowSelfSigned: true, autogenerate: { enabled: true }, certificateParameters: { expiry } }
  const putIdentity = () =>
    store.put({
      type: 'MeshIdentity',
      mesh: 'default',
      name: 'mid1',
      labels: { 'kuma.io/zone': 'east' },
      spec: { selector: { dataplane: { matchLabels: {} } }, provider: { type: 'Bundled', bundled } },
    })
  const putTrust = (name: string, trustDomain: string, pems: readonly string[]) =>
    store.put({
      type: 'MeshTrust',
      mesh: 'default',
      name,
      labels: { 'kuma.io/origin': 'global' },
      spec: { trustDomain, caBundles: pems.map((value) => ({ type: 'Pem', pem: { value } })) },
    })
  const trusted = (): readonly string[] => {
    // the test wrote it
    const spec = store.get({ type: 'MeshTrust', mesh: 'default', name: 'mid1' })?.spec as
      | { caBundles: { pem: { value: string } }[] }
      | undefined
    return (spec?.caBundles ?? []).map((bundle) => bundle.pem.value)
  }
  const authority = (): string | undefined => secretText(store.get({ type: 'Secret', mesh: 'default', name: 'mid1-root-ca' }))
  return { store, clock, world, issued, issuer, putIdentity, putTrust, trusted, authority }
}

describe('an authority that is made anew', () => {
  it('joins the roots its trust domain has elsewhere, as far as they are valid', async () => {
    const { clock, issuer, putIdentity, putTrust, trusted, authority } = setUp()
    const old = await createMeshCa({ trustDomain: domain, now: clock.now() })
    const foreign = await createMeshCa({ trustDomain: 'default.west.mesh.local', now: clock.now() })
    const expired = await createMeshCa({ trustDomain: domain, now: clock.now() - 20 * 365 * 24 * hour })
    await putTrust('zone-east-1', domain, [old.certificatePem, expired.certificatePem])
    await putTrust('zone-west-1', 'default.west.mesh.local', [foreign.certificatePem])
    await putIdentity()
    await issuer.start()
    await issuer.idle()
    assert.deepEqual(trusted(), [old.certificatePem, authority()])
    await issuer.stop()
  })

  it('is not made before the trust of others has arrived', async () => {
    const { clock, world, issuer, putIdentity, putTrust, trusted, authority, store } = setUp()
    world.isTrustKnown = false
    await putIdentity()
    await issuer.start()
    await issuer.idle()
    assert.equal(authority(), undefined)
    assert.equal(store.get({ type: 'MeshIdentity', mesh: 'default', name: 'mid1' })?.status, undefined)
    const old = await createMeshCa({ trustDomain: domain, now: clock.now() })
    await putTrust('zone-east-1', domain, [old.certificatePem])
    world.isTrustKnown = true
    issuer.lookAgain()
    await issuer.idle()
    assert.deepEqual(trusted(), [old.certificatePem, authority()])
    await issuer.stop()
  })
})

describe('an authority that grows old', () => {
  const year = 365 * 24 * hour

  it('gets a successor while it is still good, and leaves the trust when it has expired', async () => {
    const { clock, world, issuer, issued, putIdentity, trusted, authority } = setUp()
    await putIdentity()
    await issuer.start()
    await issuer.idle()
    const first = authority()
    clock.advance(8 * year - hour)
    await issuer.idle()
    assert.deepEqual(trusted(), [first])
    clock.advance(hour)
    await issuer.idle()
    const second = authority()
    assert.notEqual(second, first)
    assert.deepEqual(trusted(), [first, second])
    // what holds a certificate of the first keeps it until the second is trusted
    world.holders.add('default/old')
    issuer.ensure('default/old', wanted)
    await issuer.idle()
    assert.deepEqual(issued, [])
    world.isSpread = true
    issuer.trustAdvanced(kri)
    await issuer.idle()
    assert.deepEqual(issued, [])
    clock.advance(5_000)
    await issuer.idle()
    assert.deepEqual(issued, ['default/old'])
    issuer.ensure('default/old', undefined)
    clock.advance(2 * year)
    await issuer.idle()
    assert.deepEqual(trusted(), [second])
    await issuer.stop()
    assert.equal(clock.pending, 0)
  })
})

describe('a proxy with a certificate of an earlier life', () => {
  async function waiting(expiry?: string) {
    const fixture = setUp(expiry)
    await fixture.putIdentity()
    await fixture.issuer.start()
    await fixture.issuer.idle()
    fixture.world.holders.add('default/old')
    for (const key of ['default/old', 'default/new']) fixture.issuer.ensure(key, wanted)
    await fixture.issuer.idle()
    return fixture
  }

  it('keeps it until trust has spread, while one without any waits 10 s', async () => {
    const { clock, world, issuer, issued } = await waiting()
    assert.deepEqual(issued, [])
    clock.advance(10_000)
    await issuer.idle()
    assert.deepEqual(issued, ['default/new'])
    assert.deepEqual(issuer.pending(), [{ proxyKey: 'default/old', kri, reason: 'trust-not-spread' }])
    clock.advance(hour)
    await issuer.idle()
    assert.deepEqual(issued, ['default/new'])
    world.isSpread = true
    issuer.trustAdvanced(kri)
    await issuer.idle()
    assert.deepEqual(issued, ['default/new'])
    clock.advance(5_000)
    await issuer.idle()
    assert.deepEqual(issued, ['default/new', 'default/old'])
    await issuer.stop()
    assert.equal(clock.pending, 0)
  })

  it('gets a new one after a tenth of its lifetime whatever happens', async () => {
    const { clock, issuer, issued } = await waiting('10h')
    clock.advance(hour - 1)
    await issuer.idle()
    assert.deepEqual(issued, ['default/new'])
    clock.advance(1)
    await issuer.idle()
    assert.deepEqual(issued, ['default/new', 'default/old'])
    await issuer.stop()
  })

  it('gets one at once when it comes back without', async () => {
    const { clock, world, issuer, issued } = await waiting()
    clock.advance(20_000)
    await issuer.idle()
    assert.deepEqual(issued, ['default/new'])
    issuer.proxyAdvanced('default/old')
    await issuer.idle()
    assert.deepEqual(issued, ['default/new'])
    world.holders.clear()
    issuer.proxyAdvanced('default/old')
    await issuer.idle()
    assert.deepEqual(issued, ['default/new', 'default/old'])
    await issuer.stop()
  })
})
