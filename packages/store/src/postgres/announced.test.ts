// Instances that tell each other of changes beside the database, behind a pooler that lets no notification through.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock, systemClock } from '@weft/foundation/time'
import type { Store, WriteContext } from '../contract.ts'
import { createHistoryKey } from '../history-key.ts'
import { startDatabases, type TestDatabases } from '../testing/postgres-databases.ts'
import { withoutPostgres } from '../testing/postgres-server.ts'
import { createTcpRelay } from '../testing/tcp-relay.ts'
import { openPostgresStore } from './open-postgres-store.ts'
import type { StoreAnnouncer } from './wake-up.ts'

const key = createHistoryKey(randomBytes(32))
const desired: WriteContext = { actor: 'user:test', reason: 'api', class: 'desired' }

/** A way that a test can break. */
function createWire() {
  const ends: { hear(seq: number): void; tell(isUp: boolean): void }[] = []
  const state = { isUp: true, delivers: true }
  const storeIds: string[] = []
  return {
    storeIds,
    set delivers(delivers: boolean) {
      state.delivers = delivers
    },
    turn: (isUp: boolean): void => {
      state.isUp = isUp
      for (const end of ends) end.tell(isUp)
    },
    end: (storeId: string): StoreAnnouncer => {
      storeIds.push(storeId)
      const own: { hear(seq: number): void; tell(isUp: boolean): void } = { hear: () => {}, tell: () => {} }
      ends.push(own)
      return {
        get isUp() {
          return state.isUp
        },
        announce: (seq) => {
          if (!state.isUp || !state.delivers) return
          for (const other of ends) if (other !== own) other.hear(seq)
        },
        onAnnounced: (listener) => {
          own.hear = listener
          return () => void (own.hear = () => {})
        },
        onUp: (listener) => {
          own.tell = listener
          return () => void (own.tell = () => {})
        },
      }
    },
  }
}

function reached(store: Store, seq: number): Promise<void> {
  if (store.seq >= seq) return Promise.resolve()
  return new Promise((resolve) => {
    const stop = store.watch(store.seq, () => {
      if (store.seq < seq) return
      stop()
      resolve()
    })
  })
}

describe('changes that are announced beside the database', { skip: withoutPostgres() }, () => {
  let databases: TestDatabases
  before(async () => {
    databases = await startDatabases()
  })
  after(() => databases.server.dispose())

  it('need neither notifications nor polling, and lose nothing when that way is lost', async () => {
    const settings = await databases.take()
    await using relay = await createTcpRelay(settings.port)
    relay.passesNotifications = false
    const wire = createWire()
    const lines: string[] = []
    const log = { ...silentLogger, warn: (_: object, text?: string) => void lines.push(text ?? '') }
    // nothing of the keep-alive of its session happens by itself
    const clock = new FakeClock()
    const open = (port: number) => openPostgresStore({ settings: { ...settings, port }, clock, log, key, announcer: wire.end })
    const [one, two] = [await open(settings.port), await open(relay.port)]
    const write = (n: number) =>
      one.transact([{ op: 'put', resource: { type: 'Dataplane', mesh: 'm', name: 'a', labels: {}, spec: { n } } }], desired)
    try {
      assert.deepEqual(wire.storeIds, [one.id, one.id])
      await write(1)
      await reached(two, 1)
      clock.advance(1000)
      assert.ok(lines.some((line) => /do not arrive .*announced another way/.test(line)))
      await write(2)
      await reached(two, 2)
      // nobody asks the log: what is not announced stays unknown, for longer than the interval of polling
      wire.delivers = false
      await write(3)
      clock.advance(1500)
      await delay(300)
      assert.equal(two.seq, 2)
      // lost: the log is asked at once, and from then on
      wire.turn(false)
      await reached(two, 3)
      await write(4)
      clock.advance(500)
      await reached(two, 4)
      // back: what was missed is read, and the log is left alone again
      await write(5)
      wire.turn(true)
      await reached(two, 5)
      await write(6)
      clock.advance(1500)
      await delay(300)
      assert.equal(two.seq, 5)
      wire.delivers = true
      await write(7)
      await reached(two, 7)
    } finally {
      await Promise.all([one.close(), two.close()])
      await databases.giveBack(settings)
    }
  })

  it('a number that no log has does no harm', async () => {
    const settings = await databases.take()
    const wire = createWire()
    const open = () => openPostgresStore({ settings, clock: systemClock, log: silentLogger, key, announcer: wire.end })
    const [one, two] = [await open(), await open()]
    try {
      const liar = wire.end('liar')
      for (const seq of [Number.MAX_SAFE_INTEGER, 5, 0, -1, Number.NaN, 1.5]) liar.announce(seq)
      await one.transact([{ op: 'put', resource: { type: 'Dataplane', mesh: 'm', name: 'a', labels: {}, spec: {} } }], desired)
      await reached(two, 1)
      assert.deepEqual([one.seq, two.seq], [1, 1])
    } finally {
      await Promise.all([one.close(), two.close()])
      await databases.giveBack(settings)
    }
  })
})
