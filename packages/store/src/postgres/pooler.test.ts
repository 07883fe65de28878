// Behind a real PgBouncer in transaction mode: no session is one's own, so notifications do not arrive and prepared statements get lost.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Logger, silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import type { Store, StoreOp } from '../contract.ts'
import { createHistoryKey } from '../history-key.ts'
import { type PgBouncer, startPgbouncer, withoutPgbouncer } from '../testing/pgbouncer.ts'
import { startDatabases, type TestDatabases } from '../testing/postgres-databases.ts'
import { openPostgresStore } from './open-postgres-store.ts'

const key = createHistoryKey(randomBytes(32))
const put = (name: string, n: number): StoreOp => ({ op: 'put', resource: { type: 'Dataplane', mesh: 'm', name, labels: {}, spec: { n } } })

describe('behind a pooler that shares sessions', { skip: withoutPgbouncer() }, () => {
  let databases: TestDatabases
  let pooler: PgBouncer
  before(async () => {
    databases = await startDatabases()
    pooler = await startPgbouncer(databases.server, 3)
  })
  after(async () => {
    await pooler[Symbol.asyncDispose]()
    await databases.server.dispose()
  })

  it('every write is taken, others see it, and the log says how', async () => {
    const settings = { ...(await databases.take()), port: pooler.port }
    const lines: string[] = []
    const open = () => openPostgresStore({ settings, clock: systemClock, log: noting(lines), key })
    const [one, two] = [await open(), await open()]
    const seen: number[] = []
    two.watch(two.seq, (changes) => seen.push(...changes.map(({ seq }) => seq)))
    const writers = [one, two].flatMap((store, at) =>
      Array.from({ length: 4 }, async (_, writer) => {
        for (let n = 1; n <= 25; n += 1)
          await store.transact([put(`w-${at}-${writer}`, n)], { actor: 'user:test', reason: 'api', class: 'desired' })
      }),
    )
    await Promise.all(writers)
    await Promise.all([one, two].map((store) => reached(store, 200)))
    // what one alone writes reaches the other by polling
    const last = await one.transact([put('late', 1)], { actor: 'proxy', reason: 'status', class: 'observed' })
    await reached(two, last)
    assert.deepEqual(
      seen,
      Array.from({ length: last }, (_, at) => at + 1),
      'every number once, in order',
    )
    assert.deepEqual(two.list('Dataplane'), one.list('Dataplane'))
    assert.deepEqual((await one.history.verify()).problems, [])
    const said = (start: string): boolean => lines.some((line) => line.startsWith(start))
    await until(() => said('notifications of the database do not arrive'))
    assert.ok(!said('the database is away'), lines.join('\n'))
    await Promise.all([one, two].map((store) => store.close()))
  })
})

function noting(lines: string[]): Logger {
  const note = (...[, line]: readonly unknown[]): void => void lines.push(String(line))
  const log: Logger = { ...silentLogger, warn: note, error: note, child: () => log }
  return log
}

function reached(store: Store, seq: number): Promise<void> {
  return until(() => store.seq >= seq)
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await delay(20)
}
