// The store of a single control plane: memory in front, SQLite (WAL) behind. A desired transaction is on disk (fsync) before it is seen;
// observed ones follow in the next turn of the event loop, coalesced per key. One process at a time holds the folder.
import { randomUUID } from 'node:crypto'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import { backupOf } from './backup.ts'
import { createStoreCore } from './core.ts'
import type { DurableStore } from './durable.ts'
import { createLocalLeases } from './local-leases.ts'
import type { HistoryRetention } from './retention.ts'
import { openDatabase } from './sqlite-database.ts'
import { createSqliteMedium } from './sqlite-medium.ts'

export interface EmbeddedStoreOptions {
  /** Folder of the database; made when missing, readable by the owner only. */
  readonly dir: string
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  /** Desired changes kept for history: 100,000, however old, by default. */
  readonly retention?: Partial<HistoryRetention>
  /** Kinds whose specs are sealed in the history. */
  readonly sealedTypes?: Iterable<string>
}

/**
 * Opens, or makes, the store in a folder and loads it into memory.
 * Errors: store/locked when another process has it open (details.pid when known), store/unavailable when the files cannot be used.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<DurableStore> {
  const { dir, clock, log, metrics } = options
  const sealedTypes = new Set(options.sealedTypes)
  const { database, key } = openDatabase({ dir, makeId: randomUUID, sealedTypes })
  const retention = { maxEntries: 100_000, maxAgeMs: 0, ...options.retention }
  const medium = createSqliteMedium({ database, clock, log, metrics, retention })
  const store = createStoreCore({
    id: database.id,
    seq: database.seq,
    resources: database.load(),
    clock,
    log,
    metrics,
    medium,
    leases: createLocalLeases({ clock, epochs: database.epochs(), save: medium.saveEpoch }),
  })
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
    close: store.close,
    history: database.history,
    backup: backupOf(store, { clock, sealedTypes, key }),
  }
}
