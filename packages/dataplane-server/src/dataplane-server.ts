// The server of a zone that its proxies talk to: bootstrap, discovery and health discovery on one TLS port, and the admin client.
import { lookup as dnsLookup } from 'node:dns/promises'
import { Server } from '@grpc/grpc-js'
import type { Attempts } from '@weft/foundation/budget'
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import type { ServerTls } from '@weft/foundation/tls'
import type { AdminAuthority, SpiffeSettings, TokenVerifier } from '@weft/identity'
import type { ProxyStatusRecorder } from '@weft/insights'
import type { DataplaneSpec } from '@weft/resources'
import type { Store } from '@weft/store'
import { adsServerOptions, type DeltaStream } from '@weft/xds'
import { createProxyAuthenticator, type ServiceAccount } from './authenticator.ts'
import { createBootstrapHandler } from './bootstrap-handler.ts'
import { bootstrapListener } from './bootstrap-http.ts'
import { createDiscovery, type DiscoveryOptions, type SnapshotProvider } from './discovery.ts'
import { createEnvoyAdmin, type EnvoyAdmin } from './envoy-admin.ts'
import { createHealthDiscovery } from './health-discovery.ts'
import type { ProxyHello } from './node-metadata.ts'
import { createOfflineCleanup } from './offline-cleanup.ts'
import { createProbeWriter } from './probe-writer.ts'
import { createProxyLifecycle, type ProxyLifecycle } from './proxy-lifecycle.ts'
import type { DataplaneServerSettings } from './settings.ts'
import type { ProxySinks } from './sinks.ts'
import { createTlsPort, keepaliveOptions } from './tls-port.ts'
import { sliceWritesTo } from './write-slices.ts'

export interface DataplaneServerOptions {
  readonly settings: DataplaneServerSettings
  readonly store: Store
  readonly tls: Pick<ServerTls, 'current' | 'onChange'>
  readonly tokens: Pick<TokenVerifier, 'dataplane'>
  readonly adminAuthority: AdminAuthority
  readonly snapshots: SnapshotProvider
  readonly recorder: ProxyStatusRecorder
  readonly sinks: ProxySinks
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
  /** Asks Kubernetes whose service account token it is. */
  readonly reviewServiceAccount?: (token: string) => Promise<ServiceAccount | undefined>
  /** False while meshes and secrets may still be on their way from global. */
  readonly isComplete?: () => boolean
  /** Looks at no more credentials of an address that showed too many bad ones. Default: always looks. */
  readonly attempts?: Attempts
  /** What proxies that cannot be admitted yet wait for: see `AdmissionOptions`. */
  readonly arriving?: () => Promise<void> | undefined
  readonly isRecovering?: (proxyKey: string) => boolean
  readonly onStream?: (proxyKey: string, stream: DeltaStream) => void
  readonly onProgress?: (proxyKey: string) => void
  readonly onVerdict?: DiscoveryOptions['onVerdict']
  readonly delivery?: NonNullable<DiscoveryOptions['delivery']>
  readonly isLastEndpoint?: (proxyKey: string, isLive: (proxyKey: string) => boolean) => boolean
  /** The right to remove Dataplanes whose proxies stay away, where several processes serve one zone. Default: it is there. */
  readonly leading?: { readonly store: Store; readonly mayWrite: () => boolean }
  readonly isLiveElsewhere?: (proxyKey: string) => boolean
  /** All addresses of a host name; the system's resolver by default. */
  readonly lookup?: (host: string) => Promise<readonly string[]>
}

export interface DataplaneServer extends Component {
  /** Its port, for who starts it before its turn: proxies that come then wait until the server has started. */
  readonly listener: Component
  /** The port it listens on; 0 before it does. */
  readonly port: number
  readonly admin: EnvoyAdmin
  readonly lifecycle: ProxyLifecycle
  readonly streams: ReadonlySet<DeltaStream>
}

/** How long streams may take to end when the server stops. */
const drainMs = 1000

