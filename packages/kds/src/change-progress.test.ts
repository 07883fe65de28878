import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { FakeClock } from '@weft/foundation/time'
import { createChangeFeed } from './change-feed.ts'
import { createChangeProgress, type TypeProgress } from './change-progress.ts'
import { memberOf, memoryStore } from './testing/federation.ts'

/** Two types are followed; `local` makes the place that has every change with its commit. */
function scene(extra: { readonly capacity?: number; readonly local?: string } = {}) {
  const clock = new FakeClock()
  const store = memoryStore()
  const metrics = createMetrics()
  const feed = createChangeFeed(store, silentLogger)
  const progress = createChangeProgress({ store, feed, clock, metrics, types: ['Mesh', 'Secret'], ...extra })
  const told = (type: string, stored: number, pushed: number, acked: number, refusing = 0): TypeProgress => ({
    type,
    stored,
    pushed,
    acked,
    refusing,
  })
  return {
    ...memberOf(store),
    clock,
    progress,
    told,
    all: () => progress.report({ limit: 100 }).items,
    inZone: (name: string, zone = 'east') => {
      const found = progress.report({ limit: 100 }).items.find((change) => change.name === name)
      return found?.zones.find((each) => each.zone === zone)
    },
    metric: async (pattern: RegExp) => assert.match((await metrics.expose()).text, pattern),
  }
}

const everything = () => true
const nothing = () => false

test('a change is followed through its stages, each with the time since its commit', async () => {
  const { put, progress, clock, told, inZone, metric } = scene()
  const east = progress.trace('east')
  const seq = await put('Mesh', '', 'default', {})
  assert.equal(inZone('default'), undefined, 'nothing is known of the type yet')
  clock.advance(10)
  east.sent('Mesh', { upTo: seq, carries: everything })
  assert.deepEqual(inZone('default'), { zone: 'east', state: 'sent' })
  clock.advance(10)
  east.answered('Mesh', { upTo: seq, isRefused: nothing })
  assert.deepEqual(inZone('default'), { zone: 'east', state: 'stored', storedMs: 20 })
  clock.advance(30)
  progress.reported('east', [told('Mesh', seq, seq, 0)])
  assert.deepEqual(inZone('default'), { zone: 'east', state: 'pushed', storedMs: 20, pushedMs: 50 })
  clock.advance(50)
  progress.reported('east', [told('Mesh', seq, seq, seq, 2)])
  assert.deepEqual(inZone('default'), { zone: 'east', state: 'acked', storedMs: 20, pushedMs: 50, ackedMs: 100, refusing: 2 })
  assert.deepEqual(progress.report({ limit: 0 }), {
    items: [],
    zones: [{ zone: 'east', types: [{ type: 'Mesh', sent: seq, stored: seq, pushed: seq, acked: seq, refusing: 2 }] }],
  })
  await metric(/kds_convergence_seconds_sum\{stage="acked"\} 0\.1\n/)
})

test('what was not sent to a zone is not waited for there, and a change after the last look is', async () => {
  const { put, remove, progress, all } = scene()
  const [east, west] = [progress.trace('east'), progress.trace('west')]
  await put('Mesh', '', 'default', {})
  const upTo = await put('Mesh', '', 'other', {})
  east.sent('Mesh', { upTo, carries: (key) => key === '/other' })
  west.sent('Mesh', { upTo, carries: nothing })
  await remove('Mesh', '', 'default')
  assert.deepEqual(
    all().map(({ op, name, zones }) => [op, name, ...zones.map(({ zone, state }) => `${zone} ${state}`)]),
    [
      ['delete', 'default', 'east waiting', 'west waiting'],
      ['put', 'other', 'east sent'],
      ['put', 'default'],
    ],
  )
})

test('progress that is told before the answer counts once the answer has come', async () => {
  const { put, progress, told, inZone } = scene()
  const east = progress.trace('east')
  const seq = await put('Mesh', '', 'default', {})
  east.sent('Mesh', { upTo: seq, carries: everything })
  progress.reported('east', [told('Mesh', seq, seq, seq)])
  assert.equal(inZone('default')?.state, 'sent')
  east.answered('Mesh', { upTo: seq, isRefused: nothing })
  assert.equal(inZone('default')?.state, 'acked')
})

