// Leases and living processes in PostgreSQL. All times are the server's.
import pg from 'pg'
import type { LeaseTable, StoreInstance, WriteLease } from '../lease-table.ts'
import { changesChannel } from './channel.ts'

export interface PostgresLeasesOptions {
  /** Connections that nothing else waits for. */
  readonly pool: pg.Pool
  /** What a failure is told as. */
  readonly asUnavailable: (error: unknown) => unknown
}

export interface PostgresLeases extends LeaseTable {
  /** A notification of the channel that was heard; true when it was about a lease. */
  heard(payload: string): boolean
  close(): Promise<void>
}

const releasedPrefix = 'released '
/** Rows of processes that ended without a word are swept this long after they were last expected. */
const forgottenMs = 600_000
/** However short a lease is, an answer of a busy server may take this long. */
const shortestTimeoutMs = 2000

const span = (parameter: string): string => `clock_timestamp() + ${parameter}::float8 * interval '1 millisecond'`

const acquireSql = `
  INSERT INTO weft.leases AS l (name, holder, epoch, until) VALUES ($1, $2, 1, ${span('$3')})
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = l.epoch + 1, until = ${span('$3')}
  WHERE l.until <= clock_timestamp() OR l.holder = excluded.holder
  RETURNING epoch`
const holderSql = `
  SELECT holder, greatest(0, extract(epoch FROM until - clock_timestamp()) * 1000)::float8 AS remaining FROM weft.leases WHERE name = $1`
const renewSql = `UPDATE weft.leases SET until = ${span('$3')} WHERE name = $1 AND epoch = $2 AND holder <> ''`
// the epoch grows, so that what its holder still has under way is fenced
const releaseSql = `
  WITH gone AS (
    UPDATE weft.leases SET holder = '', epoch = epoch + 1, until = clock_timestamp() WHERE name = $1 AND epoch = $2 AND holder <> '' RETURNING name
  ) SELECT pg_notify('${changesChannel}', '${releasedPrefix}' || name) FROM gone`
const appearSql = `
  WITH own AS (
    INSERT INTO weft.instances (id, host, port, until) VALUES ($1, $2, $3, ${span('$4')})
    ON CONFLICT (id) DO UPDATE SET host = excluded.host, port = excluded.port, until = excluded.until
    RETURNING id, host, port
  ), swept AS (
    DELETE FROM weft.instances WHERE until < clock_timestamp() - $5::float8 * interval '1 millisecond' AND id <> $1
  )
  SELECT id, host, port FROM own
  UNION ALL SELECT id, host, port FROM weft.instances WHERE until > clock_timestamp() AND id <> $1
  ORDER BY id`

/** Which of the leases in these parameters (names, epochs) are as they say. */
export function heldLeasesSql(names: string, epochs: string): string {
  return `SELECT l.name, l.epoch FROM (SELECT DISTINCT * FROM unnest(${names}::text[], ${epochs}::bigint[]) AS given(name, epoch)) n
    JOIN weft.leases l ON l.name = n.name AND l.epoch = n.epoch`
}

/** Behind `heldLeasesSql`: nobody can take one of them before the transaction ends. */
export const lockLeases = 'FOR KEY SHARE OF l'

/** The parameters of `heldLeasesSql`. */
export function leaseValues(leases: readonly WriteLease[]): readonly [readonly string[], readonly number[]] {
  return [leases.map(({ name }) => name), leases.map(({ epoch }) => epoch)]
}

/** Closing it ends the pool. */
export function createPostgresLeases({ pool, asUnavailable }: PostgresLeasesOptions): PostgresLeases {
  const listeners = new Set<(name: string) => void>()
  let ending: Promise<void> | undefined
  const ask = async <R extends pg.QueryResultRow>(text: string, values: unknown[], ms: number): Promise<pg.QueryResult<R>> => {
    try {
      // a renewal whose answer does not come must leave time for another
      const query = { text, values, query_timeout: Math.max(shortestTimeoutMs, ms / 3) }
      return await pool.query<R>(query)
    } catch (error) {
      throw asUnavailable(error)
    }
  }
  return {
    acquire: async (name, holder, ms) => {
      const taken = await ask<{ epoch: string }>(acquireSql, [name, holder, ms], ms)
      if (taken.rows[0]) return { epoch: Number(taken.rows[0].epoch) }
      const { rows } = await ask<{ holder: string; remaining: number }>(holderSql, [name], ms)
      return { holder: rows[0]?.holder ?? '', remainingMs: rows[0]?.remaining ?? 0 }
    },
    renew: async ({ name, epoch }, ms) => (await ask(renewSql, [name, epoch, ms], ms)).rowCount === 1,
    release: async ({ name, epoch }) => void (await ask(releaseSql, [name, epoch], 0)),
    onReleased: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    appear: async ({ id, address }, ms) => {
      const values = [id, address?.host ?? null, address?.port ?? null, ms, forgottenMs]
      const { rows } = await ask<InstanceRow>(appearSql, values, ms)
      return rows.map(instanceOf)
    },
    living: async () => {
      const { rows } = await ask<InstanceRow>(
        'SELECT id, host, port FROM weft.instances WHERE until > clock_timestamp() ORDER BY id',
        [],
        0,
      )
      return rows.map(instanceOf)
    },
    leave: async (id) => void (await ask('DELETE FROM weft.instances WHERE id = $1', [id], 0)),
    heard: (payload) => {
      if (!payload.startsWith(releasedPrefix)) return false
      for (const listener of listeners) listener(payload.slice(releasedPrefix.length))
      return true
    },
    close: () => (ending ??= pool.end()),
  }
}

interface InstanceRow {
  readonly id: string
  readonly host: string | null
  readonly port: number | null
}

function instanceOf({ id, host, port }: InstanceRow): StoreInstance {
  return host === null || port === null ? { id } : { id, address: { host, port } }
}
