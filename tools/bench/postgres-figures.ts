// A PostgreSQL server of a benchmark: it waits for its disk as in production, counts statements, and shows what it costs.
import { type PostgresServer, startPostgres, withoutPostgres } from '../../packages/store/src/testing/postgres-server.ts'
import { cpuSecondsOf } from './processes-usage.ts'

export interface BenchServer extends AsyncDisposable {
  readonly server: PostgresServer
  /** An empty database of this name. */
  createDatabase(name: string): Promise<void>
  /** What happens in these databases while `work` runs. */
  during(databases: readonly string[], work: () => Promise<unknown>): Promise<Load>
}

export interface Load {
  /** Statements a second. */
  readonly statements: number
  /** Those that came most, with how many a second. */
  readonly most: readonly string[]
  /** Share of a core that the server took. */
  readonly cpuPercent: number
}

/** Throws where none is installed. */
export async function startBenchServer(): Promise<BenchServer> {
  const missing = withoutPostgres()
  if (missing !== false) throw new Error(missing)
  const server = await startPostgres({
    durable: true,
    config: ['shared_buffers = 128MB', `shared_preload_libraries = 'pg_stat_statements'`],
  })
  await server.query('postgres', 'CREATE EXTENSION pg_stat_statements')
  const calls = async (databases: readonly string[]): Promise<ReadonlyMap<string, number>> => {
    const rows = await server.query(
      'postgres',
      `SELECT left(regexp_replace(s.query, '\\s+', ' ', 'g'), 80) AS statement, sum(s.calls)::float8 AS calls
       FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = ANY($1) GROUP BY 1`,
      [databases],
    )
    return new Map(rows.map((row) => [String(row['statement']), Number(row['calls'])]))
  }
  const cpuSeconds = (): ReadonlyMap<number, number> => new Map(server.processIds().map((pid) => [pid, cpuSecondsOf(pid)]))
  return {
    server,
    createDatabase: async (name) => {
      await server.query('postgres', `CREATE DATABASE ${name}`)
    },
    during: async (databases, work) => {
      const before = { calls: await calls(databases), cpu: cpuSeconds(), at: performance.now() }
      await work()
      const seconds = (performance.now() - before.at) / 1000
      // of processes that are there now; those of a pool live long
      const spent = [...cpuSeconds()].reduce((sum, [pid, now]) => sum + now - (before.cpu.get(pid) ?? 0), 0)
      const rates = [...(await calls(databases))]
        .map(([statement, count]) => [statement, (count - (before.calls.get(statement) ?? 0)) / seconds] as const)
        .sort(([, a], [, b]) => b - a)
      return {
        statements: rates.reduce((sum, [, rate]) => sum + rate, 0),
        most: rates.slice(0, 5).map(([statement, rate]) => `${rate.toFixed(2)}/s ${statement}`),
        cpuPercent: (spent / seconds) * 100,
      }
    },
    [Symbol.asyncDispose]: () => server.dispose(),
  }
}
