// One session for a zone over two replicas of a global that share a store.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createMemoryStore, type Store } from '@weft/store'
import { createSharedSessions, sessionReplica } from './shared-sessions.ts'
import { createZoneSessions, type SessionStream, type ZoneSessions } from './zone-sessions.ts'

const settle = async (): Promise<void> => {
  for (let turns = 0; turns < 8; turns++) await new Promise((resolve) => setImmediate(resolve))
}

interface ZoneProcess {
  readonly id: string
  readonly storeId?: string
  readonly epoch?: number
}

function globals(store: Store = createMemoryStore({ clock: new FakeClock(), log: silentLogger })) {
  const clock = new FakeClock()
  const frozen = new Set<string>()
  const dead = new Set<string>()
  const all = new Map<string, ZoneSessions>()
  const connectionOf = new Map<string, ZoneProcess>()
  const start = (instanceId: string): ZoneSessions => {
    const shared = createSharedSessions({
      store,
      log: silentLogger,
      instanceId,
      isAnswering: async (replica, zone) => !dead.has(replica) && ((await all.get(replica)?.isAnswering(zone)) ?? false),
    })
    shared.follow()
    const sessions = createZoneSessions({
      clock,
      log: silentLogger,
      shared,
      ping: async (peer) => !frozen.has(connectionOf.get(peer)?.id ?? ''),
    })
    all.set(instanceId, sessions)
    return sessions
  }
  const connect = (at: ZoneSessions, process: ZoneProcess, connection: string) => {
    connectionOf.set(connection, process)
    const seen: { state: string; leave(): void } = { state: 'waiting', leave: () => place.left() }
    const stream: SessionStream = {
      zone: 'east',
      peerAddress: connection,
      storeId: process.storeId,
      epoch: process.epoch,
      instanceId: process.id,
      log: silentLogger,
      end: (code, _, epoch) => {
        seen.state = `ended ${status[code]}${epoch === undefined ? '' : ` ${epoch}`}`
        place.left()
      },
    }
    const place = at.enter(stream, 'globalToZone')
    place.settled.then(
      () => {
        if (seen.state === 'waiting') seen.state = 'in'
      },
      (error: { readonly code: string }) => {
        seen.state = error.code
        place.left()
      },
    )
    return seen
  }
  return { store, start, connect, frozen, dead, one: start('one'), two: start('two'), holder: () => sessionReplica(store, 'east') }
}

const zone: ZoneProcess = { id: 'zone-1', storeId: 'A', epoch: 4 }

test('a zone that comes to another replica takes its session with it: the leftover ends', async () => {
  const { one, two, connect, holder } = globals()
  const old = connect(one, zone, 'c1')
  await settle()
  assert.deepEqual([old.state, holder()], ['in', 'one'])
  const now = connect(two, zone, 'c2')
  await settle()
  assert.deepEqual([now.state, old.state, holder()], ['in', 'ended CANCELLED', 'two'])
  now.leave()
  await settle()
  assert.equal(holder(), undefined)
})

test('a higher epoch of the same store outranks over replicas, and the loser is told', async () => {
  const { one, two, connect, holder } = globals()
  const old = connect(one, zone, 'c1')
  await settle()
  const now = connect(two, { id: 'zone-2', storeId: 'A', epoch: 5 }, 'c2')
  await settle()
  assert.deepEqual([now.state, old.state, holder()], ['in', 'ended FAILED_PRECONDITION 5', 'two'])
})

test('the fence holds over replicas, also when the session that raised it is over', async () => {
  const { one, two, start, connect } = globals()
  const newest = connect(one, { id: 'zone-2', storeId: 'A', epoch: 5 }, 'c1')
  await settle()
  assert.equal(connect(two, zone, 'c2').state, 'waiting')
  newest.leave()
  await settle()
  for (const [at, connection] of [
    [two, 'c3'],
    [start('three'), 'c4'],
  ] as const) {
    const overtaken = connect(at, zone, connection)
    await settle()
    assert.equal(overtaken.state, 'kds/fenced')
  }
})

test('another control plane comes in only if the present one does not answer its replica, or that replica is dead', async () => {
  const { one, two, connect, frozen, dead, holder } = globals()
  const present = connect(one, { id: 'stock-1' }, 'c1')
  await settle()
  const refused = connect(two, { id: 'stock-2' }, 'c2')
  await settle()
  assert.deepEqual([refused.state, present.state, holder()], ['kds/duplicate-zone', 'in', 'one'])
  assert.equal(two.duplicate('east')?.instanceId, 'stock-2')
  frozen.add('stock-1')
  const taken = connect(two, { id: 'stock-2' }, 'c3')
  await settle()
  assert.deepEqual([taken.state, present.state, holder()], ['in', 'ended CANCELLED', 'two'])
  dead.add('two')
  const after = connect(one, { id: 'stock-1' }, 'c4')
  await settle()
  assert.deepEqual([after.state, holder()], ['in', 'one'])
})

test('of two replicas that take a zone at once one has it in the end', async () => {
  const { one, two, connect, holder } = globals()
  const seen = [connect(one, { id: 'stock-1' }, 'c1'), connect(two, { id: 'stock-2' }, 'c2')]
  await settle()
  const states = seen.map(({ state }) => state)
  assert.equal(states.filter((state) => state === 'in').length, 1, states.join())
  assert.equal(states[holder() === 'one' ? 0 : 1], 'in')
})

test('what is known goes with the Zone', async () => {
  const { one, connect, store } = globals()
  const context = { actor: 'user:test', reason: 'api', class: 'desired' } as const
  await store.transact([{ op: 'put', resource: { type: 'Zone', mesh: '', name: 'east', labels: {}, spec: {} } }], context)
  const session = connect(one, zone, 'c1')
  await settle()
  session.leave()
  await settle()
  await store.transact([{ op: 'delete', key: { type: 'Zone', mesh: '', name: 'east' } }], context)
  await settle()
  assert.deepEqual(store.list('Config'), [])
})

test('a replica is told when another takes the session of a zone, also of one that it never had', async () => {
  const clock = new FakeClock()
  const store = createMemoryStore({ clock, log: silentLogger })
  const open = (instanceId: string) => createSharedSessions({ store, log: silentLogger, instanceId, isAnswering: async () => true })
  const [a, b] = [open('a'), open('b')]
  const told: string[] = []
  a.onElsewhere((zone) => told.push(zone))
  a.follow()
  b.follow()
  const identity = { storeId: 's', epoch: 1, instanceId: 'z' }
  b.taken('east', identity)
  await settle()
  assert.deepEqual(told, ['east'])
  a.taken('west', identity)
  await settle()
  assert.deepEqual(told, ['east'], 'its own is not elsewhere')
  b.left('east')
  a.taken('east', identity)
  await settle()
  b.taken('east', { ...identity, epoch: 2 })
  await settle()
  assert.deepEqual(told, ['east', 'east'])
})
