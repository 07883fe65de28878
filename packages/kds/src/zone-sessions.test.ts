// The session rule against a model: processes of one zone come, freeze, thaw and go in any order, and at most one of them acts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import fc from 'fast-check'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { hasCode } from '@weft/foundation/errors'
import { createZoneSessions, type SessionPlace, type SessionStream, type SessionStreamName } from './zone-sessions.ts'

interface Process {
  readonly id: string
  readonly storeId?: string
  readonly epoch?: number
}

const processes: readonly Process[] = [
  { id: 'old', storeId: 'A', epoch: 1 },
  { id: 'mid', storeId: 'A', epoch: 2 },
  { id: 'twin', storeId: 'A', epoch: 2 },
  { id: 'new', storeId: 'A', epoch: 3 },
  { id: 'rebuilt', storeId: 'B', epoch: 1 },
  { id: 'stock-1' },
  { id: 'stock-2' },
]

interface Open {
  readonly process: Process
  readonly connection: string
  readonly places: SessionPlace[]
  outcome: 'waiting' | 'in' | 'refused' | 'fenced' | 'canceled' | 'lost' | 'left'
}

const turn = async (): Promise<void> => {
  for (let count = 0; count < 5; count++) await new Promise((resolve) => setImmediate(resolve))
}

function scene() {
  const clock = new FakeClock()
  const frozen = new Set<string>()
  const opened: Open[] = []
  const sessions = createZoneSessions({
    clock,
    log: silentLogger,
    ping: async (peer) => {
      const found = opened.find(({ connection }) => connection === peer)
      return found !== undefined && !frozen.has(found.process.id)
    },
  })
  let connections = 0
  const openStream = (open: Open, name: SessionStreamName): void => {
    const { process, connection } = open
    const isSync = name === 'globalToZone' || name === 'zoneToGlobal'
    const stream: SessionStream = {
      zone: 'east',
      peerAddress: connection,
      storeId: process.storeId,
      epoch: process.epoch,
      instanceId: process.storeId === undefined ? '' : process.id,
      log: silentLogger,
      end: (code) => {
        assert.ok(process.storeId !== undefined || isSync, 'an admin stream of a stock zone is never ended')
        open.outcome = code === status.FAILED_PRECONDITION ? 'lost' : 'canceled'
        place.left()
      },
    }
    const place = sessions.enter(stream, name)
    open.places.push(place)
    place.settled.then(
      () => {
        if (open.outcome === 'waiting') open.outcome = 'in'
      },
      (error: unknown) => {
        open.outcome = hasCode(error, 'kds/fenced') ? 'fenced' : 'refused'
        place.left()
      },
    )
  }
  return {
    clock,
    frozen,
    opened,
    sessions,
    arrive: (process: Process): Open => {
      const open: Open = { process, connection: `10.0.0.1:${++connections}`, places: [], outcome: 'waiting' }
      opened.push(open)
      for (const name of ['zoneToGlobal', 'stats', 'globalToZone'] as const) openStream(open, name)
      if (process.storeId === undefined) open.places.at(-1)?.identified(process.id)
      return open
    },
    openStream,
    leave: (open: Open): void => {
      open.outcome = 'left'
      for (const place of open.places) place.left()
    },
    acting: (): readonly string[] => opened.filter(({ outcome }) => outcome === 'in').map(({ process }) => process.id),
  }
}

/** The rule in prose, with the least state that can tell it. */
class Model {
  current: Process | undefined
  fence: Process | undefined

  arrive(process: Process, isCurrentFrozen: boolean): { readonly arriving: Open['outcome']; readonly present?: Open['outcome'] } {
    const { current, fence } = this
    const isOfStore = (other: Process | undefined): other is Process => process.storeId !== undefined && other?.storeId === process.storeId
    if (isOfStore(fence) && (process.epoch ?? 0) < (fence.epoch ?? 0)) return { arriving: 'fenced' }
    const isNewer = isOfStore(current) && (process.epoch ?? 0) > (current.epoch ?? 0)
    if (current && !isNewer && current.id !== process.id && !isCurrentFrozen) return { arriving: 'refused' }
    this.current = process
    if (process.storeId !== undefined) this.fence = process
    return current ? { arriving: 'in', present: isNewer ? 'lost' : 'canceled' } : { arriving: 'in' }
  }
}