test('what a zone refuses is said so, goes no further, and is stored once the zone takes it', async () => {
  const { put, progress, told, inZone } = scene()
  const east = progress.trace('east')
  await put('Mesh', '', 'bad', {})
  const upTo = await put('Mesh', '', 'good', {})
  east.sent('Mesh', { upTo, carries: everything })
  east.answered('Mesh', { upTo, isRefused: (key) => key === '/bad' })
  progress.reported('east', [told('Mesh', upTo, upTo, upTo)])
  assert.deepEqual([inZone('bad')?.state, inZone('good')?.state], ['refused', 'acked'])
  east.answered('Mesh', { upTo, isRefused: nothing })
  assert.equal(inZone('bad')?.state, 'acked')
})

test('a zone that comes back is told of what it missed: only that is waited for, not what was before its first time', async () => {
  const { put, progress, clock, inZone } = scene()
  const before = await put('Mesh', '', 'before', {})
  const first = progress.trace('east')
  first.sent('Mesh', { upTo: before, carries: everything })
  const missed = await put('Mesh', '', 'missed', {})
  clock.advance(60_000)
  const again = progress.trace('east')
  again.sent('Mesh', { upTo: missed, carries: everything })
  again.answered('Mesh', { upTo: missed, isRefused: nothing })
  assert.equal(inZone('before'), undefined)
  assert.deepEqual(inZone('missed'), { zone: 'east', state: 'stored', storedMs: 60_000 })
  progress.forget('east')
  assert.equal(inZone('missed'), undefined)
})

test('nonsense from a zone is ignored and counted: the future, the impossible order, unknown types, floods', async () => {
  const { put, progress, told, inZone, metric } = scene()
  const east = progress.trace('east')
  const seq = await put('Mesh', '', 'default', {})
  east.sent('Mesh', { upTo: seq, carries: everything })
  east.answered('Mesh', { upTo: seq, isRefused: nothing })
  progress.reported('east', [
    told('Mesh', seq + 1, seq + 1, seq + 1),
    told('Mesh', seq, 0, seq),
    told('Mesh', 0, seq, seq),
    told('Mesh', Number.NaN, Number.NaN, Number.NaN),
    told('Mesh', seq, -1, -2),
    told('Mesh', seq, seq, seq, 0.5),
    told('Mesh', Number.MAX_VALUE, Number.MAX_VALUE, Number.MAX_VALUE),
    told('Nonsense', 0, 0, 0),
  ])
  progress.reported('nowhere', [told('Mesh', seq, seq, seq)])
  assert.equal(inZone('default')?.state, 'stored')
  await metric(/kds_convergence_reports_refused_total 9\n/)
  progress.reported(
    'east',
    Array.from({ length: 300 }, () => told('Mesh', seq, 0, 0)),
  )
  await metric(/kds_convergence_reports_refused_total 53\n/)
  progress.reported('east', [told('Mesh', seq, seq, seq)])
  progress.reported('east', [told('Mesh', seq, 0, 0)])
  assert.equal(inZone('default')?.state, 'acked', 'nothing that was reached is taken back')
  assert.equal(progress.report({ limit: 0 }).zones[0]?.types[0]?.acked, seq)
})

test('only so many changes are kept, and a zone that answers nothing holds no more of them', async () => {
  const { put, progress, all, told } = scene({ capacity: 3 })
  const east = progress.trace('east')
  let upTo = 0
  for (let index = 0; index < 10; index++) {
    upTo = await put('Mesh', '', `mesh-${index}`, {})
    east.sent('Mesh', { upTo, carries: everything })
  }
  assert.deepEqual(
    all().map(({ name }) => name),
    ['mesh-9', 'mesh-8', 'mesh-7'],
  )
  assert.deepEqual(
    progress.report({ limit: 1 }).items.map(({ name }) => name),
    ['mesh-9'],
  )
  east.answered('Mesh', { upTo, isRefused: nothing })
  progress.reported('east', [told('Mesh', upTo, upTo, upTo)])
  assert.deepEqual(
    all().map(({ zones }) => zones[0]?.state),
    ['acked', 'acked', 'acked'],
  )
})

