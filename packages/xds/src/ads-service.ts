// The aggregated discovery service over grpc-js: authenticates every stream by its first request and hands it to a DeltaStream.
// Whatever one proxy sends ends at most its own stream.
import { status, type UntypedServiceImplementation } from '@grpc/grpc-js'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import { type ByteService, serviceDefinition } from '@weft/proto'
import { countEvents, createAdsMetrics } from './ads-metrics.ts'
import { type AdsCall, AdsSession, type Caller, endWith, type SessionLimits } from './ads-session.ts'
import type { StreamDelivery } from './delivery.ts'
import { DeltaStream } from './delta-stream.ts'
import type { StreamEvents } from './stream-events.ts'
import type { StreamLimits } from './stream-limits.ts'
import { createTurnQueue } from './turn-queue.ts'

export type AdsLimits = StreamLimits & SessionLimits

export interface AdsServiceOptions<Peer> {
  /**
   * Resolves to whatever `onStream` needs to know of the proxy. Rejects with an AppError whose message the proxy is shown: as UNAVAILABLE
   * when it is `token/keys-missing` or retryable, as RESOURCE_EXHAUSTED when it is
   * `budget/exhausted`, else as UNKNOWN. `signal` aborts when the proxy is gone.
   */
  readonly authenticate: (caller: Caller, signal: AbortSignal) => Promise<Peer>
  /** Takes over an authenticated stream; the handlers it returns hear of all that happens on it. A throw counts as a failed authentication. */
  readonly onStream: (stream: DeltaStream, peer: Peer, caller: Caller) => StreamEvents
  /** Shown by Envoy as control_plane.identifier. */
  readonly controlPlane: string
  /** Whether a new stream starts in recovery. */
  readonly retain?: (peer: Peer) => boolean
  readonly limits?: Partial<AdsLimits>
  /** Makes what follows how far a stream is. */
  readonly delivery?: (peer: Peer) => StreamDelivery
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

/** For a grpc-js server: `server.addService(ads.definition, ads.handlers)`. */
export interface AdsService {
  readonly definition: ByteService<'envoy.service.discovery.v3.AggregatedDiscoveryService'>
  readonly handlers: UntypedServiceImplementation
  /** Open, authenticated streams. */
  readonly streams: ReadonlySet<DeltaStream>
  /** Ends every stream with UNAVAILABLE, so that proxies look for another control plane, and refuses new ones. */
  stop(): void
}

const defaultLimits: SessionLimits = { maxRequestBytes: 4 << 20, firstRequestMs: 30_000, authenticateMs: 15_000 }
/** Milliseconds of sending after which other work gets its turn. */
const turnBudgetMs = 8
const stopping = 'the control plane is shutting down'

/** Options for the grpc-js server that carries this service. */
export const adsServerOptions = {
  'grpc.max_receive_message_length': defaultLimits.maxRequestBytes,
  'grpc.max_send_message_length': -1,
} as const

/** Serves delta discovery; the state-of-the-world variant answers UNIMPLEMENTED. */
export function createAdsService<Peer>(options: AdsServiceOptions<Peer>): AdsService {
  const { clock, log } = options
  const streams = new Set<DeltaStream>()
  const sessions = new Set<AdsSession>()
  const queue = createTurnQueue(clock, turnBudgetMs)
  const metrics = createAdsMetrics(options.metrics, () => streams.size)
  let stopped = false

  const serve = (call: AdsCall): void => {
    if (stopped) {
      endWith(call, status.UNAVAILABLE, stopping)
      return
    }
    const session = new AdsSession(call, {
      limits: { ...defaultLimits, ...options.limits },
      clock,
      log,
      open: async (caller, signal) => {
        const peer = await options.authenticate(caller, signal)
        signal.throwIfAborted()
        const stream = new DeltaStream({
          send: (response) => session.write(response),
          fail: (error) => session.fail(error),
          clock,
          queue,
          controlPlane: options.controlPlane,
          retain: options.retain?.(peer) ?? false,
          ...(options.limits === undefined ? {} : { limits: options.limits }),
          delivery: options.delivery?.(peer),
        })
        const events = countEvents(metrics, options.onStream(stream, peer, caller))
        stream.listen({
          ...events,
          onClosed: (reason) => {
            streams.delete(stream)
            events.onClosed?.(reason)
          },
        })
        streams.add(stream)
        return stream
      },
      onOver: (refusal) => {
        sessions.delete(session)
        if (refusal !== undefined) metrics.refused(refusal)
      },
    })
    sessions.add(session)
    session.start()
  }

  return {
    definition: serviceDefinition('envoy.service.discovery.v3.AggregatedDiscoveryService'),
    handlers: {
      DeltaAggregatedResources: serve,
      StreamAggregatedResources: (call: AdsCall) =>
        endWith(call, status.UNIMPLEMENTED, 'only delta discovery is served; the bootstrap has to say api_type DELTA_GRPC'),
    },
    streams,
    stop: () => {
      stopped = true
      for (const session of sessions) session.stop(stopping)
    },
  }
}
