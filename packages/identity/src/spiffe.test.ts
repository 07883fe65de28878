import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Labels, Resource } from '@weft/resources'
import { identityKri, selectIdentity, spiffeIdOf, trustDomainOf, usesWorkload } from './spiffe.ts'

function identity(name: string, spec: unknown, labels: Labels = {}): Resource {
  return { type: 'MeshIdentity', mesh: 'default', name, labels, creationTime: '', modificationTime: '', version: 1, spec }
}
const selecting = (matchLabels: Labels) => ({ selector: { dataplane: { matchLabels } } })
const settings = { zone: 'east', environment: 'universal' } as const

describe('selectIdentity', () => {
  it('prefers most labels, then the smallest name', () => {
    const all = identity('all', selecting({}))
    const b = identity('b', selecting({ app: 'x' }))
    const a = identity('a', selecting({ team: 'y' }))
    assert.equal(selectIdentity([all, b, a], { app: 'x', team: 'y' })?.name, 'a')
    assert.equal(selectIdentity([all, b, a], { app: 'x' })?.name, 'b')
    assert.equal(selectIdentity([all, b, a], {})?.name, 'all')
  })

  it('selects nothing without a selector', () => {
    assert.equal(selectIdentity([identity('a', {}), identity('b', { selector: {} }), identity('c', null)], {}), undefined)
  })

  it('is not fooled by inherited properties', () => {
    assert.equal(selectIdentity([identity('a', selecting({ constructor: 'x' }))], {}), undefined)
  })
})

describe('templates', () => {
  it('render the defaults', () => {
    const mid = identity('mid1', {})
    assert.equal(trustDomainOf(mid, settings), 'default.east.mesh.local')
    assert.equal(spiffeIdOf(mid, { 'kuma.io/workload': 'web' }, settings), 'spiffe://default.east.mesh.local/workload/web')
    const onKubernetes = spiffeIdOf(
      mid,
      { 'k8s.kuma.io/namespace': 'n', 'k8s.kuma.io/service-account': 's' },
      { zone: 'east', environment: 'kubernetes' },
    )
    assert.equal(onKubernetes, 'spiffe://default.east.mesh.local/ns/n/sa/s')
  })

  it('take the zone of the identity before that of the control plane', () => {
    assert.equal(trustDomainOf(identity('mid1', {}, { 'kuma.io/zone': 'west' }), settings), 'default.west.mesh.local')
  })

  it('read labels', () => {
    const mid = identity(
      'mid1',
      { spiffeID: { trustDomain: '{{ label "td" }}.local', path: '/{{label `team`}}/{{ .TrustDomain }}' } },
      { td: 'x' },
    )
    assert.equal(spiffeIdOf(mid, { team: 'a' }, settings), 'spiffe://x.local/a/x.local')
    assert.equal(spiffeIdOf(mid, {}, settings), undefined)
  })

  it('give nothing when something is unknown', () => {
    assert.equal(trustDomainOf(identity('a', { spiffeID: { trustDomain: '{{ .Nope }}' } }), settings), undefined)
    assert.equal(trustDomainOf(identity('a', { spiffeID: { trustDomain: '{{ if }}' } }), settings), undefined)
    assert.equal(trustDomainOf(identity('a', { spiffeID: { trustDomain: '{{ .constructor }}' } }), settings), undefined)
    assert.equal(spiffeIdOf(identity('a', {}), {}, settings), undefined, 'a workload path needs the label')
  })

  it('tell whether the id depends on the workload', () => {
    assert.equal(usesWorkload(identity('a', {}), settings), true)
    assert.equal(usesWorkload(identity('a', { spiffeID: { path: '/x/{{ label "kuma.io/workload" }}' } }), settings), true)
    assert.equal(usesWorkload(identity('a', { spiffeID: { path: '/fixed' } }), settings), false)
  })
})

it('names identities by KRI', () => {
  assert.equal(identityKri('mid', identity('mid1-abc', {}, { 'kuma.io/display-name': 'mid1' })), 'kri_mid_default___mid1_')
  assert.equal(identityKri('mid', identity('mid1', {}, { 'kuma.io/zone': 'zone-b' })), 'kri_mid_default_zone-b__mid1_')
})
