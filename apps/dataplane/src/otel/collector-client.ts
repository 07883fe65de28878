// OTLP over gRPC to one collector.
import { Client, credentials, Metadata, status } from '@grpc/grpc-js'
import { messageOf } from '@weft/foundation/errors'
import { numberField, objectField, textField } from '@weft/foundation/json'
import { exportResponse } from './otlp-schema.ts'

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

const method = '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'
/** As OpenTelemetry's own exporters. */
const timeoutMs = 10_000

/** A sender to a target as gRPC writes it: `host:port` or `unix:/path`. Connects at the first request. */
export function createMetricSender(target: string): MetricSender {
  const client = new Client(target, credentials.createInsecure(), {
    // we come back at our own intervals, and then it should be tried
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1_000,
    'grpc.enable_http_proxy': 0,
    'grpc.use_local_subchannel_pool': 1,
  })
  return {
    send: (request) =>
      new Promise((done, fail) => {
        client.makeUnaryRequest(
          method,
          (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
          readResult,
          request,
          new Metadata(),
          { deadline: Date.now() + timeoutMs },
          (error, result) => {
            if (error) fail(new Error(`${status[error.code] ?? error.code}: ${error.details || messageOf(error)}`))
            else done(result ?? { rejected: 0, reason: '' })
          },
        )
      }),
    close: () => client.close(),
  }
}

/** An answer that cannot be read says at least that the request arrived. */
function readResult(bytes: Buffer): ExportResult {
  try {
    const answer: unknown = exportResponse.toObject(exportResponse.decode(bytes), { longs: Number })
    const partial = objectField(answer, 'partialSuccess')
    return { rejected: numberField(partial, 'rejectedDataPoints'), reason: textField(partial, 'errorMessage') }
  } catch {
    return { rejected: 0, reason: '' }
  }
}
