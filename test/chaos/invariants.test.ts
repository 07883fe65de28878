// Each checker of the chaos suite is shown what it must not let pass, and what it must.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Happening } from './history.ts'
import * as checks from './invariants.ts'

const key = 'MeshTimeout|default||a'
const east = 'MeshService|default|east|web'
const write = (id: number, value: number | undefined, of = key, place = 'global'): Happening => ({
  kind: 'write',
  id,
  place,
  key: of,
  value,
})
const acknowledged = (id: number, changedNothing = false): Happening => ({ kind: 'acknowledged', id, changedNothing })
const seen = (by: string, value: number, of = key): Happening => ({ kind: 'seen', by, key: of, value })
const texts = (found: readonly checks.Violation[]): readonly string[] => found.map(({ text }) => text)

describe('order', () => {
  it('an older value after a newer one', () => {
    assert.deepEqual(texts(checks.judgeOrder([seen('east', 1), seen('east', 3), seen('east', 2)])), [`east saw ${key} = 2 after 3`])
  })
  it('places and resources have orders of their own, values may be skipped and seen again', () => {
    assert.deepEqual(checks.judgeOrder([seen('east', 3), seen('west', 1), seen('west', 3), seen('west', 3), seen('east', 1, east)]), [])
  })
})

describe('convergence', () => {
  const travels = (): boolean => true
  const holding = (place: string, digests: Readonly<Record<string, string>>): checks.Holding => ({
    place,
    digests: new Map(Object.entries(digests)),
  })
  it('missing, different and left over', () => {
    const held = [
      holding('global', { [key]: '1', 'Mesh|||m': '1' }),
      holding('east', { [key]: '2', [east]: '1', 'MeshTimeout|default||old': '1' }),
    ]
    assert.deepEqual(texts(checks.judgeConvergence(held, travels)), [
      `global lacks ${east} of east`,
      `east holds another ${key} than global`,
      'east lacks Mesh|||m of global',
      'east still holds MeshTimeout|default||old, which global has no more',
    ])
  })
  it('equal, and what does not travel', () => {
    const held = [
      holding('global', { [key]: '1', [east]: '7' }),
      holding('east', { [key]: '1', [east]: '7' }),
      holding('west', { [key]: '1' }),
    ]
    assert.deepEqual(
      checks.judgeConvergence(held, (of, to) => !(of === east && to === 'west')),
      [],
    )
  })
})

describe('deletion needs evidence', () => {
  const gone = (place: string, of = key): Happening => ({ kind: 'gone', place, key: of })
  it('gone before the origin deleted it', () => {
    assert.deepEqual(texts(checks.judgeDeletions([write(1, 5), gone('east'), write(2, undefined)])), [
      `${key} is gone at east, but global never deleted it`,
    ])
  })
  it('a killed place with a store on disk forgets nothing', () => {
    assert.equal(checks.judgeDeletions([{ kind: 'killed', place: 'east', forgets: false }, gone('east')]).length, 1)
  })
  it('another place that forgot is no evidence', () => {
    assert.equal(checks.judgeDeletions([{ kind: 'killed', place: 'east', forgets: true }, gone('global', east)]).length, 1)
  })
  it('after a deletion, and at a place that forgot', () => {
    assert.deepEqual(
      checks.judgeDeletions([write(2, undefined), gone('east'), { kind: 'killed', place: 'west', forgets: true }, gone('west', east)]),
      [],
    )
  })
})

describe('durability', () => {
  const now = (value?: number): ReadonlyMap<string, ReadonlyMap<string, number>> =>
    new Map([['global', new Map(value === undefined ? [] : [[key, value]])]])
  const killed: Happening = { kind: 'killed', place: 'global', forgets: false }
  it('an acknowledged write is lost', () => {
    const history = [write(1, 1), acknowledged(1), write(2, 2), acknowledged(2), killed]
    assert.deepEqual(texts(checks.judgeDurability(history, now(1))), [`global has ${key} = 1, acknowledged was 2`])
    assert.equal(checks.judgeDurability(history, now()).length, 1)
  })
  it('an acknowledged deletion comes back', () => {
    const history = [write(1, 1), acknowledged(1), write(2, undefined), acknowledged(2), killed]
    assert.equal(checks.judgeDurability(history, now(1)).length, 1)
    assert.deepEqual(checks.judgeDurability(history, now()), [])
  })
  it('what was in flight may be there or not', () => {
    const history = [write(1, 1), acknowledged(1), write(2, 2), killed]
    for (const value of [1, 2]) assert.deepEqual(checks.judgeDurability(history, now(value)), [])
    assert.equal(checks.judgeDurability(history, now(3)).length, 1)
  })
})

