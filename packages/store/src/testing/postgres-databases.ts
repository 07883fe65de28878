// Databases with the newest schema for tests of one file: made once, emptied when given back.
import type { PostgresSettings } from '../postgres/settings.ts'
import { migrateUp } from '../postgres/migrate.ts'
import { type PostgresServer, type PostgresServerOptions, startPostgres } from './postgres-server.ts'

export interface TestDatabases {
  readonly server: PostgresServer
  /** An empty, migrated database. */
  take(): Promise<PostgresSettings>
  /** Empties a database that nobody uses any more. */
  giveBack(settings: PostgresSettings): Promise<void>
}

/** Starts a server for the databases. */
export async function startDatabases(options: PostgresServerOptions = {}): Promise<TestDatabases> {
  const server = await startPostgres(options)
  const free: PostgresSettings[] = []
  return {
    server,
    take: async () => {
      const used = free.pop()
      if (used) return used
      const settings = server.settings(await server.createDatabase())
      await migrateUp(settings)
      return settings
    },
    giveBack: async (settings) => {
      // also what tells the store apart is new: the next one is another store
      await server.query(
        settings.database,
        `TRUNCATE weft.resources, weft.log, weft.leases, weft.instances; UPDATE weft.counter SET seq = 0, chain_seq = 0, chain_hash = '', chain_signature = '';
         UPDATE weft.store SET id = gen_random_uuid(), checkpoint_seq = 0, checkpoint_hash = '', checkpoint_signature = '', history_key = ''`,
      )
      free.push(settings)
    },
  }
}