/** `start` rejects with process/port-taken when another process has the port. */
export function createDataplaneServer(options: DataplaneServerOptions): DataplaneServer {
  const { settings, store, clock, metrics, sinks } = options
  const log = options.log.child({ component: 'dataplane-server' })
  const spiffe: SpiffeSettings = { zone: settings.zone, environment: settings.environment }
  let port = 0
  let isServing = false
  let stopSlicing = (): void => {}

  const authenticator = createProxyAuthenticator({
    authType: settings.authType,
    tokens: options.tokens,
    store,
    spiffe,
    ...(options.reviewServiceAccount ? { reviewServiceAccount: options.reviewServiceAccount } : {}),
  })
  const lifecycle = createProxyLifecycle({
    store,
    clock,
    log,
    settings,
    sinks,
    ...(options.isLastEndpoint ? { isLastEndpoint: options.isLastEndpoint } : {}),
    ...(options.isLiveElsewhere ? { isLiveElsewhere: options.isLiveElsewhere } : {}),
  })
  const cleanup = createOfflineCleanup({
    store: options.leading?.store ?? store,
    mayWrite: options.leading?.mayWrite,
    clock,
    log,
    settings,
    isConnected: (key) => lifecycle.isConnected(key),
  })
  const probes = createProbeWriter({ store, clock, log })
  const attempts = options.attempts ? { attempts: options.attempts } : {}
  const admission = { store, authenticator, settings, spiffe, ...attempts, ...(options.arriving ? { arriving: options.arriving } : {}) }
  const discovery = createDiscovery({
    ...admission,
    lifecycle,
    snapshots: options.snapshots,
    recorder: options.recorder,
    sinks,
    instanceId: settings.instanceId,
    connectionEnd: (peer) => tlsPort.connectionEnd(peer),
    admitted: (peer) => tlsPort.admitted(peer),
    prepare: async (hello) => {
      await options.adminAuthority.server(addressOf(hello, store))
    },
    ...(options.isRecovering ? { isRecovering: options.isRecovering } : {}),
    ...(options.onStream ? { onStream: options.onStream } : {}),
    ...(options.onProgress ? { onProgress: options.onProgress } : {}),
    ...(options.onVerdict ? { onVerdict: options.onVerdict } : {}),
    ...(options.delivery ? { delivery: options.delivery } : {}),
    clock,
    log,
    metrics,
  })
  const health = createHealthDiscovery({
    ...admission,
    lifecycle,
    probes,
    intervalMs: settings.hdsIntervalMs,
    admitted: (peer) => tlsPort.admitted(peer),
    clock,
    log,
  })
  const bootstrap = createBootstrapHandler({
    store,
    tokens: options.tokens,
    settings,
    certificatePem: () => options.tls.current.certificatePem,
    port: () => port,
    lookup: options.lookup ?? (async (host) => (await dnsLookup(host, { all: true })).map(({ address }) => address)),
    ...(options.isComplete ? { isComplete: options.isComplete } : {}),
    ...attempts,
    log,
  })

  const grpc = new Server({ ...adsServerOptions, ...keepaliveOptions, 'grpc.enable_channelz': 0 })
  grpc.addService(discovery.definition, discovery.handlers)
  if (settings.hdsEnabled) grpc.addService(health.definition, health.handlers)
  const tlsPort = createTlsPort({
    host: settings.host,
    port: settings.port,
    minVersion: settings.tlsMinVersion,
    tls: options.tls,
    grpc,
    http: bootstrapListener(bootstrap, log),
    clock,
    log,
  })

  let listening: Promise<void> | undefined
  const listener: Component = {
    name: 'dataplane-listener',
    start: () =>
      (listening ??= tlsPort.listen().then((number) => {
        port = number
        log.info({ port }, 'dataplane server listens')
      })),
    stop: () => tlsPort.close(drainMs),
  }

  return {
    name: 'dataplane-server',
    listener,
    get port() {
      return port
    },
    admin: createEnvoyAdmin({
      store,
      authority: options.adminAuthority,
      metadata: (key) => lifecycle.metadata(key),
      defaultAdminPort: settings.adminPort,
      clock,
    }),
    lifecycle,
    streams: discovery.streams,
    ready: () => isServing,
    start: async () => {
      await listener.start()
      lifecycle.start()
      health.start()
      cleanup.start()
      stopSlicing = sliceWritesTo(new Set(Object.values(discovery.definition).map(({ path }) => path)))
      tlsPort.serve()
      isServing = true
    },
    stop: async () => {
      isServing = false
      lifecycle.stop()
      cleanup.stop()
      discovery.stop()
      health.stop()
      probes.stop()
      await Promise.all([listener.stop(), probes.idle()])
      stopSlicing()
    },
  }
}

function addressOf(hello: ProxyHello, store: Store): string {
  const stored = store.get({ type: 'Dataplane', mesh: hello.mesh, name: hello.name })
  // stored Dataplanes passed the codec of their kind
  const spec = hello.document?.spec ?? (stored?.spec as DataplaneSpec | undefined)
  return spec?.networking?.address ?? ''
}
