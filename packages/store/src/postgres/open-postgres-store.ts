// The store of control planes that share a PostgreSQL database: memory in front, the change log of the database behind.
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import { backupOf } from '../backup.ts'
import type { DurableStore } from '../durable.ts'
import { createHistoryBodies } from '../history-bodies.ts'
import type { HistoryKey } from '../history-key.ts'
import type { HistoryRetention } from '../retention.ts'
import { createJointCore } from '../joint-core.ts'
import { whenReachable } from '../when-reachable.ts'
import { asUnavailable } from './failures.ts'
import { createPostgresJournal, loadAll } from './journal.ts'
import { createPostgresLeases } from './leases.ts'
import { checkSchema, schemaStatus } from './migrate.ts'
import { createPostgresHistory, isKeyOfStore } from './history.ts'
import { createPruning } from './pruning.ts'
import { createConnections, type PostgresSettings, statementTimeoutOf } from './settings.ts'
import { createWakeUp, type StoreAnnouncer } from './wake-up.ts'

export interface PostgresStoreOptions {
  readonly settings: PostgresSettings
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  /** Accepts a schema that a newer program made. */
  readonly tolerateNewerSchema?: boolean
  /** Desired changes kept for history: 100,000, however old, by default. */
  readonly retention?: Partial<HistoryRetention>
  /** Seals values in the history and signs its ends: the same one for every control plane on the database. */
  readonly key: HistoryKey
  /** Kinds whose specs are sealed in the history. */
  readonly sealedTypes?: Iterable<string>
  /** Waits for a database that is away; false by default. */
  readonly waits?: boolean
  /** Makes another way, beside the notifications of the database, by which the instances of this store tell each other of changes. */
  readonly announcer?: (storeId: string) => StoreAnnouncer
}

/**
 * Opens the store in a database that `migrateUp` has prepared and loads it into memory. From then on it survives the loss of the database.
 * Errors: store/schema-outdated, store/schema-too-new, store/unavailable when the database cannot be used (not retryable when waiting does
 * not help, and only so with `waits`), config/unreadable.
 */
export function openPostgresStore(options: PostgresStoreOptions): Promise<DurableStore> {
  return options.waits === true ? whenReachable(() => openNow(options), options) : openNow(options)
}

async function openNow(options: PostgresStoreOptions): Promise<DurableStore> {
  const { settings, clock, log, key } = options
  const connections = createConnections(settings)
  const { pool } = connections
  // a renewal must not wait behind queries, however many there are
  const leasePool = createConnections({ ...settings, maxConnections: 1, minConnections: 0 }).pool
  // a connection that breaks while nobody uses it: the next use makes another
  for (const each of [pool, leasePool])
    each.on('error', (error) => log.debug({ err: error.message }, 'an idle connection to the database ended'))
  try {
    checkSchema(await schemaStatus(pool), { database: settings.database, tolerateNewer: options.tolerateNewerSchema ?? false })
    const loaded = await loadAll(pool)
    const { id } = loaded
    const sealedTypes = new Set(options.sealedTypes)
    const bodies = createHistoryBodies({ id, key, sealedTypes })
    if (!(await isKeyOfStore(pool, key))) log.warn({ component: 'store' }, foreignKey)
    const pruning = createPruning({ pool, clock, log, id, key, retention: { maxEntries: 100_000, maxAgeMs: 0, ...options.retention } })
    const leases = createPostgresLeases({ pool: leasePool, asUnavailable: (error) => asUnavailable(error, settings) })
    const announcer = options.announcer?.(id)
    const store = createJointCore({
      ...loaded,
      clock,
      log,
      metrics: options.metrics,
      journal: createPostgresJournal({ pool, id, key, bodies, log, chain: loaded.chain, statementTimeoutMs: statementTimeoutOf(settings) }),
      leases,
      onCommitted: (seq) => {
        pruning.committed(seq)
        announcer?.announce(seq)
      },
    })
    const wakeUp = createWakeUp({
      client: connections.client,
      pool,
      clock,
      log,
      onHeard: store.heard,
      onOther: leases.heard,
      onDoubt: store.check,
      announcer,
    })
    await wakeUp.start()
    return {
      id: store.id,
      get seq() {
        return store.seq
      },
      get: store.get,
      list: store.list,
      transact: store.transact,
      watch: store.watch,
      leases: store.leases,
      history: createPostgresHistory({ pool, id, key, bodies }),
      backup: backupOf(store, { clock, sealedTypes, key }),
      close: async () => {
        await wakeUp.stop()
        await pruning.settled()
        await store.close()
        await leases.close()
      },
    }
  } catch (error) {
    await Promise.allSettled([pool.end(), leasePool.end()])
    throw asUnavailable(error, settings)
  }
}

const foreignKey =
  'the history key of this process is not the one of the database: secrets that others wrote cannot be rolled back here, and the chain will not verify; copy history.key from where it was made'
