import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { Leases, Member, Presence, ReplicaRequest, RequestPath } from './contract.ts'
import { createReplicas } from './create-replicas.ts'
import { createAlone } from './in-process.ts'
import { createTablePresence } from './table-presence.ts'

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const question: ReplicaRequest = { topic: 'topic', body: Buffer.from('?'), limitMs: 1000 }

/** Members that others tell, and a hint of who holds what. */
function presence(hint: () => string | undefined) {
  const missing = new Set<(member: Member) => void>()
  const joined = new Set<(member: Member) => void>()
  return {
    ...createAlone().presence,
    holder: async () => hint(),
    onMissing: (listener: (member: Member) => void) => {
      missing.add(listener)
      return () => void missing.delete(listener)
    },
    onJoined: (listener: (member: Member) => void) => {
      joined.add(listener)
      return () => void joined.delete(listener)
    },
    miss: (instanceId: string) => missing.forEach((listener) => listener({ instanceId })),
    join: (instanceId: string) => joined.forEach((listener) => listener({ instanceId })),
  } satisfies Presence & Record<string, unknown>
}

interface World {
  hint: string | undefined
  stored: string | undefined
  living: readonly string[] | 'unknown'
  reachable: readonly string[]
}

function replicasIn(world: World, ways: readonly string[] = ['way']) {
  const clock = new FakeClock()
  const there = presence(() => world.hint)
  const asked: string[] = []
  const path = (name: string): RequestPath => ({
    isUp: true,
    ask: async (instanceId) => {
      asked.push(`${name} ${instanceId}`)
      if (!world.reachable.includes(`${name} ${instanceId}`)) throw new AppError('replicas/unreachable', 'away')
      return Buffer.from(`from ${instanceId}`)
    },
    serve: () => {},
  })
  const leases: Leases = {
    want: () => assert.fail('no lease is wanted'),
    living: async () => {
      if (world.living === 'unknown') throw new AppError('store/unavailable', 'away')
      return world.living.map((instanceId) => ({ instanceId }))
    },
  }
  const replicas = createReplicas({
    self: { instanceId: 'self' },
    announcer: createAlone().announcer,
    presence: there,
    paths: ways.map(path),
    leases,
    holder: () => world.stored,
    clock,
    log: silentLogger,
    close: async () => {},
  })
  const dead: string[] = []
  replicas.onDeath(({ instanceId }) => void dead.push(instanceId))
  return { replicas, clock, there, asked, dead }
}

const world = (parts: Partial<World> = {}): World => ({ hint: undefined, stored: undefined, living: [], reachable: [], ...parts })

test('asks whom the hint names, then whom the store names', async () => {
  const { replicas, asked } = replicasIn(world({ hint: 'a', stored: 'b', reachable: ['way b'] }))
  assert.equal(Buffer.from(await replicas.askHolder('zone/east', question)).toString(), 'from b')
  assert.deepEqual(asked, ['way a', 'way b'])
})

test('nobody but this process holds it: there is nobody to ask', async () => {
  const { replicas, asked } = replicasIn(world({ hint: 'self', stored: 'self' }))
  await assert.rejects(replicas.askHolder('proxy/default/web', question), { code: 'replicas/no-holder' })
  assert.deepEqual(asked, [])
})

test('another way is taken when one does not reach', async () => {
  const { replicas, asked } = replicasIn(world({ stored: 'a', reachable: ['second a'] }), ['first', 'second'])
  await replicas.askHolder('zone/east', question)
  assert.deepEqual(asked, ['first a', 'second a'])
})

test('a missing member is dead when it has no row any more', async () => {
  const { there, dead } = replicasIn(world({ living: ['b'] }))
  there.miss('a')
  await settled()
  assert.deepEqual(dead, ['a'])
})

test('a missing member is dead when it has a row but cannot be reached, and lives when it answers', async () => {
  const facts = world({ living: ['a'], reachable: ['way a'] })
  const { there, dead, clock } = replicasIn(facts)
  there.miss('a')
  await settled()
  assert.deepEqual(dead, [])
  facts.reachable = []
  clock.advance(5_000)
  await settled()
  assert.deepEqual(dead, ['a'])
  clock.advance(60_000)
  await settled()
  assert.deepEqual(dead, ['a'], 'told once')
})

test('nobody is dead while the store cannot tell, or when it came back', async () => {
  const facts = world({ living: 'unknown' })
  const { there, dead, clock } = replicasIn(facts)
  there.miss('a')
  await settled()
  there.join('a')
  facts.living = []
  clock.advance(60_000)
  await settled()
  assert.deepEqual(dead, [])
  assert.equal(clock.pending, 0)
})

test('the table of replicas tells who joins and whose row is over, but nothing after an outage that let all rows run out', async () => {
  const clock = new FakeClock()
  let rows: readonly string[] | 'away' = ['a', 'b']
  const told: string[] = []
  const left: string[] = []
  const table = createTablePresence({
    table: {
      beat: async ({ instanceId }) => {
        if (rows === 'away') throw new Error('away')
        return [...rows, instanceId].map((each) => ({ instanceId: each }))
      },
      leave: async (instanceId) => void left.push(instanceId),
    },
    self: { instanceId: 'self' },
    clock,
    log: silentLogger,
    beatMs: 5_000,
  })
  table.onJoined(({ instanceId }) => void told.push(`+${instanceId}`))
  table.onMissing(({ instanceId }) => void told.push(`-${instanceId}`))
  const beat = async (): Promise<void> => {
    clock.advance(5_000)
    await settled()
  }
  await table.start()
  assert.deepEqual(told.splice(0), ['+a', '+b'])
  assert.equal(table.isLiving('self'), true)
  for (let beats = 0; beats < 3; beats++) await beat()
  rows = ['b']
  await beat()
  assert.deepEqual(told.splice(0), ['-a'])
  rows = 'away'
  await beat()
  assert.equal(table.isUp, false)
  rows = []
  await beat()
  assert.deepEqual([told, table.isUp, table.isLiving('b')], [[], true, true])
  rows = ['b']
  await beat()
  rows = []
  await beat()
  await beat()
  assert.deepEqual(told.splice(0), ['-b'], 'a row that is still over after the time of one')
  await table.stop()
  assert.deepEqual(left, ['self'])
  assert.equal(clock.pending, 0)
})
