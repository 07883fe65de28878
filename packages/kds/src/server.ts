// The end of sync at a global control plane: serves KDSSyncService and GlobalKDSService (contract/kds.md section 17.A). Event-driven: a change
// of the store is on its way to every zone in the same turn.
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { type Clock, timestamp } from '@weft/foundation/time'
import { codec, serviceDefinition } from '@weft/proto'
import { displayName, isSentToGlobal, labelKeys, type Registry, type Resource, type ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import { createAdminBroker } from './admin-broker.ts'
import { adminCodecs, adminMethods } from './admin-messages.ts'
import { createChangeFeed } from './change-feed.ts'
import type { AdminKind, AdmitZone, KdsServer, ZoneStatusRecorder, ZoneStream } from './contract.ts'
import type { MassDeleteGuard } from './delta-receiver.ts'
import { removeHeld } from './held.ts'
import { createGlobalOutgoing } from './outgoing-to-zone.ts'
import { hasKubernetesStore, type Self } from './peer.ts'
import {
  admitCall,
  type ByteCall,
  type CallFacts,
  callFacts,
  greeting,
  runStream,
  type ServerStream,
  type StreamHandler,
} from './server-stream.ts'
import { openGlobalToZone, openZoneToGlobal, type SyncContext } from './server-sync.ts'
import { createSyncMetrics } from './sync-metrics.ts'
import { maxMessageBytes } from './wire.ts'
import { watchDependencies } from './filter-dependencies.ts'
import { openPings } from './ping.ts'
import { createTrustBoard } from './trust-spread.ts'
import { createZoneBoard } from './zone-board.ts'
import { defaultLiveness, type LivenessSettings } from './zone-liveness.ts'
import { createZoneRecords } from './zone-records.ts'

/** What a global needs to sync. */
export interface KdsServerOptions {
  readonly store: Store
  readonly registry: Registry
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  readonly recorder: ZoneStatusRecorder
  readonly admit: AdmitZone
  readonly self: Omit<Self, 'storeId'>
  /** Interface to listen on. */
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** PEM texts; absent serves plaintext. */
  readonly tls?: { readonly certificate: string | Buffer; readonly key: string | Buffer }
  readonly systemNamespace: string
  /** Label prefixes that are not sent to zones. */
  readonly skipPrefixes: readonly string[]
  /** How often zones have to be heard; every 2 s by default. Stock zones are asked to check their health as often. */
  readonly liveness?: LivenessSettings
  readonly massDelete: MassDeleteGuard
  /**
   * Whether a MeshTrust that a zone sent reaches the other zones: a new root of it is then used only when they trust it. Default: none does.
   */
  isTrustShared?(trust: Resource): boolean
}

const syncService = serviceDefinition.bind(undefined, 'kuma.mesh.v1alpha1.KDSSyncService')
const peerService = serviceDefinition.bind(undefined, 'weft.sync.v1.PeerService')
const adminService = serviceDefinition.bind(undefined, 'kuma.mesh.v1alpha1.GlobalKDSService')

/** Makes the server; nothing listens before `start`. */
export function createKdsServer(options: KdsServerOptions): KdsServer {
  const { store, clock, registry, recorder } = options
  const log = options.log.child({ component: 'kds.server' })
  const self: Self = { ...options.self, storeId: store.id }
  const records = createZoneRecords({ store, clock, log, recorder })
  const settings = options.liveness ?? defaultLiveness
  const board = createZoneBoard({
    store,
    clock,
    log,
    recorder,
    settings,
    connected: () => records.connected(),
    ...(options.metrics ? { metrics: options.metrics } : {}),
  })
  const broker = createAdminBroker(clock)
  const healthAnswers = codec('kuma.mesh.v1alpha1.ZoneHealthCheckResponse')
  let server: Server | undefined
  let closeFeed = (): void => {}
  let port = 0

  const admitted = async (call: ByteCall | ServerUnaryCall<Buffer, Uint8Array>): Promise<CallFacts> => {
    const facts = callFacts(call)
    const refusal = await admitCall(call, facts, options.admit)
    if (refusal === undefined) return facts
    log.warn({ zone: facts.zone, peer: facts.peerAddress, reason: refusal }, 'kds zone refused')
    throw new AppError('kds/unauthenticated', refusal)
  }
  const serve = (name: ZoneStream | 'ping', open: (stream: ServerStream) => StreamHandler) => (call: ByteCall) => {
    admitted(call).then(
      (facts) => {
        if (call.cancelled) return
        call.sendMetadata(greeting(store.id))
        runStream(call, {
          facts,
          log: log.child({ zone: facts.zone, stream: name }),
          open: (stream) => board.follow(stream, name, open(stream)),
        })
      },
      (error: unknown) => call.emit('error', refusalStatus(error)),
    )
  }
  const serveSync = (name: ZoneStream, context: SyncContext, open: (stream: ServerStream, context: SyncContext) => StreamHandler) =>
    serve(name, (stream) => {
      void ensureZone(stream.zone, options, log)
      return open(stream, context)
    })
  const serveAdmin = (kind: AdminKind) =>
    serve(kind, (stream) => {
      const release = records.opened(stream, kind)
      const disconnect = broker.connected(stream.zone, kind, stream)
      return {
        data: (bytes) => broker.answered(adminCodecs[kind].decodeAnswer(bytes), stream),
        closed: () => {
          disconnect()
          release()
        },
      }
    })
  const servePings = serve('ping', (stream) =>
    openPings(stream, {
      liveness: board.liveness,
      journal: board.journal(stream.zone),
      monotonic: () => clock.monotonic(),
      roundTrip: (ms) => board.roundTrip(stream.zone, ms),
      reachability: (row) => board.reachability(stream.zone, row),
    }),
  )
  const healthCheck = (call: ServerUnaryCall<Buffer, Uint8Array>, respond: sendUnaryData<Uint8Array>): void => {
    admitted(call).then(
      (facts) => {
        board.liveness.heard(facts.zone, facts.peerAddress)
        recorder.healthChecked(facts.zone, timestamp(clock.now()))
        const ms = settings.intervalMs
        respond(null, healthAnswers.encode({ interval: { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 } }))
      },
      (error: unknown) => respond(refusalStatus(error)),
    )
  }

  return {
    name: 'kds-server',
    get port() {
      return port
    },
    start: async () => {
      const feed = createChangeFeed(store, log)
      const trustBoard = createTrustBoard({ store, feed, isShared: (trust) => options.isTrustShared?.(trust) ?? false })
      closeFeed = () => {
        trustBoard.close()
        feed.close()
      }
      const context: SyncContext = {
        options,
        self,
        feed,
        records,
        trustBoard,
        board,
        metrics: createSyncMetrics(options.metrics, (type) => registry.get(type) !== undefined),
        outgoing: createGlobalOutgoing({
          registry,
          store,
          log,
          systemNamespace: options.systemNamespace,
          skipPrefixes: options.skipPrefixes,
        }),
        consumed: registry.all.filter(isSentToGlobal).map((kind) => kind.type),
        onDependency: (listener) => watchDependencies({ feed, registry, store, listener }),
      }
      server = new Server({
        'grpc.max_receive_message_length': maxMessageBytes,
        'grpc.max_send_message_length': maxMessageBytes,
        'grpc.keepalive_time_ms': 10_000,
        'grpc.keepalive_timeout_ms': 5_000,
        'grpc.max_concurrent_streams': 1_000,
      })
      server.addService(syncService(), {
        GlobalToZoneSync: serveSync('globalToZone', context, openGlobalToZone),
        ZoneToGlobalSync: serveSync('zoneToGlobal', context, openZoneToGlobal),
      })
      server.addService(peerService(), { Ping: servePings })
      server.addService(adminService(), {
        [adminMethods.configDump]: serveAdmin('configDump'),
        [adminMethods.stats]: serveAdmin('stats'),
        [adminMethods.clusters]: serveAdmin('clusters'),
        HealthCheck: healthCheck,
      })
      port = await bind(server, options)
      log.info({ port, tls: options.tls !== undefined }, 'kds server listens')
    },
    stop: async () => {
      records.endAll(status.UNAVAILABLE, 'the control plane is stopping')
      broker.close()
      board.close()
      closeFeed()
      const stopping = server
      server = undefined
      if (!stopping) return
      // streams have their status; what is left of connections must not delay the stop
      await new Promise<void>((resolve) => {
        const deadline = clock.after(500, () => stopping.forceShutdown())
        stopping.tryShutdown(() => {
          deadline.cancel()
          resolve()
        })
      })
    },
    ready: () => server !== undefined,
    zones: () => records.connected(),
    status: () => board.status(),
    liveness: (zone) => board.livenessOf(zone),
    reachability: () => board.rows(),
    ask: (zone, kind, proxy, askOptions = {}) => {
      const namespace = hasKubernetesStore(records.description(zone)?.config ?? '') ? proxy.labels[labelKeys.namespace] : undefined
      const name = namespace ? `${displayName(proxy)}.${namespace}` : displayName(proxy)
      return broker.ask({ zone, kind, type: proxy.type, name, mesh: proxy.mesh, options: askOptions })
    },
    held: () => records.held(),
    approveRemoval: (origin, type) =>
      removeHeld({ store, ledger: records.ledger(origin), actor: `zone:${origin}`, ...(type === undefined ? {} : { type }) }),
  }
}

function refusalStatus(error: unknown): { readonly code: status; readonly details: string } {
  const details = messageOf(error)
  if (!hasCode(error, 'kds/unauthenticated')) return { code: status.UNAVAILABLE, details }
  // stock zones send no name only by mistake; the code is the one they expect then
  return { code: details.includes('metadata') ? status.INVALID_ARGUMENT : status.UNAUTHENTICATED, details }
}

async function bind(server: Server, { host, port, tls }: KdsServerOptions): Promise<number> {
  const credentials = tls
    ? ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(tls.certificate), private_key: Buffer.from(tls.key) }], false)
    : ServerCredentials.createInsecure()
  return await new Promise((resolve, reject) => {
    server.bindAsync(`${host.includes(':') ? `[${host}]` : host}:${port}`, credentials, (error, bound) => {
      if (error)
        reject(new AppError('process/port-taken', `cannot listen on ${host}:${port} for zones: ${error.message}`, { cause: error }))
      else resolve(bound)
    })
  })
}

/** A zone that connects exists from then on (contract/kds.md section 4.2). */
async function ensureZone(name: string, { store }: KdsServerOptions, log: Logger): Promise<void> {
  const key: ResourceKey = { type: 'Zone', mesh: '', name }
  if (store.get(key)) return
  try {
    await store.transact([{ op: 'put', resource: { ...key, labels: {}, spec: { enabled: true } }, expect: 'absent' }], {
      actor: `zone:${name}`,
      reason: 'kds',
      class: 'desired',
    })
    log.info({ zone: name }, 'kds zone created')
  } catch (error) {
    // both streams of a zone come at once
    if (!hasCode(error, 'store/already-exists')) log.error({ zone: name, err: messageOf(error) }, 'kds zone cannot be created')
  }
}
