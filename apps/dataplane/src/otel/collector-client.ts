// Metrics to one collector: what it says of them is read, all else is the connection's matter.
import { numberField, objectField, textField } from '@weft/foundation/json'
import { type CollectorConnection, connectCollector } from './collector-connection.ts'
import { exportResponse } from './otlp-schema.ts'
import type { Destination } from './signal-plan.ts'

/** What a collector took. */
export interface ExportResult {
  /** Data points it refused, and why. */
  readonly rejected: number
  readonly reason: string
}

export interface MetricSender {
  /** Sends one encoded request. Rejects when it did not arrive, with a reason for people. */
  send(request: Uint8Array): Promise<ExportResult>
  close(): void
}

/** A sender to a destination. Connects at the first request. Throws a plain Error when a file of certificates cannot be read. */
export function createMetricSender(to: Destination): MetricSender {
  const connection: CollectorConnection = connectCollector(to)
  return {
    send: async (request) => readResult(await connection.send('metrics', request)),
    close: () => connection.close(),
  }
}

/** An answer that cannot be read says at least that the request arrived. */
function readResult(bytes: Uint8Array): ExportResult {
  try {
    const answer: unknown = exportResponse.toObject(exportResponse.decode(bytes), { longs: Number })
    const partial = objectField(answer, 'partialSuccess')
    return { rejected: numberField(partial, 'rejectedDataPoints'), reason: textField(partial, 'errorMessage') }
  } catch {
    return { rejected: 0, reason: '' }
  }
}
