// The store that keeps nothing beyond the process: for tests, demos and control planes whose state comes from elsewhere.
import { randomUUID } from 'node:crypto'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import type { Store } from './contract.ts'
import { createStoreCore } from './core.ts'
import { createLocalLeases } from './local-leases.ts'

export interface MemoryStoreOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  /** A fresh random id by default. */
  readonly id?: string
  /** Bounds of the change log; older changes make `watch` throw store/compacted. */
  readonly maxLogEntries?: number
  readonly maxLogAgeMs?: number
}

/** An empty store in memory. Transactions are applied before `transact` returns, unless called from a listener. */
export function createMemoryStore(options: MemoryStoreOptions): Store {
  return createStoreCore({ ...options, id: options.id ?? randomUUID(), seq: 0, resources: [], leases: createLocalLeases(options) })
}
