import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PolicySet, ProxyFacts } from '@weft/facts'
import type { Resource } from '@weft/resources'
import { createCell, type EncodedResource, type ProxySnapshot, type XdsType } from '@weft/xds'
import { createPolicyTrials } from './policy-trials.ts'
import { sampleFacts } from './testing/sample-facts.ts'

const policy = (name: string, over: Partial<Resource> = {}): Resource => ({
  type: 'MeshTimeout',
  mesh: 'default',
  name,
  labels: {},
  creationTime: '',
  modificationTime: `2026-01-01T00:00:${name.padStart(2, '0')}Z`,
  version: 1,
  spec: {},
  ...over,
})

let lastId = 0
function setOf(...policies: readonly Resource[]): PolicySet {
  const byType = new Map<string, Resource[]>()
  for (const each of policies) byType.set(each.type, [...(byType.get(each.type) ?? []), each])
  return { id: ++lastId, byType }
}

/** A proxy whose only cluster says which policies it was made with, and an Envoy that refuses some of them. */
function stage(refuses: (names: readonly string[]) => boolean, affects: (name: string) => boolean = () => true) {
  const trials = createPolicyTrials()
  let runs: string | undefined
  let built: string | undefined
  let refused: string | undefined
  const labelsOf = (facts: ProxyFacts): readonly string[] =>
    [...facts.policies.byType.values()].flat().map(({ name, version }) => `${name}@${version}`)
  const snapshotOf = (version: string): ProxySnapshot => {
    const encoded: EncodedResource = { name: 'c', version, frame: new Uint8Array(0) }
    return { cluster: new Map([['c', createCell('cluster', 'c', encoded)]]), endpoint: new Map(), listener: new Map(), secret: new Map() }
  }
  let turns = 0
  const serve = (policies: PolicySet): void => {
    for (;;) {
      assert.ok(++turns < 1000, 'trials never end')
      const effective = trials.apply(sampleFacts('p', { policies }))
      const names = labelsOf(effective)
      built = names.filter(affects).toSorted().join(' ')
      if (trials.isUnchanged(effective.key, snapshotOf(built))) continue
      if (built === runs) {
        if (trials.accepted(effective.key, running)) continue
        return
      }
      // what was refused and did not change is not sent again
      if (built === refused) return
      if (!refuses(names.filter(affects))) {
        runs = built
        if (trials.accepted(effective.key, running)) continue
        return
      }
      refused = built
      if (!trials.refused(effective.key, { type: 'cluster', names: ['c'], message: 'no such thing' }, () => built)) return
    }
  }
  const running = {
    runs: (type: XdsType, name: string): boolean | undefined => (type === 'cluster' && name === 'c' ? runs === built : undefined),
    settled: true,
  }
  return { serve, trials, runs: () => runs, key: sampleFacts('p').key }
}

const names = (list: readonly { readonly policy: Resource }[]): readonly string[] => list.map((each) => each.policy.name)

void test('the newest change is taken back first, and named with the words of Envoy', () => {
  const { serve, trials, runs, key } = stage((list) => list.includes('2@1'))
  serve(setOf(policy('1')))
  serve(setOf(policy('1'), policy('2'), policy('3')))
  assert.deepEqual(names(trials.rejections(key)), ['2'])
  assert.equal(trials.rejections(key)[0]?.message, 'no such thing')
  assert.equal(runs(), '1@1 3@1')
})

void test('a policy that was accepted before keeps its last accepted version', () => {
  const { serve, trials, runs, key } = stage((list) => list.includes('2@2'))
  serve(setOf(policy('1'), policy('2')))
  serve(setOf(policy('1'), policy('2', { version: 2 })))
  assert.equal(trials.rejections(key)[0]?.instead?.version, 1)
  assert.equal(runs(), '1@1 2@1')
  serve(setOf(policy('1'), policy('2', { version: 3 })))
  assert.deepEqual(trials.rejections(key), [])
  assert.equal(runs(), '1@1 2@3')
})

void test('policies that have no part in the refused resource are passed over without asking Envoy', () => {
  const { serve, trials, key } = stage(
    (list) => list.includes('1@1'),
    (name) => name === '1@1',
  )
  serve(setOf())
  serve(setOf(policy('1'), policy('2'), policy('3')))
  assert.deepEqual(names(trials.rejections(key)), ['1'])
})

