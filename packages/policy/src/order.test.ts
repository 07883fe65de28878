import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { computeRole, sortPolicies, toEntries } from './index.ts'
import { samplePolicy } from './sample-policies.ts'

const mesh = { targetRef: { kind: 'Mesh' } }
const dataplane = { targetRef: { kind: 'Dataplane' } }
const section = { targetRef: { kind: 'Dataplane', sectionName: 'http' } }
const names = (policies: readonly { readonly name: string }[]): readonly string[] => policies.map((policy) => policy.name)

describe('order of policies', () => {
  it('ranks kind, section, origin, role, then the name descending', () => {
    const weakestFirst = [
      samplePolicy('b', mesh, { 'kuma.io/origin': 'global' }),
      samplePolicy('a', mesh, { 'kuma.io/origin': 'global' }),
      samplePolicy('c', {}),
      samplePolicy('d', mesh, { 'kuma.io/origin': 'zone' }),
      samplePolicy('e', mesh, { 'kuma.io/origin': 'zone', 'kuma.io/policy-role': 'producer' }),
      samplePolicy('f', mesh, { 'kuma.io/origin': 'zone', 'kuma.io/policy-role': 'consumer' }),
      samplePolicy('g', mesh, { 'kuma.io/origin': 'zone', 'kuma.io/policy-role': 'workload-owner' }),
      samplePolicy('h', dataplane, { 'kuma.io/origin': 'global' }),
      samplePolicy('i', section, { 'kuma.io/origin': 'global' }),
    ]
    assert.deepEqual(names(sortPolicies(weakestFirst.toReversed())), names(weakestFirst))
  })

  it('uses the display name before the store name', () => {
    const policies = [samplePolicy('a', mesh, { 'kuma.io/display-name': 'z' }), samplePolicy('z', mesh, { 'kuma.io/display-name': 'a' })]
    assert.deepEqual(names(sortPolicies(policies)), ['a', 'z'])
  })

  it('does not depend on the order of arrival, even with equal display names', () => {
    const policy = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      spec: fc.constantFrom(mesh, dataplane, section, {}, { targetRef: 7 }),
      origin: fc.constantFrom('global', 'zone', 'else'),
    })
    fc.assert(
      fc.property(fc.uniqueArray(policy, { selector: (value) => value.name }), fc.nat(), (list, seed) => {
        const policies = list.map(({ name, spec, origin }) =>
          samplePolicy(name, spec, { 'kuma.io/origin': origin, 'kuma.io/display-name': 'same' }),
        )
        const shuffled = policies.toSorted((a, b) => ((a.name.charCodeAt(0) * 31 + seed) % 7) - ((b.name.charCodeAt(0) * 31 + seed) % 7))
        assert.deepEqual(names(sortPolicies(shuffled)), names(sortPolicies(policies)))
      }),
    )
  })
})

describe('order of to entries', () => {
  it('ranks the kind of the target, then a section of a MeshService, then the name', () => {
    const to = (kind: string, sectionName?: string) => ({
      targetRef: { kind, labels: { a: 'b' }, ...(sectionName === undefined ? {} : { sectionName }) },
    })
    const policy = samplePolicy('p', {
      to: [
        to('MeshHTTPRoute'),
        to('MeshMultiZoneService'),
        to('MeshExternalService'),
        to('MeshService', 'http'),
        to('MeshService'),
        to('Mesh'),
      ],
    })
    assert.deepEqual(
      toEntries([policy]).map((entry) => entry.index),
      [5, 4, 3, 2, 1, 0],
    )
  })

  it('leaves out entries that cannot be understood', () => {
    const policy = samplePolicy('p', {
      to: [null, 7, {}, { targetRef: { kind: 'MeshSubset' } }, { targetRef: { kind: 'constructor' } }, { targetRef: { kind: 'Mesh' } }],
    })
    assert.deepEqual(
      toEntries([policy]).map((entry) => entry.index),
      [5],
    )
    assert.deepEqual(toEntries([samplePolicy('q', null), samplePolicy('r', { to: 'x' })]), [])
  })
})

describe('role of a policy', () => {
  const at = { namespace: 'app', systemNamespace: 'kuma-system' }
  const to = (...refs: readonly object[]) => ({ to: refs.map((targetRef) => ({ targetRef })) })
  const own = { kind: 'MeshService', labels: { 'kuma.io/display-name': 'backend' } }
  const other = { kind: 'MeshService', labels: { 'kuma.io/display-name': 'backend', 'k8s.kuma.io/namespace': 'other' } }

  it('is system without a namespace and in the system namespace', () => {
    assert.deepEqual(computeRole(to(own), { ...at, namespace: '' }), { role: 'system' })
    assert.deepEqual(computeRole(to(own), { ...at, namespace: 'kuma-system' }), { role: 'system' })
  })

  it('follows what the to items select', () => {
    assert.deepEqual(computeRole({ rules: [{}] }, at), { role: 'workload-owner' })
    assert.deepEqual(computeRole(to(own), at), { role: 'producer' })
    assert.deepEqual(computeRole(to({ ...own, labels: { ...own.labels, 'k8s.kuma.io/namespace': 'app' } }), at), { role: 'producer' })
    assert.deepEqual(computeRole(to(other), at), { role: 'consumer' })
    assert.deepEqual(computeRole(to({ kind: 'Mesh' }), at), { role: 'consumer' })
    assert.deepEqual(computeRole(to({ ...own, labels: { ...own.labels, team: 'x' } }), at), { role: 'consumer' })
  })

  it('refuses a mixture', () => {
    assert.ok('violations' in computeRole(to(own, other), at))
  })
})