it('no shrink: a proxy that loses a cluster', () => {
  assert.equal(checks.judgeShrinking([{ kind: 'shrunk', proxy: 'p', what: 'cluster c' }]).length, 1)
  assert.deepEqual(checks.judgeShrinking([seen('p', 1)]), [])
})

describe('single session', () => {
  const served = (session: string, at = 0): Happening => ({ kind: 'served', zone: 'east', session, at })
  it('the older one goes on after the newer one began', () => {
    assert.equal(checks.judgeSessions([served('a'), served('b', 10), served('a', 1011)]).length, 1)
    assert.deepEqual(checks.judgeSessions([served('a'), served('b', 10), served('a', 1010)]), [], 'it was on its way')
    assert.deepEqual(checks.judgeSessions([served('a'), served('a'), served('b'), served('b')]), [])
  })
  it('two open subscriptions', () => {
    assert.equal(checks.judgeSessions([{ kind: 'subscriptions', zone: 'east', open: 2 }]).length, 1)
    assert.deepEqual(checks.judgeSessions([{ kind: 'subscriptions', zone: 'east', open: 1 }]), [])
  })
})

it('attribution: a resource under another name than its author’s', () => {
  const author = (zone: string): Happening => ({ kind: 'author', place: 'global', key: east, zone, author: 'mallory' })
  assert.equal(checks.judgeAttribution([author('east')]).length, 1)
  assert.equal(checks.judgeAttribution([author('')]).length, 1)
  assert.deepEqual(checks.judgeAttribution([author('mallory')]), [])
})

describe('gap-free log', () => {
  const entry = (seq: number, more: Partial<checks.LogEntry> = {}): checks.LogEntry => ({
    seq,
    class: 'observed',
    op: 'put',
    type: 'MeshTimeout',
    name: 'x',
    value: undefined,
    ...more,
  })
  const log = (seq: number, entries: readonly checks.LogEntry[]): checks.ChangeLogCopy => ({ place: 'global', seq, entries })
  it('a gap, a step back, an end too early', () => {
    assert.deepEqual(texts(checks.judgeLog([], log(4, [entry(1), entry(2), entry(4)]))), ['global: nothing between 2 and 4'])
    assert.equal(checks.judgeLog([], log(2, [entry(1), entry(3), entry(2)])).length, 2)
    assert.deepEqual(texts(checks.judgeLog([], log(9, [entry(1), entry(2)]))), ['global: ends at 2, the store is at 9'])
  })
  it('gaps where observed entries were pruned are none', () => {
    const desired = entry(3, { class: 'desired' })
    assert.deepEqual(checks.judgeLog([], log(8, [desired, entry(7), entry(8)])), [])
    assert.equal(checks.judgeLog([], log(9, [desired, entry(7), entry(9)])).length, 1)
  })
  it('an acknowledged write that is missing, or out of order', () => {
    const history = [write(1, 1), acknowledged(1), write(2, 2), acknowledged(2)]
    const of = (seq: number, value: number): checks.LogEntry => entry(seq, { class: 'desired', name: 'a', value })
    assert.deepEqual(checks.judgeLog(history, log(2, [of(1, 1), of(2, 2)])), [])
    assert.equal(checks.judgeLog(history, log(2, [of(1, 2), of(2, 1)])).length, 1)
    assert.equal(checks.judgeLog(history, log(1, [of(1, 1)])).length, 1)
    assert.deepEqual(checks.judgeLog([write(1, 1)], log(1, [entry(1)])), [], 'never acknowledged')
  })
  it('a deletion that found nothing, because one before it was carried out without an answer, has no entry of its own', () => {
    const other = 'MeshTimeout|default||b'
    const of = (seq: number, value: number | undefined, name = 'a'): checks.LogEntry =>
      entry(seq, { class: 'desired', name, value, op: value === undefined ? 'delete' : 'put' })
    const history: readonly Happening[] = [
      write(1, 1),
      acknowledged(1),
      write(2, undefined),
      write(3, 5, other),
      acknowledged(3),
      write(4, undefined),
      acknowledged(4, true),
      write(5, 6, other),
      acknowledged(5),
      write(6, 2),
      acknowledged(6),
      write(7, undefined),
      acknowledged(7),
    ]
    const entries = [of(1, 1), of(2, undefined), of(3, 5, 'b'), of(4, 6, 'b'), of(5, 2), of(6, undefined)]
    assert.deepEqual(checks.judgeLog(history, log(6, entries)), [])
    assert.equal(checks.judgeLog(history, log(6, entries.with(3, of(4, 9, 'b')))).length, 1, 'what is missing is still found')
  })
})
