// Figures of both ends of sync. Labels are types and outcomes only.
import type { Metrics } from '@weft/foundation/metrics'
import type { CutReason } from './reader-watch.ts'

/** What became of a response. */
export type ResponseOutcome = 'sent' | 'acknowledged' | 'rejected'

/** Counts of one end. */
export interface SyncMetrics {
  /** A response of ours. */
  response(type: string, outcome: ResponseOutcome): void
  /** A response of the peer was applied; `refused` resources of it were not. */
  applied(type: string, ms: number, refused: number): void
  /** The peer was cut off because it does not read. */
  cutOff(reason: CutReason): void
  /** What is held of a type was found to differ from what the peer sends. */
  drifted(type: string): void
}

/** Metrics of one end; without a registry they go nowhere. */
export function createSyncMetrics(metrics: Metrics | undefined, known: (type: string) => boolean): SyncMetrics {
  const responses = metrics?.counter('kds_responses_total', 'Sync responses of this control plane by what became of them.', [
    'type',
    'result',
  ])
  const applies = metrics?.histogram('kds_apply_seconds', 'Time to bring the store to what one sync response says.', ['type'])
  const refusals = metrics?.counter('kds_refused_resources_total', 'Resources of peers that could not be accepted.', ['type'])
  const drifts = metrics?.counter(
    'kds_drifts_total',
    'Types that were found to differ from what the peer sends, and were asked for again.',
    ['type'],
  )
  const cutOffs = metrics?.counter('kds_slow_readers_total', 'Peers that were cut off because they take or answer nothing.', ['reason'])
  // peers choose type names, and labels must stay few
  const label = (type: string): string => (known(type) ? type : 'unknown')
  return {
    response: (type, outcome) => responses?.inc({ type: label(type), result: outcome }),
    cutOff: (reason) => cutOffs?.inc({ reason }),
    drifted: (type) => drifts?.inc({ type: label(type) }),
    applied: (type, ms, refused) => {
      applies?.observe(ms / 1000, { type: label(type) })
      if (refused > 0) refusals?.inc({ type: label(type) }, refused)
    },
  }
}
