import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fingerprintOf, parseCertificates } from './certificates.ts'
import { secretSpec } from './signing-keys.ts'
import { autogenerate, hour, kri, midResource, running, setUp, wanted } from './issuer.fixture.ts'

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
    clock.advance(4_999)
    await issuer.idle()
    assert.equal(issuer.current('default/web-1'), old, 'connections that are being made know the old root only')
    clock.advance(1)
    await issuer.idle()
    assert.notEqual(issuer.current('default/web-1')?.authority, old?.authority)
    assert.equal(issued.length, 3)
    issuer.ensure('default/web-3', wanted)
    await issuer.idle()
    assert.equal(issued.length, 4, 'nobody talks to a new proxy yet')
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
    const { store, issuer, issued, conditions, authority, replaceAuthority } = await running()
    const good = fingerprintOf(parseCertificates(authority())[0] ?? assert.fail())
    await store.put({ type: 'Secret', mesh: 'default', name: 'mid1-root-ca', labels: {}, spec: secretSpec('broken') })
    await issuer.idle()
    assert.equal(conditions()['Ready'], 'False/LastAuthorityInUse')
    issuer.ensure('default/web-1', wanted)
    await issuer.idle()
    assert.equal(issued[0]?.[1].authority, good)
    await store.put({ type: 'Secret', mesh: 'default', name: 'mid1-root-ca', labels: {}, spec: secretSpec('broken in another way') })
    await issuer.idle()
    assert.equal(conditions()['Ready'], 'False/LastAuthorityInUse')
    await replaceAuthority()
    assert.equal(conditions()['Ready'], 'True/Ready')
    await issuer.stop()
  })
})
