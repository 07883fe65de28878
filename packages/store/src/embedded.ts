// The store of a single control plane: memory in front, SQLite (WAL) behind. A desired transaction is on disk (fsync) before it is seen;
// observed ones follow within 100 ms, coalesced per key. One process at a time holds the folder.
import { randomUUID } from 'node:crypto'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import type { ResourceKey } from '@weft/resources'
import type { Change, Store } from './contract.ts'
import { createStoreCore } from './core.ts'
import { openDatabase } from './sqlite-database.ts'
import { createSqliteMedium } from './sqlite-medium.ts'

export interface EmbeddedStoreOptions {
  /** Folder of the database; made when missing, readable by the owner only. */
  readonly dir: string
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  /** Desired changes kept for history; 100,000 by default. */
  readonly maxHistory?: number
}

export interface HistoryQuery {
  readonly key?: ResourceKey
  /** Only changes after this sequence number. */
  readonly afterSeq?: number
  /** 100 by default. */
  readonly limit?: number
}

/** One logged change of class desired, or the key of an observed one. */
export interface HistoryEntry extends Omit<Change, 'before' | 'after'> {
  /** Labels, spec and status as written; absent for deletes and observed changes. */
  readonly body?: unknown
}

export interface EmbeddedStore extends Store {
  /** Logged changes in order, oldest first. Observed ones are pruned after minutes. */
  history(query?: HistoryQuery): readonly HistoryEntry[]
}

/**
 * Opens, or makes, the store in a folder and loads it into memory.
 * Errors: store/locked when another process has it open (details.pid when known), store/unavailable when the files cannot be used.
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const database = openDatabase(options.dir, randomUUID)
  const { clock, log } = options
  const medium = createSqliteMedium({ database, clock, log, metrics: options.metrics, maxHistory: options.maxHistory ?? 100_000 })
  const store = createStoreCore({
    id: database.id,
    seq: database.seq,
    resources: database.load(),
    clock,
    log,
    metrics: options.metrics,
    medium,
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
    close: store.close,
    history: (query = {}) => database.history(query),
  }
}
