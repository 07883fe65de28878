import type { Metrics } from '@weft/foundation/metrics'
import type { StreamEvents } from './stream-events.ts'

export interface AdsMetrics {
  sent(type: string, sizeBytes: number): void
  answered(type: string, result: 'ack' | 'nack'): void
  refused(reason: string): void
  forced(): void
}

/** Counters of all streams of one service. */
export function createAdsMetrics(metrics: Metrics, streams: () => number): AdsMetrics {
  metrics.gauge('xds_streams', 'Discovery streams that are open and authenticated.', [], streams)
  const responses = metrics.counter('xds_responses_total', 'Discovery responses sent.', ['type'])
  const bytes = metrics.counter('xds_response_bytes_total', 'Bytes of discovery responses sent.', ['type'])
  const answers = metrics.counter('xds_answers_total', 'ACKs and NACKs received.', ['type', 'result'])
  const refusals = metrics.counter('xds_refusals_total', 'Streams ended by the control plane, by reason.', ['reason'])
  const forced = metrics.counter('xds_listeners_forced_total', 'Listeners sent although a cluster they name was not accepted in time.')
  return {
    sent: (type, sizeBytes) => {
      responses.inc({ type })
      bytes.inc({ type }, sizeBytes)
    },
    answered: (type, result) => answers.inc({ type, result }),
    refused: (reason) => refusals.inc({ reason }),
    forced: () => forced.inc(),
  }
}

/** `events` with every event counted first. */
export function countEvents(metrics: AdsMetrics, events: StreamEvents): StreamEvents {
  return {
    onSent: (event) => {
      metrics.sent(event.type, event.sizeBytes)
      events.onSent?.(event)
    },
    onAck: (event) => {
      metrics.answered(event.type, 'ack')
      events.onAck?.(event)
    },
    onNack: (event) => {
      metrics.answered(event.type, 'nack')
      events.onNack?.(event)
    },
    onListenerForced: (listener, clusters) => {
      metrics.forced()
      events.onListenerForced?.(listener, clusters)
    },
    onClosed: (reason) => events.onClosed?.(reason),
  }
}
