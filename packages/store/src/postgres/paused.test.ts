// A process that is stopped (SIGSTOP) between two statements of a transaction that depends on its lease: the server ends its session, another
// takes the lease, and when the process goes on nothing of the transaction is ever there.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { createHistoryKey } from '../history-key.ts'
import { leasedActor, type LeasedWrite } from '../testing/leased-writer.ts'
import { startDatabases, type TestDatabases } from '../testing/postgres-databases.ts'
import { withoutPostgres } from '../testing/postgres-server.ts'
import { openPostgresStore } from './open-postgres-store.ts'
import type { PostgresSettings } from './settings.ts'

const longMs = 600_000
/** More than one statement carries, so that there is a moment between two. */
const names = ['held', ...Array.from({ length: 700 }, (_, n) => `more-${n}`)]
/** The first statement waits until the test opens the gate. */
const gate = `
  CREATE FUNCTION public.wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$;
  CREATE TRIGGER gate AFTER INSERT ON weft.log FOR EACH ROW WHEN (NEW.name = 'held') EXECUTE FUNCTION public.wait_at_gate()`

describe('a writer that is paused in a transaction', { skip: withoutPostgres() }, () => {
  let databases: TestDatabases
  before(async () => {
    databases = await startDatabases()
  })
  after(() => databases.server.dispose())

  it('loses its turn and its lease, and commits nothing when it goes on', async () => {
    const settings = await databases.take()
    const other = await openPostgresStore({ settings, clock: systemClock, log: silentLogger, key: createHistoryKey(new Uint8Array(32)) })
    await databases.server.query(settings.database, gate)
    const gatekeeper = await databases.server.connect(settings.database)
    // half of it is how long the server waits for the next statement
    await using writer = await startWriter({ ...settings, statementTimeoutMs: 10_000 })
    const put = (name: string) => ({ op: 'put', resource: { type: 'MeshTimeout', mesh: 'm', name, labels: {}, spec: {} } }) as const
    const desired = { actor: 'user:test', reason: 'api', class: 'desired' } as const
    try {
      await other.transact([put('before')], desired)
      assert.deepEqual(await other.leases.acquire('leader', 'paused', 0), { epoch: 1 })
      await gatekeeper.query('SELECT pg_advisory_lock(1)')
      const outcome = writer.write({ names, epoch: 1 })
      await isWaiting(databases, settings)
      writer.signal('SIGSTOP')
      await gatekeeper.query('SELECT pg_advisory_unlock(1)')
      // the statement is carried out now, but the transaction goes on only with its process
      assert.deepEqual(await other.leases.acquire('leader', 'other', longMs), { epoch: 2 })
      await other.transact([put('after')], { ...desired, lease: { name: 'leader', epoch: 2 } })
      writer.signal('SIGCONT')
      assert.equal(await outcome, 'store/unavailable')
      let again = await writer.write({ names: ['again'], epoch: 1 })
      while (again === 'store/unavailable') again = await writer.write({ names: ['again'], epoch: 1 })
      assert.equal(again, 'store/fenced')

      const rows = await databases.server.query(settings.database, 'SELECT seq::int, actor, name FROM weft.log ORDER BY seq')
      assert.deepEqual(
        rows.map(({ seq, name }) => [seq, name]),
        [
          [1, 'before'],
          [2, 'after'],
        ],
      )
      assert.ok(rows.every(({ actor }) => actor !== leasedActor))
      assert.deepEqual((await other.history.verify()).problems, [])
      assert.deepEqual(
        other.list('MeshTimeout').map(({ name }) => name),
        ['after', 'before'],
      )
    } finally {
      await gatekeeper.end()
      await other.close()
    }
  })
})

/** Until a session waits for the gate. */
async function isWaiting({ server }: TestDatabases, { database }: PostgresSettings): Promise<void> {
  const question = `SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = $1`
  while ((await server.query(database, question, [database])).length === 0);
}

interface Writer extends AsyncDisposable {
  /** Resolves with what became of it. */
  write(write: LeasedWrite): Promise<string>
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void
}

/** A process with a store of its own on the database. */
async function startWriter(settings: PostgresSettings): Promise<Writer> {
  const program = join(import.meta.dirname, '..', 'testing', 'leased-writer.ts')
  const child = spawn(process.execPath, [program, JSON.stringify(settings)], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => String((await lines.next()).value)
  assert.equal(await next(), 'ready')
  return {
    write: ({ names: of, epoch }) => {
      child.stdin.write(`${JSON.stringify({ names: of, epoch })}\n`)
      return next()
    },
    signal: (signal) => void child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}
