import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Labels, Resource } from '@weft/resources'
import { type OutboundTarget, outboundRule, portTarget, sameForProxies, toEntries } from './index.ts'
import { sampleDestination, samplePolicy } from './sample-policies.ts'

const toService = (name: string, conf: object, sectionName?: string) => ({
  targetRef: { kind: 'MeshService', labels: { 'kuma.io/display-name': name }, ...(sectionName === undefined ? {} : { sectionName }) },
  default: conf,
})
const toMesh = (conf: object) => ({ targetRef: { kind: 'Mesh' }, default: conf })
const policy = (to: readonly object[], labels: Labels = {}): Resource => samplePolicy('a', { targetRef: { kind: 'Mesh' }, to }, labels)
const route = (of: Resource): Resource => ({ ...of, type: 'MeshHTTPRoute' })

describe('two versions of a policy that no proxy can tell apart', () => {
  it('differ in times, versions and labels that nothing reads', () => {
    const before = policy([toMesh({ x: 1 })], { team: 'a', 'kuma.io/origin': 'global' })
    const after = {
      ...before,
      version: 9,
      modificationTime: 'later',
      creationTime: 'later',
      labels: { 'kuma.io/origin': 'global', note: 'b' },
    }
    assert.ok(sameForProxies(before, after))
  })

  for (const key of [
    'kuma.io/display-name',
    'kuma.io/origin',
    'kuma.io/zone',
    'kuma.io/policy-role',
    'kuma.io/effect',
    'k8s.kuma.io/namespace',
  ]) {
    it(`do not differ in ${key}`, () => {
      assert.ok(!sameForProxies(policy([]), policy([], { [key]: 'shadow' })))
    })
  }

  it('do not differ in the spec', () => {
    assert.ok(!sameForProxies(policy([toMesh({ x: 1 })]), policy([toMesh({ x: 2 })])))
    assert.ok(!sameForProxies(policy([toMesh({ x: 1 })]), policy([toMesh({ x: 1 }), toMesh({ x: 1 })])))
    const spec = { targetRef: { kind: 'Dataplane' }, to: [toMesh({ x: 1 })] }
    assert.ok(!sameForProxies(policy([toMesh({ x: 1 })]), samplePolicy('a', spec)))
  })

  it('differ in the order of entries for different destinations, ports and kinds', () => {
    const entries = [
      toService('a', { x: 1 }),
      toService('b', { x: 2 }),
      toService('a', { x: 3 }, 'http'),
      toService('a', { x: 4 }, 'tcp'),
      toMesh({ x: 5 }),
      { targetRef: { kind: 'MeshExternalService', labels: { 'kuma.io/display-name': 'a' } }, default: { x: 6 } },
      { targetRef: { kind: 'Unknown' }, default: {} },
    ]
    assert.ok(sameForProxies(policy(entries), policy(entries.toReversed())))
  })

  it('do not differ in the order of entries that can count for one destination', () => {
    const labelled = { targetRef: { kind: 'MeshService', labels: { team: 'x' } }, default: { x: 2 } }
    for (const [a, b] of [
      [toMesh({ x: 1 }), toMesh({ x: 2 })],
      [toService('a', { x: 1 }), toService('a', { x: 2 })],
      [toService('a', { x: 1 }), labelled],
    ] as const) {
      assert.ok(!sameForProxies(policy([a, b]), policy([b, a])))
    }
  })

  it('do not differ in labels or order where other policies can name them', () => {
    const entries = [toService('a', {}), toService('b', {})]
    assert.ok(!sameForProxies(route(policy(entries, { team: 'a' })), route(policy(entries, { team: 'b' }))))
    assert.ok(!sameForProxies(route(policy(entries)), route(policy(entries.toReversed()))))
    assert.ok(sameForProxies(route(policy(entries)), { ...route(policy(entries)), version: 3 }))
  })

  it('give every destination the same rule', () => {
    const label = fc.constantFrom('kuma.io/display-name', 'team')
    const text = fc.constantFrom('a', 'b')
    const ref = fc.record(
      {
        kind: fc.constantFrom('Mesh', 'MeshService', 'MeshExternalService', 'MeshMultiZoneService'),
        labels: fc.dictionary(label, text, { minKeys: 1, maxKeys: 2 }),
        sectionName: fc.constantFrom('http', 'tcp'),
      },
      { requiredKeys: ['kind'] },
    )
    const entry = fc.record({ targetRef: ref, default: fc.record({ x: fc.nat(3), y: fc.nat(3) }, { requiredKeys: [] }) })
    const targets: OutboundTarget[] = [{ kind: 'Mesh' }]
    for (const kind of ['MeshService', 'MeshExternalService', 'MeshMultiZoneService'] as const)
      for (const name of ['a', 'b'])
        for (const team of ['a', 'b'])
          for (const portName of ['http', 'tcp'])
            targets.push(portTarget(sampleDestination({ kind, name, portName, labels: { 'kuma.io/display-name': name, team } })))
    let reordered = 0
    fc.assert(
      fc.property(fc.array(entry, { minLength: 2, maxLength: 5 }), fc.infiniteStream(fc.nat(1000)), (list, order) => {
        const shuffled = list
          .map((item) => ({ item, at: order.next().value }))
          .toSorted((a, b) => a.at - b.at)
          .map(({ item }) => item)
        if (!sameForProxies(policy(list), policy(shuffled))) return
        if (shuffled.some((item, i) => item !== list[i])) reordered++
        const [before, after] = [toEntries([policy(list)]), toEntries([policy(shuffled)])]
        for (const target of targets) assert.deepEqual(outboundRule(after, target)?.conf, outboundRule(before, target)?.conf)
      }),
      { numRuns: 500 },
    )
    assert.ok(reordered > 10, `only ${reordered} lists were the same in another order`)
  })
})
