// Metrics of a store: how long transactions take and how they end, what they change, and how much is held.
import { hasCode } from '@weft/foundation/errors'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import type { Change, WriteContext } from './contract.ts'

export interface StoreMetrics {
  changes(changes: readonly Change[]): void
  /** `since` is a monotonic time; the wait in the queue counts. */
  finished(context: WriteContext, since: number, result: string): void
}

export interface StoreGauges {
  readonly clock: Clock
  resources(): number
  logEntries(): number
  queued(): number
}

/** Metrics in the registry given, or a stand-in that does nothing. */
export function createStoreMetrics(metrics: Metrics | undefined, gauges: StoreGauges): StoreMetrics {
  if (!metrics) return { changes: () => {}, finished: () => {} }
  const duration = metrics.histogram('store_transaction_duration_seconds', 'Time from the call to durable and announced.', [
    'class',
    'result',
  ])
  const changed = metrics.counter('store_changes_total', 'Changes applied.', ['class', 'op'])
  metrics.gauge('store_resources', 'Resources held.', [], gauges.resources)
  metrics.gauge('store_log_entries', 'Changes held in memory for watchers.', [], gauges.logEntries)
  metrics.gauge('store_queued_transactions', 'Transactions that wait for the medium.', [], gauges.queued)
  return {
    changes: (changes) => {
      for (const change of changes) changed.inc({ class: change.class, op: change.op })
    },
    finished: (context, since, result) => duration.observe((gauges.clock.monotonic() - since) / 1000, { class: context.class, result }),
  }
}

/** How a transaction ended, as a label. */
export function resultOf(error: unknown): string {
  if (hasCode(error, 'store/conflict') || hasCode(error, 'store/already-exists')) return 'conflict'
  return hasCode(error, 'store/unavailable') ? 'unavailable' : 'refused'
}
