import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { matchPolicies, type ProxyView, policySelects, selectsSection } from './index.ts'
import { samplePolicy } from './sample-policies.ts'

const proxy: ProxyView = {
  labels: { app: 'web', 'kuma.io/zone': 'zone-1', 'kuma.io/origin': 'zone', 'k8s.kuma.io/namespace': 'shop' },
  displayName: 'web-1',
  sections: ['http', '9090'],
  gateway: false,
}
const selects = (targetRef: unknown, labels = {}, view: ProxyView = proxy): boolean =>
  policySelects(samplePolicy('p', { targetRef }, labels), view)

describe('selection of proxies', () => {
  it('takes the whole mesh without a reference', () => {
    assert.equal(policySelects(samplePolicy('p', {}), proxy), true)
    assert.equal(selects({ kind: 'Mesh' }), true)
  })

  it('matches labels exactly, the display name included', () => {
    assert.equal(selects({ kind: 'Dataplane' }), true)
    assert.equal(selects({ kind: 'Dataplane', labels: {} }), true)
    assert.equal(selects({ kind: 'Dataplane', labels: { app: 'web' } }), true)
    assert.equal(selects({ kind: 'Dataplane', labels: { app: 'web', tier: 'x' } }), false)
    assert.equal(selects({ kind: 'Dataplane', labels: { 'kuma.io/display-name': 'web-1' } }), true)
    assert.equal(selects({ kind: 'Dataplane', labels: { 'kuma.io/display-name': 'web-2' } }), false)
    assert.equal(selects({ kind: 'Dataplane', labels: { constructor: 'x' } }), false)
  })

  it('needs a section that exists', () => {
    assert.equal(selects({ kind: 'Dataplane', sectionName: 'http' }), true)
    assert.equal(selects({ kind: 'Dataplane', sectionName: '9090' }), true)
    assert.equal(selects({ kind: 'Dataplane', sectionName: '8080' }), false)
  })

  it('selects a delegated gateway without sections, and nothing on a proxy without both', () => {
    assert.equal(selects({ kind: 'Mesh' }, {}, { ...proxy, sections: [], gateway: true }), true)
    assert.equal(selects({ kind: 'Mesh' }, {}, { ...proxy, sections: [] }), false)
  })

  it('keeps a policy of another zone away, unless its role is producer or it came from global', () => {
    const other = { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'zone-2' }
    assert.equal(selects({ kind: 'Mesh' }, other), false)
    assert.equal(selects({ kind: 'Mesh' }, { ...other, 'kuma.io/zone': 'zone-1' }), true)
    assert.equal(selects({ kind: 'Mesh' }, { ...other, 'kuma.io/origin': 'global' }), true)
    assert.equal(selects({ kind: 'Mesh' }, { ...other, 'kuma.io/policy-role': 'producer' }), true)
    assert.equal(selects({ kind: 'Mesh' }, other, { ...proxy, labels: { 'kuma.io/origin': 'global' } }), true)
  })

  it('keeps namespaced roles inside their namespace', () => {
    for (const role of ['consumer', 'workload-owner']) {
      assert.equal(selects({ kind: 'Mesh' }, { 'kuma.io/policy-role': role }), false)
      assert.equal(selects({ kind: 'Mesh' }, { 'kuma.io/policy-role': role, 'k8s.kuma.io/namespace': 'shop' }), true)
      assert.equal(selects({ kind: 'Mesh' }, { 'kuma.io/policy-role': role, 'k8s.kuma.io/namespace': 'other' }), false)
    }
    assert.equal(selects({ kind: 'Mesh' }, { 'kuma.io/policy-role': 'system', 'k8s.kuma.io/namespace': 'other' }), true)
  })

  it('leaves shadow policies out unless asked', () => {
    const shadow = samplePolicy('p', {}, { 'kuma.io/effect': 'shadow' })
    assert.deepEqual(matchPolicies([shadow], proxy), [])
    assert.deepEqual(matchPolicies([shadow], proxy, { shadow: true }), [shadow])
  })

  it('skips kinds and references it does not know', () => {
    for (const ref of [
      { kind: 'MeshSubset' },
      { kind: 'MeshService', labels: { a: 'b' } },
      { kind: '__proto__' },
      'Mesh',
      7,
      [],
      { kind: 'Dataplane', labels: { a: 1 } },
    ]) {
      assert.equal(selects(ref), false, JSON.stringify(ref))
    }
  })

  it('never throws on any stored spec', () => {
    fc.assert(
      fc.property(fc.anything(), (spec) => {
        matchPolicies([samplePolicy('p', spec)], proxy)
        selectsSection(samplePolicy('p', { targetRef: spec }), 'http')
      }),
    )
  })
})
