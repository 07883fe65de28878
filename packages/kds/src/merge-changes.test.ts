// What replicas of a global know of the same changes, put together.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ChangesOfReplica, mergeChanges } from './merge-changes.ts'
import type { ChangeInZone, ChangeView, TypePositions } from './sync-status.ts'

const change = (seq: number, zones: readonly ChangeInZone[], more: Partial<ChangeView> = {}): ChangeView => ({
  seq,
  time: '2026-01-01T00:00:00Z',
  op: 'put',
  actor: 'user:test',
  type: 'Mesh',
  mesh: '',
  name: `m${seq}`,
  zones,
  ...more,
})
const at = (sent: number, more: Partial<TypePositions> = {}): TypePositions => ({
  type: 'Mesh',
  sent,
  stored: sent,
  pushed: sent,
  acked: sent,
  refusing: 0,
  ...more,
})
const replica = (
  connected: readonly string[],
  items: readonly ChangeView[],
  zones: Readonly<Record<string, readonly TypePositions[]>>,
): ChangesOfReplica => ({
  connected,
  report: { items, zones: Object.entries(zones).map(([zone, types]) => ({ zone, types })) },
})
const acked = (zone: string, ms: number): ChangeInZone => ({ zone, state: 'acked', storedMs: ms, pushedMs: ms, ackedMs: ms })
const shown = (replicas: readonly ChangesOfReplica[]) =>
  mergeChanges(replicas, 100).items.map(({ seq, zones }) => [seq, ...zones.map(({ zone, state }) => `${zone} ${state}`)])

test('each zone is as the replica says that has it', () => {
  const a = replica(['east'], [change(2, [{ zone: 'east', state: 'sent' }]), change(1, [acked('east', 5)])], {
    east: [at(2, { acked: 1 })],
  })
  const b = replica(['west'], [change(2, [{ zone: 'west', state: 'waiting' }]), change(1, [acked('west', 7)], { originSeq: 9 })], {
    west: [at(1)],
  })
  for (const all of [
    [a, b],
    [b, a],
  ]) {
    assert.deepEqual(shown(all), [
      [2, 'east sent', 'west waiting'],
      [1, 'east acked', 'west acked'],
    ])
    const { items, zones } = mergeChanges(all, 1)
    assert.deepEqual([items.length, items[0]?.seq], [1, 2])
    assert.deepEqual(zones, [
      { zone: 'east', types: [at(2, { acked: 1 })] },
      { zone: 'west', types: [at(1)] },
    ])
    assert.equal(mergeChanges(all, 9).items[1]?.originSeq, 9)
  }
})

test('a zone that moved: what was reached stays with its first time, what it waits for is told by the one that has it', () => {
  const before = replica(
    [],
    [change(3, [{ zone: 'east', state: 'waiting' }]), change(2, [{ zone: 'east', state: 'sent' }]), change(1, [acked('east', 5)])],
    {
      east: [at(2, { acked: 1 })],
    },
  )
  const now = replica(['east'], [change(3, []), change(2, [acked('east', 900)]), change(1, [acked('east', 60_000)])], { east: [at(3)] })
  const { items, zones } = mergeChanges([before, now], 10)
  assert.deepEqual(
    items.map((each) => each.zones),
    [[], [acked('east', 900)], [acked('east', 5)]],
    'the third does not go there',
  )
  assert.deepEqual(zones, [{ zone: 'east', types: [at(3)] }])
})

test('while nobody has a zone, the one that was ahead tells what it waits for', () => {
  const older = replica([], [change(3, []), change(2, [])], { east: [at(1)] })
  const newer = replica([], [change(3, []), change(2, [acked('east', 5)])], { east: [at(2)] })
  assert.deepEqual(shown([older, newer]), [
    [3, 'east waiting'],
    [2, 'east acked'],
  ])
})

test('a change that one has not read yet, or does not remember, is shown as the others know it', () => {
  const late = replica(['east'], [change(1, [acked('east', 5)])], { east: [at(1)] })
  const ahead = replica([], [change(2, []), change(1, [])], {})
  assert.deepEqual(shown([late, ahead]), [
    [2, 'east waiting'],
    [1, 'east acked'],
  ])
})

test('a refusal is over when the zone has it; who refused is told with the acknowledgement', () => {
  const refused = replica([], [change(1, [{ zone: 'east', state: 'refused' }])], { east: [at(1, { stored: 0 })] })
  const took = replica(['east'], [change(1, [{ ...acked('east', 8), refusing: 2 }])], { east: [at(1)] })
  assert.deepEqual(mergeChanges([refused, took], 1).items[0]?.zones, [{ ...acked('east', 8), refusing: 2 }])
  assert.deepEqual(shown([refused]), [[1, 'east refused']])
})

test('the order of replicas makes no difference, and what one alone knows stays as it is', () => {
  const state = fc.constantFrom<ChangeInZone>(
    acked('east', 4),
    { zone: 'east', state: 'sent' },
    { zone: 'east', state: 'stored', storedMs: 3 },
  )
  const one = fc
    .record({ from: fc.nat(3), states: fc.array(state, { maxLength: 4 }), isHolder: fc.boolean() })
    .map(({ from, states, isHolder }) => {
      const items = states.map((each, index) => change(from + index + 1, [each])).toReversed()
      return replica(isHolder ? ['east'] : [], items, { east: [at(from + states.length)] })
    })
  fc.assert(
    fc.property(fc.array(one, { maxLength: 3 }), (replicas) => {
      assert.deepEqual(mergeChanges(replicas.toReversed(), 10), mergeChanges(replicas, 10))
      for (const each of replicas) assert.deepEqual(mergeChanges([each], 10), each.report)
    }),
  )
})
