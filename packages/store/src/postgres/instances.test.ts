// Several instances on one database.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import pg from 'pg'
import { hasCode } from '@weft/foundation/errors'
import { type Logger, silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import type { Change, Store, StoreOp, WriteContext } from '../contract.ts'
import { chainStart, entryHash } from '../history-chain.ts'
import { startDatabases, type TestDatabases } from '../testing/postgres-databases.ts'
import { withoutPostgres } from '../testing/postgres-server.ts'
import { createHistoryKey, type HistoryKey } from '../history-key.ts'
import { isSealed } from '../history.ts'
import { openPostgresStore } from './open-postgres-store.ts'
import type { PostgresSettings } from './settings.ts'

const historyKey = createHistoryKey(randomBytes(32))
const desired: WriteContext = { actor: 'user:test', reason: 'api', class: 'desired' }
const observed: WriteContext = { actor: 'generator:test', reason: 'status', class: 'observed' }
const key = (name: string) => ({ type: 'MeshTimeout', mesh: 'm', name })
const put = (name: string, spec: unknown, expect?: 'absent' | number): StoreOp => ({
  op: 'put',
  resource: { ...key(name), labels: {}, spec },
  ...(expect === undefined ? {} : { expect }),
})

describe('instances on one database', { skip: withoutPostgres() }, () => {
  let databases: TestDatabases
  before(async () => {
    databases = await startDatabases()
  })
  after(() => databases.server.dispose())

  const withStores = async (
    count: number,
    body: (stores: readonly Store[], settings: PostgresSettings) => Promise<void>,
  ): Promise<void> => {
    const settings = await databases.take()
    const stores = await Promise.all(
      Array.from({ length: count }, () => openPostgresStore({ settings, clock: systemClock, log: silentLogger, key: historyKey })),
    )
    try {
      await body(stores, settings)
    } finally {
      await Promise.all(stores.map((store) => store.close()))
      await databases.giveBack(settings)
    }
  }

  it('secrets travel between instances whatever their keys; in the history only the key of the writer opens them', async () => {
    const settings = await databases.take()
    const lines: string[] = []
    const log = { ...silentLogger, warn: (_: object, text?: string) => void lines.push(text ?? '') }
    const open = (with_: HistoryKey) =>
      openPostgresStore({ settings, clock: systemClock, log: { ...log, child: () => log } as Logger, key: with_, sealedTypes: ['Secret'] })
    const [one, other] = [await open(historyKey), await open(createHistoryKey(randomBytes(32)))]
    try {
      assert.equal(lines.filter((line) => /history key/.test(line)).length, 1)
      const secret = { type: 'Secret', mesh: 'm', name: 's' }
      const seen = new Promise<unknown>((done) => other.watch(other.seq, (changes) => done(changes[0]?.after?.spec)))
      await one.transact([{ op: 'put', resource: { ...secret, labels: {}, spec: { data: 'top-secret' } } }], desired)
      assert.deepEqual(await seen, { data: 'top-secret' })
      assert.deepEqual((await one.history.opened(secret))[0]?.after?.spec, { data: 'top-secret' })
      assert.ok(isSealed((await other.history.opened(secret))[0]?.after?.spec))
      const rows = await databases.server.query(settings.database, 'SELECT before, after FROM weft.log')
      assert.doesNotMatch(JSON.stringify(rows), /top-secret/)
      assert.equal((await one.history.verify()).ok, true)
      assert.match((await other.history.verify()).problems.join(), /not signed with the key at hand/)
      await databases.server.query(settings.database, "UPDATE weft.log SET actor = 'user:eve'")
      assert.match((await one.history.verify()).problems.join(), /entry 1 .* was altered/)
    } finally {
      await Promise.all([one.close(), other.close()])
      await databases.giveBack(settings)
    }
  })

  it('numbers are handed out and become visible without holes and in order, with many writers and rollbacks', async () => {
    await withStores(2, async (stores, settings) => {
      const seen = stores.map(recordOf)
      const strangers = await rollBackMeanwhile(settings)
      const results = await Promise.all(
        stores.flatMap((store, at) =>
          Array.from({ length: 8 }, async (_, writer) => {
            let committed = 0
            for (let n = 0; n < 25; n += 1) {
              // every fifth fails after its first operation, and leaves no number behind
              const ops = [
                put(`own-${at}-${writer}`, { n }),
                put('shared', { at, writer, n }),
                ...(n % 5 === 4 ? [put('shared', {}, 'absent')] : []),
              ]
              const outcome = await store.transact(ops, desired).then(
                () => true,
                (error: unknown) => !hasCode(error, 'store/already-exists'),
              )
              if (outcome) committed += 1
            }
            return committed
          }),
        ),
      )
      assert.ok((await strangers()) > 0, 'other sessions held the turn and rolled back')
      const head = 2 * results.reduce((sum, count) => sum + count, 0)
      assert.equal(head, 2 * 16 * 20)
      await Promise.all(stores.map((store) => reached(store, head)))
      for (const [at, record] of seen.entries()) {
        assert.deepEqual(
          record.batches.flat().map(({ seq }) => seq),
          Array.from({ length: head }, (_, index) => index + 1),
          `instance ${at} saw every number once, in order`,
        )
        assert.ok(
          record.batches.every((batch) => batch.length === 2),
          'one batch for each transaction',
        )
        assert.ok(record.isVisible, 'a change is readable when it is announced')
      }
      const [one = [], two = []] = seen.map(({ batches }) =>
        batches.flat().map(({ seq, key: { name }, after: value }) => [seq, name, value]),
      )
      assert.deepEqual(one, two, 'both saw the same')
      assert.deepEqual(stores[0]?.list('MeshTimeout'), stores[1]?.list('MeshTimeout'))
    })
  })

  it('no update is lost when several instances read and write the same resource', async () => {
    await withStores(3, async (stores) => {
      await stores[0]?.transact([put('count', { n: 0 })], desired)
      let conflicts = 0
      const increment = async (store: Store): Promise<void> => {
        for (;;) {
          const stored = store.get(key('count'))
          const n = numberIn(stored?.spec)
          try {
            await store.transact([put('count', { n: n + 1 }, stored?.version ?? 'absent')], desired)
            return
          } catch (error) {
            assert.ok(hasCode(error, 'store/conflict') || hasCode(error, 'store/already-exists'))
            conflicts += 1
          }
        }
      }
      await Promise.all(
        stores.map(async (store) => {
          for (let n = 0; n < 20; n += 1) await increment(store)
        }),
      )
      const head = Math.max(...stores.map((store) => store.seq))
      await Promise.all(stores.map((store) => reached(store, head)))
      for (const store of stores) assert.equal(numberIn(store.get(key('count'))?.spec), 60)
      assert.ok(conflicts > 0, 'they did get in each other’s way')
    })
  })

  it('one of several creators wins, and what another instance deleted is gone for all', async () => {
    await withStores(2, async ([one, two]) => {
      assert.ok(one && two)
      const outcomes = await Promise.allSettled([one, two].map((store) => store.transact([put('a', {}, 'absent')], desired)))
      assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
      // right after a write elsewhere, before it was heard of here
      await one.transact([{ op: 'delete', key: key('a') }], desired)
      await assert.rejects(two.transact([{ op: 'delete', key: key('a') }], desired), (error) => hasCode(error, 'store/not-found'))
      await one.transact([put('b', { n: 1 })], desired)
      assert.equal(await two.transact([put('b', { n: 1 })], desired), one.seq, 'an equal put is no change, whoever wrote it')
      await one.transact([put('b', { n: 2 })], desired)
      const head = one.seq
      assert.equal(await two.transact([put('b', { n: 1 })], desired), head + 1, 'what this instance has not heard of is no equal put')
      await one.transact([put('c', {})], desired)
      await assert.rejects(two.transact([put('c', {}, 'absent')], desired), (error) => hasCode(error, 'store/already-exists'))
    })
  })

  it('observed changes arrive at the others, at the latest with the change that overtook them', async () => {
    await withStores(2, async ([one, two], { database }) => {
      assert.ok(one && two)
      const record = recordOf(two)
      await Promise.all(
        Array.from({ length: 10 }, async (_, writer) => {
          for (let n = 0; n < 20; n += 1) await one.transact([put(`insight-${writer}`, { n })], n % 7 === 0 ? desired : observed)
        }),
      )
      await one.transact([{ op: 'delete', key: key('insight-3') }], observed)
      await reached(two, one.seq)
      assert.deepEqual(two.list('MeshTimeout'), one.list('MeshTimeout'))
      const changes = record.batches.flat()
      assert.ok(
        changes.every(({ seq }, at) => seq > (changes[at - 1]?.seq ?? 0)),
        'in order',
      )
      const had = new Set(changes.map(({ seq }) => seq))
      for (let seq = 1; seq <= one.seq; seq += 1)
        if (!had.has(seq)) assert.ok(await isOvertaken(databases, database, seq), `${seq} was overtaken`)
      for (const { before, after } of changes) assert.ok(!before || !after || before.version < after.version, 'no value goes back')
    })
  })

  it('desired entries are chained and name their predecessors, whoever wrote them', async () => {
    await withStores(2, async (stores, { database }) => {
      for (let n = 0; n < 6; n += 1) {
        const store = stores[n % 2]
        await store?.transact([put('a', { n }), put(`b-${n}`, 'ü \0')], desired)
        await store?.transact([put('seen', { n })], observed)
      }
      await stores[0]?.transact([{ op: 'delete', key: key('a') }], { ...desired, actor: 'zone:\0' })
      await databases.server.query(database, `DELETE FROM weft.log WHERE class = 'observed'`)
      let end = chainStart
      const rows = await databases.server.query(database, `SELECT *, encode(hash, 'hex') AS hex FROM weft.log ORDER BY seq`)
      assert.equal(rows.length, 13)
      for (const row of rows) {
        assert.equal(Number(row['previous']), end.seq)
        const textIn = (column: string): string => textOf(row[column])
        const [seq, time, actor, reason] = [Number(row['seq']), textIn('time'), textIn('actor'), textIn('reason')]
        const what = { op: textIn('op'), type: textIn('type'), mesh: textIn('mesh'), name: textIn('name') }
        const bodies = { before: textOrNull(row['before']), after: textOrNull(row['after']) }
        end = { seq, hash: entryHash({ seq, time, actor, reason, ...what, ...bodies }, end) }
        assert.equal(row['hex'], end.hash)
      }
      const [counter] = await databases.server.query(database, `SELECT chain_seq, encode(chain_hash, 'hex') AS hash FROM weft.counter`)
      assert.deepEqual(counter, { chain_seq: String(end.seq), hash: end.hash })
    })
  })

  it('a large transaction is whole everywhere', async () => {
    await withStores(2, async ([one, two]) => {
      assert.ok(one && two)
      const record = recordOf(two)
      const ops = Array.from({ length: 3000 }, (_, n) => put(`dp-${String(n).padStart(5, '0')}`, { filler: 'x'.repeat(500) }))
      assert.equal(await one.transact([...ops, put('dp-00000', { last: true })], desired), 3001)
      await reached(two, 3001)
      assert.deepEqual(
        record.batches.map((batch) => batch.length),
        [3001],
      )
      assert.deepEqual(two.list('MeshTimeout'), one.list('MeshTimeout'))
      assert.deepEqual(two.get(key('dp-00000'))?.spec, { last: true })
    })
  })

  it('what another instance keeps open in a transaction holds writers up, not readers', async () => {
    await withStores(2, async ([one, two], settings) => {
      assert.ok(one && two)
      const session = new pg.Client(settings)
      await session.connect()
      await session.query('BEGIN')
      await session.query('UPDATE weft.counter SET seq = seq + 1')
      const write = one.transact([put('a', { n: 1 })], desired)
      await waiting(databases)
      assert.equal(two.get(key('a')), undefined)
      await session.query('ROLLBACK')
      await session.end()
      assert.equal(await write, 1)
      await reached(two, 1)
      assert.deepEqual(two.get(key('a'))?.spec, { n: 1 })
    })
  })
})

interface Watched {
  readonly batches: Change[][]
  isVisible: boolean
}

/** Everything a watcher gets. */
function recordOf(store: Store): Watched {
  const record: Watched = { batches: [], isVisible: true }
  store.watch(store.seq, (changes) => {
    record.batches.push([...changes])
    if (
      changes.some(
        ({ key: of, after: value }) =>
          store.get(of)?.version !== (changes.findLast((c) => c.key.name === of.name)?.after ?? value)?.version,
      )
    )
      record.isVisible = false
  })
  return record
}

/** Resolves when the store has come to `seq`. */
function reached(store: Store, seq: number): Promise<void> {
  return new Promise((resolve) => {
    if (store.seq >= seq) {
      resolve()
      return
    }
    const stop = store.watch(store.seq, () => {
      if (store.seq < seq) return
      stop()
      resolve()
    })
  })
}

/** Another session takes the turn and gives it back, again and again until it is told to stop; resolves with how often then. */
async function rollBackMeanwhile(settings: PostgresSettings): Promise<() => Promise<number>> {
  const session = new pg.Client(settings)
  await session.connect()
  let isOver = false
  const running = (async () => {
    let count = 0
    do {
      await session.query('BEGIN')
      await session.query('UPDATE weft.counter SET seq = seq + 7')
      await session.query('ROLLBACK')
      count += 1
    } while (!isOver)
    await session.end()
    return count
  })()
  return () => {
    isOver = true
    return running
  }
}

/** Resolves once a session waits for a lock. */
async function waiting({ server }: TestDatabases): Promise<void> {
  for (;;) {
    const rows = await server.query('postgres', `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)
    if (rows.length > 0) return
  }
}

async function isOvertaken({ server }: TestDatabases, database: string, seq: number): Promise<boolean> {
  const rows = await server.query(
    database,
    `SELECT 1 FROM weft.log l WHERE seq = $1 AND class = 'observed' AND EXISTS (
       SELECT 1 FROM weft.log n WHERE n.seq > l.seq AND (n.type, n.mesh, n.name) = (l.type, l.mesh, l.name))`,
    [seq],
  )
  return rows.length > 0
}

function numberIn(spec: unknown): number {
  return typeof spec === 'object' && spec !== null && 'n' in spec ? Number(spec.n) : 0
}

function textOf(value: unknown): string {
  assert.ok(typeof value === 'string')
  return value
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}
