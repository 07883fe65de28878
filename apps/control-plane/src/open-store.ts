// The store that the configuration names.
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import type { Registry } from '@weft/resources'
import { createMemoryStore, type DurableStore, loadHistoryKey, openEmbeddedStore, type PostgresSettings, type Store } from '@weft/store'
import type { PostgresStoreOptions } from '@weft/store/postgres'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type ControlPlaneConfig, workDirOf } from './config.ts'

/** A store, and what only durable ones have. */
export interface OpenedStore extends Partial<Pick<DurableStore, 'history' | 'backup'>> {
  readonly store: Store
}

export interface OpenStoreDeps {
  readonly registry: Registry
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  /** Waits for a database that is away; false by default. */
  readonly waits?: boolean
  /** Announces changes of a store on PostgreSQL. */
  readonly announcer?: PostgresStoreOptions['announcer']
}

/** Kinds whose specs are never kept or shown in clear outside of the state itself. */
export function confidentialTypes(registry: Registry): readonly string[] {
  return registry.all.filter((kind) => kind.isConfidential === true).map((kind) => kind.type)
}

/** Folder of the embedded store. */
export function storeFolder(config: ControlPlaneConfig): string {
  return join(workDirOf(config), 'store')
}

/** How to reach the database. */
export function postgresSettings({ store: { postgres } }: ControlPlaneConfig): PostgresSettings {
  const { host, port, user, password, dbName: database, connectionTimeout, maxOpenConnections, minOpenConnections, tls } = postgres
  return {
    host,
    port,
    user,
    password,
    database,
    connectTimeoutMs: connectionTimeout * 1000,
    maxConnections: maxOpenConnections === 0 ? Number.MAX_SAFE_INTEGER : maxOpenConnections,
    minConnections: minOpenConnections,
    tls,
  }
}

/** Opens it, or makes it. Errors as the driver's. */
export async function openStore(
  config: ControlPlaneConfig,
  { registry, waits = false, announcer, ...deps }: OpenStoreDeps,
): Promise<OpenedStore> {
  if (config.store.type === 'memory') return { store: createMemoryStore(deps) }
  const { maxEntries, maxAge } = config.weft.history
  const options = { ...deps, retention: { maxEntries, maxAgeMs: maxAge }, sealedTypes: confidentialTypes(registry) }
  const dir = storeFolder(config)
  const store =
    config.store.type === 'embedded'
      ? await openEmbeddedStore({ ...options, dir })
      : await openPostgres(config, { ...options, waits, ...(announcer ? { announcer } : {}) })
  return { store, history: store.history, backup: store.backup }
}

async function openPostgres(config: ControlPlaneConfig, options: Omit<PostgresStoreOptions, 'settings' | 'key'>): Promise<DurableStore> {
  const dir = storeFolder(config)
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const { openPostgresStore } = await import('@weft/store/postgres')
  return openPostgresStore({
    ...options,
    settings: postgresSettings(config),
    key: loadHistoryKey(join(dir, 'history.key')),
    tolerateNewerSchema: config.store.postgres.tolerateNewerDBVersions,
  })
}