test('types that go nowhere and changes of a status alone are not followed; the change of the origin is shown', async () => {
  const { put, progress, all, store } = scene()
  await put('Dataplane', 'default', 'web', {})
  await put('Mesh', '', 'default', {})
  const resource = { type: 'Mesh', mesh: '', name: 'default', labels: {}, spec: {}, status: { seen: true } }
  await store.transact([{ op: 'put', resource }], { actor: 'zone:east', reason: 'status', class: 'observed' })
  progress.originated('Mesh', new Map([['/default', 77]]))
  progress.originated('Secret', new Map([['default/unknown', 78]]))
  const [mesh, ...rest] = all()
  assert.deepEqual([mesh?.name, mesh?.originSeq, mesh?.op, mesh?.actor, rest], ['default', 77, 'put', 'user:test', []])
})

test('a zone follows its own changes by how far its proxies are', async () => {
  const { put, progress, clock, inZone } = scene({ local: 'east' })
  const first = await put('Mesh', '', 'first', {})
  const second = await put('Secret', 'default', 'second', {})
  assert.deepEqual(inZone('first'), { zone: 'east', state: 'stored', storedMs: 0 })
  clock.advance(40)
  progress.delivered('east', { pushed: second, acked: first, refusing: 0 })
  assert.deepEqual(inZone('first'), { zone: 'east', state: 'acked', storedMs: 0, pushedMs: 40, ackedMs: 40 })
  assert.deepEqual(inZone('second'), { zone: 'east', state: 'pushed', storedMs: 0, pushedMs: 40 })
})

test('a zone that was known before its streams came here is followed from then on; times that others could tell better are not counted', async () => {
  const { put, progress, clock, told, inZone, metric } = scene()
  const before = await put('Mesh', '', 'before', {})
  progress.known('east')
  assert.deepEqual(progress.report({ limit: 0 }).zones, [])
  const missed = await put('Mesh', '', 'missed', {})
  assert.equal(inZone('missed'), undefined)
  clock.advance(60_000)
  const east = progress.trace('east')
  east.sent('Mesh', { upTo: missed, carries: everything })
  east.answered('Mesh', { upTo: missed, isRefused: nothing })
  progress.reported('east', [told('Mesh', missed, missed, missed)])
  assert.equal(inZone('before'), undefined, `${before} was before the zone`)
  assert.deepEqual(inZone('missed'), { zone: 'east', state: 'acked', storedMs: 60_000, pushedMs: 60_000, ackedMs: 60_000 })
  const timed = async (name: string): Promise<void> => {
    const seq = await put('Mesh', '', name, {})
    clock.advance(10)
    const again = progress.trace('east')
    again.sent('Mesh', { upTo: seq, carries: everything })
    again.answered('Mesh', { upTo: seq, isRefused: nothing })
  }
  await timed('here')
  await metric(/kds_convergence_seconds_count\{stage="stored"\} 1\n/)
  progress.elsewhere('east')
  await timed('there')
  assert.equal(inZone('there')?.state, 'stored')
  await metric(/kds_convergence_seconds_count\{stage="stored"\} 1\n/)
})

test('changes are selected by type, mesh and name, without types that are not shown', async () => {
  const { put, progress } = scene()
  await put('Mesh', '', 'default', {})
  await put('Secret', 'default', 'key', { data: 'YQ==' })
  await put('Secret', 'other', 'key', { data: 'YQ==' })
  const seen = (selection: object) => progress.report({ limit: 10, ...selection }).items.map(({ mesh, name }) => `${mesh}/${name}`)
  assert.deepEqual(seen({}), ['other/key', 'default/key', '/default'])
  assert.deepEqual(seen({ type: 'Secret' }), ['other/key', 'default/key'])
  assert.deepEqual(seen({ mesh: 'default', name: 'key' }), ['default/key'])
  assert.deepEqual(seen({ without: ['Secret'] }), ['/default'])
  assert.deepEqual(seen({ limit: 1 }), ['other/key'])
})