type Step = { readonly kind: 'arrive' | 'leave' | 'freeze' | 'thaw'; readonly which: number }

test('any order of coming, freezing and going: one acts, the newer right wins, the others are told why', async () => {
  const step = fc.record<Step>({
    kind: fc.constantFrom('arrive', 'arrive', 'arrive', 'leave', 'freeze', 'thaw'),
    which: fc.nat({ max: processes.length - 1 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const { frozen, opened, sessions, arrive, leave, acting } = scene()
      const model = new Model()
      for (const { kind, which } of steps) {
        const process = processes[which]
        assert.ok(process)
        const present = opened.find(({ outcome }) => outcome === 'in')
        if (kind === 'freeze') frozen.add(process.id)
        if (kind === 'thaw') frozen.delete(process.id)
        if (kind === 'leave' && present) {
          leave(present)
          model.current = undefined
        }
        if (kind === 'arrive') {
          const open = arrive(process)
          await turn()
          const expected = model.arrive(process, present !== undefined && frozen.has(present.process.id))
          assert.equal(open.outcome, expected.arriving)
          if (expected.present) assert.equal(present?.outcome, expected.present)
          if (expected.arriving === 'refused') assert.equal(sessions.duplicate('east')?.instanceId, process.id)
        }
        await turn()
        assert.deepEqual(acting(), model.current ? [model.current.id] : [])
      }
    }),
    { numRuns: 200 },
  )
})

const byId = (id: string): Process => {
  const found = processes.find((process) => process.id === id)
  assert.ok(found)
  return found
}

test('a refused control plane is let in when the present one ends, and is no duplicate any more', async () => {
  const { arrive, leave, sessions, clock } = scene()
  const first = arrive(byId('stock-1'))
  await turn()
  const second = arrive(byId('stock-2'))
  await turn()
  assert.deepEqual([first.outcome, second.outcome], ['in', 'refused'])
  assert.equal(sessions.duplicate('east')?.instanceId, 'stock-2')
  leave(first)
  const again = arrive(byId('stock-2'))
  await turn()
  assert.equal(again.outcome, 'in')
  assert.equal(sessions.duplicate('east'), undefined)
  // one that gave up is forgotten
  arrive(byId('stock-1'))
  await turn()
  assert.ok(sessions.duplicate('east'))
  clock.advance(120_001)
  assert.equal(sessions.duplicate('east'), undefined)
})

test('a newer right that ended still fences older ones of its store; that of another store does not', async () => {
  const { arrive, leave } = scene()
  const newest = arrive(byId('new'))
  await turn()
  leave(newest)
  const old = arrive(byId('old'))
  await turn()
  assert.equal(old.outcome, 'fenced')
  const rebuilt = arrive(byId('rebuilt'))
  await turn()
  assert.equal(rebuilt.outcome, 'in')
  leave(rebuilt)
  const back = arrive(byId('old'))
  await turn()
  assert.equal(back.outcome, 'in')
})

test('streams of a stock zone that do not say who they are wait for the one that does, but not for ever', async () => {
  const { arrive, openStream, opened, clock } = scene()
  const first = arrive(byId('stock-1'))
  await turn()
  const mute: Open = { process: byId('stock-2'), connection: '10.0.0.2:1', places: [], outcome: 'waiting' }
  opened.push(mute)
  openStream(mute, 'zoneToGlobal')
  await turn()
  assert.equal(mute.outcome, 'waiting')
  clock.advance(2_001)
  await turn()
  assert.deepEqual([first.outcome, mute.outcome], ['in', 'refused'])
  // what takes nobody's role is taken for a stream of the present one that came another way
  const spread: Open = { process: byId('stock-1'), connection: '10.0.0.3:1', places: [], outcome: 'waiting' }
  opened.push(spread)
  openStream(spread, 'clusters')
  await turn()
  clock.advance(2_001)
  await turn()
  assert.deepEqual([first.outcome, spread.outcome], ['in', 'in'])
})
