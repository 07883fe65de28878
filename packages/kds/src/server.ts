// The end of sync at a global control plane: serves KDSSyncService and GlobalKDSService (contract/kds.md section 17.A). Event-driven: a change
// of the store is on its way to every zone in the same turn.
import { Server, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import { type Attempts, uncountedAttempts } from '@weft/foundation/budget'
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { SilenceWatch } from '@weft/foundation/net'
import { type Clock, timestamp } from '@weft/foundation/time'
import { codec, serviceDefinition } from '@weft/proto'
import { displayName, isSentToGlobal, isSentToZones, labelKeys, type Registry, type Resource, type ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import { createClaimLog } from './attribution.ts'
import { createAdminBroker } from './admin-broker.ts'
import { adminCodecs, adminMethods } from './admin-messages.ts'
import { createChangeFeed } from './change-feed.ts'
import { type ChangeProgress, createChangeProgress } from './change-progress.ts'
import type { AdminKind, Admitted, AdmitZone, KdsServer, LeftOut, ZoneStatusRecorder, ZoneStream } from './contract.ts'
import type { MassDeleteGuard } from './mass-delete-guard.ts'
import { approveHeld, rejectHeld } from './held.ts'
import { followAdmissions, type LiveAdmissions } from './live-admissions.ts'
import { createRefusalLog } from './refusal-log.ts'
import { leftOutFor } from './left-out.ts'
import { clusterIdIn } from './global-pin.ts'
import { createGlobalOutgoing } from './outgoing-to-zone.ts'
import { hasKubernetesStore, type Self } from './peer.ts'
import { gateStream } from './session-gate.ts'
import {
  admitRequest,
  type ByteCall,
  type CallFacts,
  callFacts,
  greeting,
  runStream,
  type ServerStream,
  type StreamHandler,
} from './server-stream.ts'
import { openGlobalToZone, openZoneToGlobal, type SyncContext } from './server-sync.ts'
import { defaultReaderLimits, type ReaderLimits } from './reader-watch.ts'
import { createSharedSessions } from './shared-sessions.ts'
import { createSyncMetrics } from './sync-metrics.ts'
import { maxMessageBytes } from './wire.ts'
import { watchDependencies } from './filter-dependencies.ts'
import { openPings } from './ping.ts'
import { createTrustBoard } from './trust-spread.ts'
import { createZoneBoard } from './zone-board.ts'
import { defaultLiveness, type LivenessSettings } from './zone-liveness.ts'
import { createZonePort, keepaliveOptions, type ZonePort, type ZonePortTls } from './zone-port.ts'
import { createZoneRecords } from './zone-records.ts'
import { createZoneSessions } from './zone-sessions.ts'

/** What a global needs to sync. */
export interface KdsServerOptions {
  readonly store: Store
  readonly registry: Registry
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  readonly recorder: ZoneStatusRecorder
  readonly admit: AdmitZone
  /** Looks at no more tokens of an address that showed too many bad ones; streams that are open stay. Default: always looks. */
  readonly attempts?: Attempts
  readonly self: Omit<Self, 'storeId'>
  /** Interface to listen on. */
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Absent serves plaintext. */
  readonly tls?: ZonePortTls
  readonly systemNamespace: string
  /** Label prefixes that are not sent to zones. */
  readonly skipPrefixes: readonly string[]
  /** How often zones have to be heard; every 2 s by default. Stock zones are asked to check their health as often. */
  readonly liveness?: LivenessSettings
  readonly massDelete: MassDeleteGuard
  /** What a zone that reads slowly, or not at all, may cost before it is cut off. */
  readonly readers?: ReaderLimits
  /** Finds half-open connections of zones; its own by default. */
  readonly silence?: SilenceWatch
  /** The store, and with it the cluster id, outlives a restart: zones belong to this global for good. Default: it does not. */
  readonly clusterLasts?: boolean
  /**
   * Whether a MeshTrust that a zone sent reaches the other zones: a new root of it is then used only when they trust it. Default: none does.
   */
  isTrustShared?(trust: Resource): boolean
  /** Other replicas of this global. Default: there are none. */
  readonly replicas?: {
    isLiving(instanceId: string): boolean
    /** Asks one whether a zone answers it. */
    isAnswering(instanceId: string, zone: string): Promise<boolean>
  }
}

const syncService = serviceDefinition.bind(undefined, 'kuma.mesh.v1alpha1.KDSSyncService')
const peerService = serviceDefinition.bind(undefined, 'weft.sync.v1.PeerService')
const adminService = serviceDefinition.bind(undefined, 'kuma.mesh.v1alpha1.GlobalKDSService')

/** Makes the server; nothing listens before `start`. */
export function createKdsServer(options: KdsServerOptions): KdsServer {
  const { store, clock, registry, recorder, attempts = uncountedAttempts } = options
  const log = options.log.child({ component: 'kds.server' })
  const self: Self = { ...options.self, storeId: store.id }
  const { replicas } = options
  const { instanceId } = options.self
  const shared = replicas && createSharedSessions({ store, log, instanceId, isAnswering: replicas.isAnswering })
  const sessions = createZoneSessions({
    clock,
    log,
    shared,
    ping: async (peer, limitMs) => (await zonePort?.connection(peer)?.ping(limitMs)) ?? false,
  })
  const records = createZoneRecords({ store, clock, log, recorder, duplicate: (zone) => sessions.duplicate(zone) })
  const settings = options.liveness ?? defaultLiveness
  const board = createZoneBoard({
    store,
    clock,
    log,
    recorder,
    settings,
    connected: () => records.connected(),
    duplicate: (zone) => sessions.duplicate(zone),
    isLivingElsewhere: (zone) => {
      const elsewhere = shared?.elsewhere(zone)
      return elsewhere && replicas?.isLiving(elsewhere.replica)
    },
    ...(options.metrics ? { metrics: options.metrics } : {}),
  })
  const broker = createAdminBroker(clock)
  const metrics = createSyncMetrics(options.metrics, (type) => registry.get(type) !== undefined)
  const healthAnswers = codec('kuma.mesh.v1alpha1.ZoneHealthCheckResponse')
  const refusals = createRefusalLog(log)
  let server: Server | undefined
  let zonePort: ZonePort | undefined
  let admissions: LiveAdmissions | undefined
  let changes: ChangeProgress | undefined
  let closeFeed = (): void => {}
  let port = 0

  const enter = async (call: ByteCall | ServerUnaryCall<Buffer, Uint8Array>): Promise<Entered> => {
    const facts = callFacts(call)
    const connection = zonePort?.connection(facts.peerAddress)
    if (!connection || !admissions) throw new AppError('kds/not-connected', 'the connection is closed')
    const request = admitRequest(call, facts, connection)
    const { authorization } = request
    const decision = await attempts.check({ address: connection.peerHost, credentials: authorization }, async () => {
      const decided = await options.admit(request)
      if (decided.admitted) return decided
      refusals.tell(facts, decided.reason)
      throw new AppError(decided.later ? 'token/keys-missing' : 'kds/unauthenticated', decided.reason)
    })
    connection.admitted()
    refusals.forget(facts.zone)
    return { facts, admitted: decision, follow: (end) => admissions?.follow(request, decision, end) ?? (() => {}) }
  }
  const serve = (name: ZoneStream | 'ping', open: (stream: ServerStream) => StreamHandler) => (call: ByteCall) => {
    enter(call).then(
      ({ facts, admitted, follow }) => {
        if (call.cancelled) return
        const opened = (stream: ServerStream): StreamHandler => {
          call.sendMetadata(greeting({ storeId: store.id, clusterId: clusterIdIn(store) ?? '', lasts: options.clusterLasts ?? false }))
          return board.follow(stream, name, open(stream))
        }
        runStream(call, {
          facts,
          admitted,
          log: log.child({ zone: facts.zone, stream: name }),
          clock,
          limits: options.readers ?? defaultReaderLimits,
          cutOff: (cutOff) => {
            metrics.cutOff(cutOff.reason)
            board.journal(facts.zone).cutOff(name, cutOff)
            // the status waits behind what is not read
            if (cutOff.reason !== 'unanswered') zonePort?.connection(facts.peerAddress)?.drop()
          },
          open: (stream) => endWhenRefused(stream, gateStream(stream, { sessions, name, open: () => opened(stream) }), follow),
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
      progressed: (progress) => changes?.reported(stream.zone, progress),
    }),
  )
  const healthCheck = (call: ServerUnaryCall<Buffer, Uint8Array>, respond: sendUnaryData<Uint8Array>): void => {
    enter(call).then(
      ({ facts }) => {
        if (sessions.isCurrent(facts.zone, facts.peerAddress)) {
          board.liveness.heard(facts.zone, facts.peerAddress)
          recorder.healthChecked(facts.zone, timestamp(clock.now()))
        }
        const ms = settings.intervalMs
        respond(null, healthAnswers.encode({ interval: { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 } }))
      },
      (error: unknown) => respond(refusalStatus(error)),
    )
  }

  const decide = async (origin: string | undefined, work: (origin: string) => Promise<number>): Promise<number> => {
    const origins = [...new Set(records.held().map((held) => held.origin))].filter((known) => origin === undefined || known === origin)
    const counts = await Promise.all(origins.map(work))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  const leftOut = (zone: string): readonly LeftOut[] => {
    const isOld = records.connected().some((connected) => connected.zone === zone && connected.secondGeneration)
    return isOld ? leftOutFor({ zone, features: new Set(), secondGeneration: true }, options) : []
  }

  return {
    name: 'kds-server',
    get port() {
      return port
    },
    start: async () => {
      const feed = createChangeFeed(store, log)
      const followed = createChangeProgress({
        store,
        feed,
        clock,
        metrics: options.metrics,
        types: registry.all.filter(isSentToZones).map((kind) => kind.type),
      })
      changes = followed
      // another replica may have its streams now, and this one get them later
      for (const { name } of store.list('Zone')) followed.known(name)
      feed.on('Zone', (zones) => {
        for (const { op, key } of zones) {
          if (op === 'delete') followed.forget(key.name)
          else followed.known(key.name)
        }
      })
      const trustBoard = createTrustBoard({ store, feed, isShared: (trust) => options.isTrustShared?.(trust) ?? false })
      const live = followAdmissions({ admit: options.admit, feed, clock, log })
      admissions = live
      shared?.onElsewhere((zone) => followed.elsewhere(zone))
      const unfollow = shared?.follow()
      closeFeed = () => {
        unfollow?.()
        live.close()
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
        changes: followed,
        claimed: createClaimLog({ store, clock, log, ...(options.metrics ? { metrics: options.metrics } : {}) }),
        metrics,
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
        ...keepaliveOptions,
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
      zonePort = createZonePort({ ...options, tls: options.tls, grpc: server, log })
      zonePort.onAuthorities(() => records.endCertified(status.UNAVAILABLE, 'the client authorities were replaced; connect again'))
      port = await zonePort.listen()
      log.info({ port, tls: options.tls !== undefined }, 'kds server listens')
    },
    stop: async () => {
      records.endAll(status.UNAVAILABLE, 'the control plane is stopping')
      broker.close()
      board.close()
      closeFeed()
      // streams have their status; what is left of connections must not delay the stop
      await zonePort?.close(500)
      server?.forceShutdown()
      server = undefined
      zonePort = undefined
      admissions = undefined
    },
    ready: () => server !== undefined,
    zones: () => records.connected(),
    status: () =>
      board.status().map((zone) => {
        const without = leftOut(zone.zone)
        return without.length === 0 ? zone : { ...zone, leftOut: without }
      }),
    liveness: (zone) => board.livenessOf(zone),
    isAnswering: (zone) => sessions.isAnswering(zone),
    refusals: () => board.refusals(),
    changes: (selection) => changes?.report(selection) ?? { items: [], zones: [] },
    reachability: () => board.rows(),
    ask: (zone, kind, proxy, askOptions = {}) => {
      const namespace = hasKubernetesStore(records.description(zone)?.config ?? '') ? proxy.labels[labelKeys.namespace] : undefined
      const name = namespace ? `${displayName(proxy)}.${namespace}` : displayName(proxy)
      return broker.ask({ zone, kind, type: proxy.type, name, mesh: proxy.mesh, options: askOptions })
    },
    leftOut,
    held: () => records.held(),
    approveRemoval: (which) =>
      decide(which.origin, (origin) => approveHeld({ store, ledger: records.ledger(origin), which, actor: `zone:${origin}` })),
    rejectRemoval: (which) => decide(which.origin, (origin) => rejectHeld({ ledger: records.ledger(origin), which })),
  }
}

interface Entered {
  readonly facts: CallFacts
  readonly admitted: Admitted
  /** Calls `end` when the zone is no longer admitted. */
  follow(end: (reason: string) => void): () => void
}

/** Ends the stream once its zone is no longer admitted. */
function endWhenRefused(stream: ServerStream, handler: StreamHandler, follow: Entered['follow']): StreamHandler {
  const unfollow = follow((reason) => {
    stream.log.warn({ reason }, 'kds zone is no longer admitted')
    stream.end(status.UNAUTHENTICATED, reason)
  })
  return {
    ...handler,
    closed: (outcome) => {
      unfollow()
      handler.closed(outcome)
    },
  }
}

function refusalStatus(error: unknown): { readonly code: status; readonly details: string } {
  const details = messageOf(error)
  if (hasCode(error, 'budget/exhausted')) return { code: status.RESOURCE_EXHAUSTED, details }
  if (!hasCode(error, 'kds/unauthenticated')) return { code: status.UNAVAILABLE, details }
  // stock zones send no name only by mistake; the code is the one they expect then
  return { code: details.includes('metadata') ? status.INVALID_ARGUMENT : status.UNAUTHENTICATED, details }
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
