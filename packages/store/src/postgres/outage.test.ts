// A real server that goes away, hangs, loses its log, is set back, or hides behind a pooler.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { hasCode } from '@weft/foundation/errors'
import { type Logger, silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import type { Change, Store, WriteContext } from '../contract.ts'
import { createHistoryKey } from '../history-key.ts'
import { key, numberIn, put, reached } from '../testing/numbered-resources.ts'
import { startDatabases, type TestDatabases } from '../testing/postgres-databases.ts'
import { withoutPostgres } from '../testing/postgres-server.ts'
import { createTcpRelay, type TcpRelay } from '../testing/tcp-relay.ts'
import { openPostgresStore } from './open-postgres-store.ts'
import type { PostgresSettings } from './settings.ts'

const historyKey = createHistoryKey(randomBytes(32))
const desired: WriteContext = { actor: 'user:test', reason: 'api', class: 'desired' }
const observed: WriteContext = { actor: 'proxy', reason: 'status', class: 'observed' }

describe('PostgreSQL out of reach', { skip: withoutPostgres() }, () => {
  let databases: TestDatabases
  before(async () => {
    // it is killed: what it acknowledged has to be there again
    databases = await startDatabases({ durable: true })
  })
  after(() => databases.server.dispose())

  const scene = async (body: (parts: Scene) => Promise<void>): Promise<void> => {
    const settings = await databases.take()
    await using relay = await createTcpRelay(settings.port)
    const stores: Store[] = []
    const open: Scene['open'] = async (change = {}, more = {}) => {
      const store = await openPostgresStore({
        settings: { ...settings, port: relay.port, ...change },
        clock: systemClock,
        log: silentLogger,
        key: historyKey,
        ...more,
      })
      stores.push(store)
      return store
    }
    try {
      await body({ settings, relay, open })
    } finally {
      await Promise.all(stores.map((store) => store.close()))
    }
    await databases.giveBack(settings)
  }

  it('keeps every acknowledged write over crashes of the server, without a hole', async () => {
    await scene(async ({ open }) => {
      const [one, two] = [await open(), await open()]
      const seen: number[] = []
      two.watch(two.seq, (changes) => seen.push(...changes.map(({ seq }) => seq)))
      const acknowledged = new Map<string, number>()
      let isOver = false
      const writers = [one, two].flatMap((store, at) =>
        Array.from({ length: 4 }, async (_, writer) => {
          const name = `w-${at}-${writer}`
          for (let n = 1; !isOver; n += 1) {
            try {
              await store.transact([put(name, n)], desired)
              acknowledged.set(name, n)
            } catch (error) {
              assert.ok(hasCode(error, 'store/unavailable'))
              await patience()
            }
          }
        }),
      )
      for (let round = 0; round < 2; round += 1) {
        await reached(two, two.seq + 40)
        await databases.server.kill()
        await databases.server.start()
      }
      await reached(two, two.seq + 40)
      isOver = true
      await Promise.all(writers)
      await Promise.all([one, two].map((store) => reached(store, Math.max(one.seq, two.seq))))
      assert.deepEqual(
        seen,
        Array.from({ length: two.seq }, (_, at) => at + 1),
        'every number once, in order',
      )
      const again = await open()
      for (const store of [one, two, again]) {
        for (const [name, n] of acknowledged) assert.ok(numberIn(store, name) >= n, `${name} has at least ${n}`)
        assert.deepEqual(store.list('Dataplane'), again.list('Dataplane'))
      }
    })
  })

  it('observed facts of an outage are there afterwards, for other instances too', async () => {
    await scene(async ({ open, relay }) => {
      const [one, two] = [await open(), await open({ port: databases.server.port })]
      await one.transact([put('a', 0)], observed)
      relay.cut()
      await databases.server.kill()
      for (let n = 1; n <= 50; n += 1) await one.transact([put('a', n), put(`new-${n % 5}`, n)], observed)
      assert.equal(numberIn(one, 'a'), 50)
      await assert.rejects(one.transact([put('b', 1)], desired), (error) => hasCode(error, 'store/unavailable') && error.retryable)
      await databases.server.start()
      await Promise.all([one, two].map((store) => reached(store, 7)))
      assert.equal(numberIn(two, 'a'), 50)
      assert.deepEqual(two.list('Dataplane'), one.list('Dataplane'))
      assert.equal(two.seq, 7, 'one write for each resource')
    })
  })

  it('a server that does not answer any more is given up, and taken up when it does', async () => {
    await scene(async ({ open, relay }) => {
      const store = await insist(() => open({ statementTimeoutMs: 1000 }))
      await insist(() => store.transact([put('a', 1)], desired))
      relay.isFlowing = false
      await assert.rejects(store.transact([put('a', 2)], desired), (error) => hasCode(error, 'store/unavailable'))
      relay.isFlowing = true
      relay.cut()
      await insist(() => store.transact([put('a', 3)], desired))
      assert.equal(numberIn(store, 'a'), 3)
    })
  })

  it('changes of others arrive also where notifications do not, and the log says how', async () => {
    await scene(async ({ open, relay }) => {
      const lines: string[] = []
      relay.passesNotifications = false
      const [one, two] = [await open({ port: databases.server.port }), await open({}, { log: noting(lines) })]
      await one.transact([put('a', 1)], desired)
      await reached(two, 1)
      await one.transact([put('a', 2)], desired)
      await reached(two, 2)
      assert.ok(lines.some((line) => line.startsWith('notifications of the database do not arrive')))
    })
  })

  it('who slept longer than the log reaches back takes the whole state', async () => {
    await scene(async ({ open, relay, settings }) => {
      const [one, two] = [await open({ port: databases.server.port }), await open()]
      await one.transact([put('stays', 1), put('goes', 1)], observed)
      await reached(two, 2)
      relay.isFlowing = false
      await one.transact([put('stays', 2), { op: 'delete', key: key('goes') }, put('comes', 1)], observed)
      await databases.server.query(settings.database, 'DELETE FROM weft.log')
      const told: Change[] = []
      two.watch(two.seq, (changes) => told.push(...changes))
      relay.isFlowing = true
      relay.cut()
      await reached(two, 5)
      assert.deepEqual(told.map(({ op, key: { name } }) => `${op} ${name}`).sort(), ['delete goes', 'put comes', 'put stays'])
      assert.throws(
        () => two.watch(2, () => {}),
        (error) => hasCode(error, 'store/compacted') && error.details['listFrom'] === 5,
      )
      assert.deepEqual(two.list('Dataplane'), one.list('Dataplane'))
    })
  })

  it('who starts while the server is away waits for it, and is told at once what waiting cannot mend', async () => {
    await scene(async ({ open, settings }) => {
      const lines: string[] = []
      await databases.server.kill()
      const opened = open({ port: settings.port }, { log: noting(lines), waits: true })
      await assert.rejects(open({ port: settings.port }), (error) => hasCode(error, 'store/unavailable') && error.retryable)
      await databases.server.start()
      await (await opened).transact([put('a', 1)], desired)
      assert.equal(lines[0], 'the database is away: the start waits for it')
      const lasting = (code: string) => (error: unknown) =>
        hasCode(error, 'store/unavailable') && !error.retryable && error.message.includes(code)
      await assert.rejects(open({ database: 'nowhere' }, { waits: true }), lasting('"nowhere" does not exist'))
      await assert.rejects(open({ user: 'nobody' }, { waits: true }), lasting('"nobody" does not exist'))
      await assert.rejects(open({ database: 'template1' }, { waits: true }), (error) => hasCode(error, 'store/schema-outdated'))
    })
  })

  it('a database that was set back is not taken up, also when it has grown again', async () => {
    await scene(async ({ open, settings }) => {
      const store = await open()
      await store.transact([put('a', 1)], desired)
      const backup =
        'UPDATE weft.counter SET (seq, chain_seq, chain_hash) = (SELECT seq, seq, hash FROM weft.log WHERE seq = 1); DELETE FROM weft.log WHERE seq > 1'
      await store.transact([put('a', 2)], desired)
      await databases.server.query(settings.database, backup)
      const isSetBack = (error: unknown): boolean => hasCode(error, 'store/unavailable') && /set back/.test(error.message)
      await assert.rejects(store.transact([put('a', 3)], desired), isSetBack)
      const other = await open()
      await other.transact([put('b', 1)], desired)
      await other.transact([put('b', 2)], desired)
      await assert.rejects(store.transact([put('a', 3)], desired), isSetBack)
      assert.equal(numberIn(store, 'a'), 2)
      assert.equal(store.get(key('b')), undefined)
    })
  })
})

interface Scene {
  readonly settings: PostgresSettings
  readonly relay: TcpRelay
  /** A store behind the relay. */
  open(change?: Partial<PostgresSettings>, more?: { readonly log?: Logger; readonly waits?: boolean }): Promise<Store>
}

function noting(lines: string[]): Logger {
  const note = (...[, line]: readonly unknown[]): void => void lines.push(String(line))
  const log: Logger = { ...silentLogger, warn: note, child: () => log }
  return log
}

/** Tries until the database answers. */
async function insist<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      assert.ok(hasCode(error, 'store/unavailable'))
      await patience()
    }
  }
}

/** What a client does before it tries again: answers while the database is away come at once. */
function patience(): Promise<void> {
  return delay(20)
}