void test('two that are refused together or each alone are both found', () => {
  const { serve, trials, runs, key } = stage((list) => list.includes('2@1') || list.includes('3@1'))
  serve(setOf(policy('1')))
  serve(setOf(policy('1'), policy('2'), policy('3')))
  assert.deepEqual(names(trials.rejections(key)).toSorted(), ['2', '3'])
  assert.equal(runs(), '1@1')
})

void test('a security policy is never taken back: the old resource stays', () => {
  for (const type of ['MeshTrafficPermission', 'MeshTLS']) {
    const { serve, trials, runs, key } = stage((list) => list.includes('2@1'))
    serve(setOf(policy('1')))
    serve(setOf(policy('1'), policy('2', { type })))
    assert.deepEqual(trials.rejections(key), [])
    assert.equal(runs(), '1@1')
  }
})

void test('what no policy is to blame for ends, and begins again with the next change', () => {
  let isBroken = true
  const { serve, trials, runs, key } = stage((list) => isBroken && list.length > 0)
  serve(setOf())
  serve(setOf(policy('1', { type: 'MeshTLS' }), policy('2')))
  assert.deepEqual(trials.rejections(key), [])
  isBroken = false
  serve(setOf(policy('1', { type: 'MeshTLS' }), policy('2'), policy('3')))
  assert.equal(runs(), '1@1 2@1 3@1')
})

void test('a culprit of one proxy is the first suspect at the others', () => {
  const trials = createPolicyTrials()
  const culprit = policy('1')
  const policies = setOf(culprit, policy('2'), policy('3'))
  const asked: string[] = []
  for (const name of ['a', 'b']) {
    const facts = sampleFacts(name, { policies })
    trials.apply(sampleFacts(name, { policies: setOf() }))
    trials.accepted(facts.key, { runs: () => true, settled: true })
    trials.apply(facts)
    while (trials.refused(facts.key, { type: 'cluster', names: ['c'], message: 'x' }, () => undefined)) {
      const kept = [...trials.apply(facts).policies.byType.values()]
        .flat()
        .map((each) => each.name)
        .toSorted()
      asked.push(`${name}${kept.join('')}`)
      if (!kept.includes(culprit.name)) break
    }
    trials.accepted(facts.key, { runs: () => true, settled: true })
    assert.deepEqual(names(trials.rejections(facts.key)), [culprit.name])
  }
  assert.deepEqual(asked, ['a12', 'a13', 'a23', 'b23'])
})

void test('whatever Envoy refuses, trials end, guards stay and what it accepts it runs', () => {
  const kinds = fc.constantFrom('MeshTimeout', 'MeshRetry', 'MeshTLS')
  const draw = fc.uniqueArray(
    fc.record({ name: fc.integer({ min: 1, max: 6 }).map(String), type: kinds, version: fc.integer({ min: 1, max: 3 }) }),
    {
      selector: ({ name }) => name,
      maxLength: 6,
    },
  )
  fc.assert(
    fc.property(
      fc.array(draw, { maxLength: 6 }),
      fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 3 })), { maxLength: 4 }),
      (steps, bad) => {
        const isBad = new Set(bad.map(([name, version]) => `${name}@${version}`))
        const { serve, trials, runs, key } = stage((list) => list.some((label) => isBad.has(label)))
        for (const step of steps) {
          serve(setOf(...step.map(({ name, type, version }) => policy(name, { type, version }))))
          for (const rejection of trials.rejections(key)) assert.notEqual(rejection.policy.type, 'MeshTLS')
          const guardsAreGood = step.every(({ name, type, version }) => type !== 'MeshTLS' || !isBad.has(`${name}@${version}`))
          const anyGood = step.every(({ name, version }) => !isBad.has(`${name}@${version}`))
          if (anyGood)
            assert.equal(
              runs(),
              step
                .map(({ name, version }) => `${name}@${version}`)
                .toSorted()
                .join(' '),
            )
          if (guardsAreGood && runs() !== undefined) assert.ok(![...isBad].some((label) => runs()?.split(' ').includes(label)))
        }
      },
    ),
  )
})
