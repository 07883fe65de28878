import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseCertificates } from './certificates.ts'
import { autogenerate, hour, kri, midResource, running, setUp, wanted } from './issuer.fixture.ts'

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
    assert.deepEqual(
      issued.map(([proxyKey, svid]) => [proxyKey, svid === first]),
      [
        ['default/web-1', true],
        ['default/web-1', true],
      ],
      'told again: what was known of a proxy that went is forgotten',
    )
    issuer.ensure('default/web-1', { ...wanted, spiffeId: 'spiffe://default.east.mesh.local/workload/other' })
    assert.equal(issuer.current('default/web-1'), undefined)
    await issuer.idle()
    assert.equal(issued.length, 3)
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
