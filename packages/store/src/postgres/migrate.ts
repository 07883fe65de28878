// Brings the schema of a PostgreSQL database up to date: forward only, each version once, all in one transaction that only one process
// can have at a time.
import type pg from 'pg'
import { AppError } from '@weft/foundation/errors'
import { asUnavailable } from './failures.ts'
import { type Migration, postgresMigrations, postgresSchemaVersion } from './migrations.ts'
import { createConnections, type PostgresSettings } from './settings.ts'
import { inTransaction } from './transaction.ts'

/** The oldest server that is supported, as `server_version_num` says it. */
const oldestServer = 140_000
/** Names the lock among all advisory locks of a database; any number nobody else uses. */
const lockId = 0x77656674

export interface SchemaStatus {
  /** Version in the database; 0 when it has none. */
  readonly version: number
  /** Version this program reads and writes. */
  readonly known: number
  readonly pending: readonly { readonly version: number; readonly name: string }[]
}

/** Reads the version. Errors of the connection are passed on as they are; throws store/unavailable when the server is too old or cannot be asked. */
export async function schemaStatus(on: Pick<pg.ClientBase, 'query'>): Promise<SchemaStatus> {
  const { rows } = await on.query<{ server: number; present: boolean }>(
    `SELECT current_setting('server_version_num')::int AS server, to_regclass('weft.migrations') IS NOT NULL AS present`,
  )
  const row = rows[0]
  if (!row || row.server < oldestServer) {
    const found = row ? `${Math.floor(row.server / 10_000)}` : 'an unknown version'
    throw new AppError('store/unavailable', `PostgreSQL ${oldestServer / 10_000} or newer is needed, the server is ${found}`)
  }
  const version = row.present ? await versionIn(on) : 0
  return { version, known: postgresSchemaVersion, pending: pendingAfter(version).map(({ version, name }) => ({ version, name })) }
}

async function versionIn(on: Pick<pg.ClientBase, 'query'>): Promise<number> {
  const { rows } = await on.query<{ version: number | null }>('SELECT max(version) AS version FROM weft.migrations')
  return rows[0]?.version ?? 0
}

function pendingAfter(version: number): readonly Migration[] {
  return postgresMigrations.filter((migration) => migration.version > version)
}

/**
 * Throws unless a control plane can work with this schema: store/schema-outdated when it has to be migrated first,
 * store/schema-too-new when a newer program made it; `tolerateNewer` accepts the latter.
 */
export function checkSchema(status: SchemaStatus, options: { readonly database: string; readonly tolerateNewer?: boolean }): void {
  const { version, known } = status
  const database = `the database ${JSON.stringify(options.database)}`
  if (version < known) {
    const has = version === 0 ? 'has no tables of Weft' : `has schema version ${version}, this program needs ${known}`
    throw new AppError('store/schema-outdated', `${database} ${has}: run "weft migrate up" with the same settings first`, {
      details: { version, known },
    })
  }
  if (version > known && options.tolerateNewer !== true) {
    throw new AppError(
      'store/schema-too-new',
      `${database} has schema version ${version}, this program knows ${known}: start the newer program, or set store.postgres.tolerateNewerDBVersions`,
      { details: { version, known } },
    )
  }
}

/** Applies what is missing and says what was applied. A second run, also one at the same time, finds nothing to do. */
export async function migrateUp(settings: PostgresSettings): Promise<{ readonly applied: readonly Migration[]; readonly version: number }> {
  const { pool } = createConnections(settings)
  try {
    return await inTransaction(
      pool,
      async (client) => {
        await client.query('SELECT pg_advisory_xact_lock($1)', [lockId])
        const { version } = await schemaStatus(client)
        if (version > postgresSchemaVersion) checkSchema({ version, known: postgresSchemaVersion, pending: [] }, settings)
        if (version === 0) {
          await client.query('CREATE SCHEMA IF NOT EXISTS weft')
          await client.query(
            'CREATE TABLE weft.migrations (version integer PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now())',
          )
        }
        const applied = pendingAfter(version)
        for (const migration of applied) {
          const statements = { text: migration.sql, query_timeout: migrationTimeoutMs }
          await client.query(statements)
          await client.query('INSERT INTO weft.migrations (version, name) VALUES ($1, $2)', [migration.version, migration.name])
        }
        return { applied, version: Math.max(version, postgresSchemaVersion) }
      },
      'BEGIN',
    )
  } catch (error) {
    throw asUnavailable(error, settings)
  } finally {
    await pool.end()
  }
}

/** Tables may be large. */
const migrationTimeoutMs = 3_600_000

/** The schema's state in a database. */
export async function migrationStatus(settings: PostgresSettings): Promise<SchemaStatus> {
  const { pool } = createConnections(settings)
  try {
    return await schemaStatus(pool)
  } catch (error) {
    throw asUnavailable(error, settings)
  } finally {
    await pool.end()
  }
}
