// Random writes against recompute-from-scratch for every kind of node, with failures, keepLast and contested output keys.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import fc from 'fast-check'
import { type NetChange, createGraph } from './index.ts'

interface Item {
  readonly group: string
  readonly n: number
  readonly refs: readonly string[]
}

const keys = ['a', 'b', 'c', 'd', 'e'] as const
const arbKey = fc.constantFrom(...keys)
const arbItem = fc.record(
  { group: fc.constantFrom('g', 'h'), n: fc.integer({ min: 0, max: 4 }), refs: fc.uniqueArray(arbKey, { maxLength: 3 }) },
  { noNullPrototype: true },
)
const arbWrite = fc.record({ source: fc.constantFrom('left', 'right'), key: arbKey, item: fc.option(arbItem) })
const arbTransactions = fc.array(fc.array(arbWrite, { minLength: 1, maxLength: 4 }), { maxLength: 30 })

function build() {
  const graph = createGraph({ clock: new FakeClock(), log: silentLogger })
  const left = graph.source<Item>('left')
  const right = graph.source<Item>('right')
  const both = graph.union('both', [left, right])
  const byGroup = graph.index('byGroup', both, (v) => (v.n === 4 ? [v.group, 'four'] : [v.group]))
  const groups = graph.group('groups', both, (v) => [v.group])
  // n = 3 fails, so downstream must keep the last value
  const doubled = graph.map({ name: 'doubled', from: both }, (scope, v) => {
    if (v.n === 3) scope.keepLast('three')
    return v.n === 2 ? undefined : v.n * 2
  })
  const sums = graph.map({ name: 'sums', from: left, reads: [doubled, byGroup, right] }, (scope, v, key) => ({
    refs: v.refs.map((ref) => scope.get(doubled, ref) ?? null),
    group: scope.lookup(byGroup, v.group).map((m) => m.n),
    mine: scope.get(right, key)?.n ?? null,
  }))
  const spread = graph.derive({ name: 'spread', from: right, reads: [doubled] }, function* (scope, v, key) {
    for (const ref of v.refs) {
      if (v.n === 3) throw new TypeError('three')
      yield [`${key}-${ref}`, scope.get(doubled, ref) ?? 0] as const
    }
  })
  const contested = graph.derive({ name: 'contested', from: left }, (_, v, key) => v.refs.map((ref) => [ref, key] as const))
  const total = graph.map({ name: 'total', from: left, reads: [right] }, (scope) => scope.all(right).reduce((sum, v) => sum + v.n, 0))
  graph.start()
  return { graph, left, right, both, byGroup, doubled, sums, spread, contested, total, groups }
}

describe('graph against recomputation from scratch', () => {
  it('agrees after every transaction', () => {
    fc.assert(
      fc.property(arbTransactions, (transactions) => {
        const g = build()
        const model = { left: new Map<string, Item>(), right: new Map<string, Item>() }
        const doubledKept = new Map<string, number>()
        const spreadKept = new Map<string, Map<string, number>>()
        const mirror = new Map<string, unknown>()
        g.sums.onCommit((changes: readonly NetChange<unknown>[]) => {
          for (const { key, before, after } of changes) {
            assert.deepEqual(mirror.get(key), before)
            assert.notDeepEqual(before, after)
            if (after === undefined) mirror.delete(key)
            else mirror.set(key, after)
          }
        })
        for (const writes of transactions) {
          g.graph.transact('w', () => {
            for (const { source, key, item } of writes) {
              const target = source === 'left' ? 'left' : 'right'
              if (item) {
                g[target].set(key, item)
                model[target].set(key, item)
              } else {
                g[target].delete(key)
                model[target].delete(key)
              }
            }
          })
          const both = new Map([...model.right, ...model.left])
          for (const key of keys) {
            const v = both.get(key)
            assert.deepEqual(g.both.get(key), v)
            if (!v || v.n === 2) doubledKept.delete(key)
            else if (v.n !== 3) doubledKept.set(key, v.n * 2)
          }
          assert.deepEqual(new Map(g.doubled.entries()), doubledKept)
          const members = (group: string) =>
            [...both].filter(([, v]) => v.group === group || (group === 'four' && v.n === 4)).sort(([a], [b]) => (a < b ? -1 : 1))
          for (const group of ['g', 'h', 'four', 'none'])
            assert.deepEqual(
              g.byGroup.lookup(group),
              members(group).map(([, v]) => v),
            )
          assert.deepEqual(
            new Map(g.groups.entries()),
            new Map(['g', 'h'].filter((k) => members(k).length > 0).map((k) => [k, members(k).map(([, v]) => v)])),
          )
          const sums = new Map(
            [...model.left].map(([key, v]) => [
              key,
              {
                refs: v.refs.map((ref) => doubledKept.get(ref) ?? null),
                group: members(v.group).map(([, m]) => m.n),
                mine: model.right.get(key)?.n ?? null,
              },
            ]),
          )
          assert.deepEqual(new Map(g.sums.entries()), sums)
          assert.deepEqual(mirror, sums)
          for (const key of keys) {
            const v = model.right.get(key)
            if (!v) spreadKept.delete(key)
            else if (v.n !== 3 || v.refs.length === 0)
              spreadKept.set(key, new Map(v.refs.map((ref) => [`${key}-${ref}`, doubledKept.get(ref) ?? 0])))
          }
          assert.deepEqual(new Map(g.spread.entries()), new Map([...spreadKept.values()].flatMap((m) => [...m])))
          const sum = [...model.right.values()].reduce((s, v) => s + v.n, 0)
          for (const key of keys) assert.equal(g.total.get(key), model.left.has(key) ? sum : undefined)
          // every claimed key has exactly one owner among its claimants, every refused claimant an error, nobody else one
          const claimed = new Set([...model.left.values()].flatMap((v) => v.refs))
          assert.deepEqual(new Set([...g.contested.entries()].map(([k]) => k)), claimed)
          for (const [key, owner] of g.contested.entries()) assert.ok(model.left.get(owner)?.refs.includes(key))
          const refused = [...model.left].filter(([key, v]) => v.refs.some((ref) => g.contested.get(ref) !== key)).map(([key]) => key)
          assert.deepEqual(
            new Set(
              g.graph
                .errors()
                .filter((e) => e.derivation === 'contested')
                .map((e) => e.key),
            ),
            new Set(refused),
          )
          assert.deepEqual(g.graph.audit(), [])
        }
      }),
      { numRuns: 300 },
    )
  })
})
