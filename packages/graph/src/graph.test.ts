import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { type Collection, type NetChange, createGraph } from './index.ts'

const make = () => createGraph({ clock: new FakeClock(), log: silentLogger })

function watch<V>(collection: Collection<V>): { readonly batches: { reason: string; changes: readonly NetChange<V>[] }[] } {
  const batches: { reason: string; changes: readonly NetChange<V>[] }[] = []
  collection.onCommit((changes, info) => batches.push({ reason: info.reason, changes }))
  return { batches }
}

describe('graph', () => {
  it('computes each key of a diamond once per transaction and tells sinks once', () => {
    const graph = make()
    const a = graph.source<number>('a')
    const left = graph.map({ name: 'left', from: a }, (_, v) => v + 1)
    const right = graph.map({ name: 'right', from: a }, (_, v) => v * 2)
    let runs = 0
    const sum = graph.map({ name: 'sum', from: left, reads: [right] }, (scope, v, key) => {
      runs++
      return v + (scope.get(right, key) ?? 0)
    })
    graph.start()
    const seen = watch(sum)
    graph.transact('t', () => {
      a.set('k', 1)
      a.set('k', 2)
    })
    assert.equal(runs, 1)
    assert.deepEqual(seen.batches, [{ reason: 't', changes: [{ key: 'k', before: undefined, after: 7 }] }])
  })

  it('cuts off a write that ends where it began, and keeps the old object', () => {
    const graph = make()
    const a = graph.source<{ x: number }>('a')
    let runs = 0
    const b = graph.map({ name: 'b', from: a }, (_, v) => {
      runs++
      return { y: v.x % 2 }
    })
    const c = graph.map({ name: 'c', from: b }, (_, v) => v.y)
    graph.start()
    graph.transact('t', () => a.set('k', { x: 1 }))
    const held = b.get('k')
    const seenB = watch(b)
    const seenC = watch(c)
    const seenA = watch(a)
    graph.transact('t', () => a.set('k', { x: 1 }))
    graph.transact('t', () => {
      a.set('k', { x: 5 })
      a.delete('k')
      a.set('k', { x: 1 })
    })
    assert.equal(runs, 1)
    assert.equal(seenA.batches.length, 0)
    graph.transact('t', () => a.set('k', { x: 3 }))
    assert.equal(runs, 2)
    assert.equal(seenA.batches.length, 1)
    assert.equal(seenB.batches.length + seenC.batches.length, 0)
    assert.equal(b.get('k'), held)
  })

  it('follows dependencies that change from run to run', () => {
    const graph = make()
    const pointers = graph.source<string>('pointers')
    const values = graph.source<number>('values')
    let runs = 0
    const out = graph.map({ name: 'out', from: pointers, reads: [values] }, (scope, to) => {
      runs++
      return scope.get(values, to) ?? -1
    })
    graph.start()
    graph.transact('t', () => pointers.set('p', 'x'))
    assert.equal(out.get('p'), -1)
    graph.transact('t', () => values.set('x', 1))
    assert.equal(out.get('p'), 1)
    graph.transact('t', () => pointers.set('p', 'y'))
    const before = runs
    graph.transact('t', () => values.set('x', 2))
    assert.equal(runs, before)
    graph.transact('t', () => values.set('y', 3))
    assert.equal(out.get('p'), 3)
    graph.transact('t', () => pointers.delete('p'))
    graph.transact('t', () => values.set('y', 4))
    assert.equal(runs, before + 1)
    assert.equal(out.size, 0)
  })

  it('keeps the last output of a failing key, recovers, and stops nothing else', () => {
    const graph = make()
    const a = graph.source<{ v?: { n: number } }>('a')
    const flags = graph.source<string>('flags')
    const out = graph.map({ name: 'out', from: a, reads: [flags] }, (scope, value, key) => {
      if (scope.get(flags, key) === 'hold') scope.keepLast('on hold')
      // a TypeError when v is missing
      return (value as { v: { n: number } }).v.n
    })
    graph.start()
    graph.transact('t', () => {
      a.set('x', { v: { n: 1 } })
      a.set('y', { v: { n: 1 } })
      a.set('z', {})
    })
    assert.deepEqual(
      graph.errors().map((e) => e.key),
      ['z'],
    )
    graph.transact('t', () => {
      a.set('x', {})
      a.set('y', { v: { n: 2 } })
    })
    assert.deepEqual([out.get('x'), out.get('y'), out.get('z')], [1, 2, undefined])
    graph.transact('t', () => flags.set('y', 'hold'))
    graph.transact('t', () => a.set('y', { v: { n: 3 } }))
    assert.equal(out.get('y'), 2)
    assert.equal(graph.errors().find((e) => e.key === 'y')?.message, 'on hold')
    graph.transact('t', () => flags.delete('y'))
    assert.equal(out.get('y'), 3)
    graph.transact('t', () => {
      a.delete('x')
      a.set('z', { v: { n: 9 } })
    })
    assert.deepEqual(graph.errors(), [])
    assert.equal(out.get('x'), undefined)
  })

  it('refuses a read that is not declared', () => {
    const graph = make()
    const a = graph.source<number>('a')
    const secret = graph.source<number>('secret')
    const byValue = graph.index('secretByValue', secret, (v) => [String(v)])
    let thrown: unknown
    graph.map({ name: 'out', from: a }, (scope, _, key) => {
      for (const read of [() => scope.get(secret, key), () => scope.lookup(byValue, '1'), () => scope.all(secret)]) {
        try {
          read()
          assert.fail('should have thrown')
        } catch (error) {
          thrown = error
          assert.ok(hasCode(error, 'graph/undeclared-read'))
        }
      }
      throw thrown
    })
    graph.start()
    graph.transact('t', () => a.set('k', 1))
    assert.match(graph.errors()[0]?.message ?? '', /out read secret/)
  })

  it('refuses writes outside a transaction and takes back a failed one', () => {
    const graph = make()
    const a = graph.source<number>('a')
    const seen = watch(a)
    graph.start()
    assert.throws(
      () => a.set('k', 1),
      (e) => hasCode(e, 'graph/outside-transaction'),
    )
    graph.transact('t', () => a.set('k', 1))
    assert.throws(
      () =>
        graph.transact('t', () => {
          a.set('k', 2)
          a.set('l', 2)
          throw new Error('no')
        }),
      /no/,
    )
    assert.deepEqual([...a.entries()], [['k', 1]])
    assert.equal(seen.batches.length, 1)
    graph.transact('t', () => a.set('l', 1))
    assert.deepEqual(seen.batches.at(-1)?.changes, [{ key: 'l', before: undefined, after: 1 }])
  })

  it('gives an output key to one input key; the second claimant waits with an error and gets it when free', () => {
    const graph = make()
    const a = graph.source<readonly string[]>('a')
    const out = graph.derive({ name: 'out', from: a }, (_, names, key) => names.map((name) => [name, key] as const))
    graph.start()
    graph.transact('t', () => a.set('one', ['x']))
    graph.transact('t', () => a.set('two', ['x', 'y']))
    assert.deepEqual([out.get('x'), out.get('y')], ['one', 'two'])
    assert.deepEqual(
      graph.errors().map((e) => e.key),
      ['two'],
    )
    graph.transact('t', () => a.set('one', []))
    assert.equal(out.get('x'), 'two')
    assert.deepEqual(graph.errors(), [])
    // handing over within one transaction is no conflict
    const seen = watch(out)
    graph.transact('t', () => {
      a.delete('two')
      a.set('three', ['x'])
    })
    assert.equal(out.get('x'), 'three')
    assert.deepEqual(
      seen.batches[0]?.changes.find((c) => c.key === 'x'),
      { key: 'x', before: 'two', after: 'three' },
    )
    assert.deepEqual(graph.errors(), [])
  })

  it('fails a run that gives one key twice', () => {
    const graph = make()
    const a = graph.source<number>('a')
    const out = graph.derive({ name: 'out', from: a }, () => [['x', 1] as const, ['x', 2] as const])
    graph.start()
    graph.transact('t', () => a.set('k', 1))
    assert.equal(out.size, 0)
    assert.match(graph.errors()[0]?.message ?? '', /given twice: x/)
  })

  it('runs sinks after the pass and a transaction of a sink right after, not nested', () => {
    const graph = make()
    const a = graph.source<number>('a')
    const b = graph.source<number>('b')
    const order: string[] = []
    graph.start()
    a.onCommit(() => {
      graph.transact('from-sink', () => b.set('k', 1))
      order.push(`sink1 ${b.get('k')}`)
    })
    a.onCommit(() => {
      throw new Error('a failing sink stops nothing')
    })
    a.onCommit(() => order.push('sink2'))
    b.onCommit((_, info) => order.push(info.reason))
    graph.transact('t', () => a.set('k', 1))
    assert.deepEqual(order, ['sink1 undefined', 'sink2', 'from-sink'])
    assert.equal(b.get('k'), 1)
  })

  it('runs derivations only after start and once every awaited source is ready', () => {
    const graph = make()
    const a = graph.source<number>('a', { awaitInitial: true })
    const out = graph.map({ name: 'out', from: a }, (_, v) => v)
    const seen = watch(out)
    graph.transact('load', () => a.set('k', 1))
    graph.start()
    assert.equal(out.size, 0)
    assert.equal(graph.started, false)
    graph.ready(a)
    assert.equal(graph.started, true)
    assert.deepEqual(seen.batches, [{ reason: 'start', changes: [{ key: 'k', before: undefined, after: 1 }] }])
    const late = graph.map({ name: 'late', from: out }, (_, v) => v + 1)
    assert.equal(late.get('k'), 2)
  })

  it('describes itself', () => {
    const graph = make()
    const a = graph.source<number>('a')
    const i = graph.index('i', a, (v) => [String(v)])
    graph.map({ name: 'm', from: a, reads: [i] }, (_, v) => v)
    assert.deepEqual(
      graph.dump().nodes.map((n) => [n.name, n.kind, n.height, n.from, n.reads]),
      [
        ['a', 'source', 0, [], []],
        ['i', 'index', 1, ['a'], []],
        ['m', 'map', 2, ['a'], ['i']],
      ],
    )
    assert.match(graph.mermaid(), /n0 --> n2\n {2}n1 -\.-> n2/)
    assert.throws(() => graph.source('a'), /two graph nodes/)
  })
})
