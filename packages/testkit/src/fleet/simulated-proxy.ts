// An Envoy as its zone sees it: delta ADS over TLS, subscriptions that follow what it holds, every response ACKed. No traffic.
// Order as Envoy initialises: clusters, their endpoints and secrets, then listeners.
import { Client, type ClientDuplexStream, credentials, Metadata } from '@grpc/grpc-js'
import { codec, type Messages } from '@weft/proto'

type Request = Messages['envoy.service.discovery.v3.DeltaDiscoveryRequest']

export const simulatedTypes = ['cluster', 'endpoint', 'secret', 'listener'] as const
export type SimulatedType = (typeof simulatedTypes)[number]

const typeUrls: Readonly<Record<SimulatedType, string>> = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
}

/** One resource as held by the proxy. */
export interface HeldResource {
  readonly version: string
  readonly endpoints: readonly string[]
  readonly secrets: readonly string[]
  /** Clusters: connect timeout in ms. */
  readonly connectTimeoutMs: number
  /** Load assignments: endpoints that Envoy would call healthy, and degraded ones. */
  readonly healthy: number
  readonly degraded: number
}

export interface SimulatedProxyOptions {
  /** `host:port` of the dataplane server. */
  readonly address: string
  readonly token: string
  readonly nodeId: string
  readonly metadata: Readonly<Record<string, unknown>>
  /** Called after each response was applied and acknowledged. */
  readonly onResponse?: (proxy: SimulatedProxy, response: ReceivedResponse) => void
}

export interface ReceivedResponse {
  readonly type: SimulatedType
  readonly names: readonly string[]
  readonly removed: readonly string[]
  readonly bytes: number
}

interface Subscription {
  wanted: Set<string>
  started: boolean
  answered: boolean
}

/** State survives a lost stream, as in Envoy; the next stream resumes with the versions held. */
export class SimulatedProxy {
  readonly held: Readonly<Record<SimulatedType, Map<string, HeldResource>>> = {
    cluster: new Map(),
    endpoint: new Map(),
    secret: new Map(),
    listener: new Map(),
  }
  responses = 0
  bytes = 0
  removedResources = 0
  lastError = ''
  readonly #options: SimulatedProxyOptions
  readonly #client: Client
  #subscriptions: Record<SimulatedType, Subscription> = freshSubscriptions()
  #stream: ClientDuplexStream<Buffer, Buffer> | undefined
  #closed = false
  #retry: NodeJS.Timeout | undefined

  constructor(options: SimulatedProxyOptions, client?: Client) {
    this.#options = options
    this.#client = client ?? createChannel(options.address)
  }

  get nodeId(): string {
    return this.#options.nodeId
  }

  /** True once every type was answered and nothing that a held resource names is missing. */
  get isReady(): boolean {
    const { cluster, listener, endpoint, secret } = this.#subscriptions
    return cluster.answered && listener.answered && has(endpoint.wanted, this.held.endpoint) && has(secret.wanted, this.held.secret)
  }

  connect(): void {
    if (this.#closed) return
    const metadata = new Metadata()
    metadata.set('authorization', this.#options.token)
    const pass = (bytes: Buffer): Buffer => bytes
    const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'
    const stream = this.#client.makeBidiStreamRequest(path, pass, pass, metadata)
    this.#stream = stream
    const again = simulatedTypes.filter((type) => this.#subscriptions[type].started)
    this.#subscriptions = freshSubscriptions(this.#subscriptions)
    stream.on('data', (bytes: Buffer) => this.#receive(bytes))
    stream.on('error', (error: Error) => {
      this.lastError = error.message
    })
    stream.on('close', () => {
      if (this.#stream !== stream) return
      this.#stream = undefined
      if (!this.#closed) this.#retry = setTimeout(() => this.connect(), 100 + Math.random() * 400)
    })
    for (const type of simulatedTypes) if (type === 'cluster' || again.includes(type)) this.#subscribe(type)
  }

  /** Ends the stream in order, as a stopping Envoy does. */
  close(): void {
    this.#closed = true
    if (this.#retry) clearTimeout(this.#retry)
    this.#stream?.end()
    this.#stream?.cancel()
  }

  #send(request: Request): void {
    this.#stream?.write(Buffer.from(codec('envoy.service.discovery.v3.DeltaDiscoveryRequest').encode(request)))
  }

  #subscribe(type: SimulatedType): void {
    const subscription = this.#subscriptions[type]
    subscription.started = true
    const versions: Record<string, string> = Object.create(null)
    for (const [name, item] of this.held[type]) versions[name] = item.version
    const node =
      type === 'cluster' ? { node: { id: this.#options.nodeId, metadata: toStruct(this.#options.metadata), userAgentName: 'envoy' } } : {}
    this.#send({ ...node, typeUrl: typeUrls[type], resourceNamesSubscribe: [...subscription.wanted], initialResourceVersions: versions })
  }

  #want(type: 'endpoint' | 'secret', names: ReadonlySet<string>): void {
    const subscription = this.#subscriptions[type]
    const more = [...names].filter((name) => !subscription.wanted.has(name))
    const less = [...subscription.wanted].filter((name) => !names.has(name))
    subscription.wanted = new Set(names)
    for (const name of less) this.held[type].delete(name)
    if (more.length + less.length === 0) return
    if (!subscription.started) this.#subscribe(type)
    else this.#send({ typeUrl: typeUrls[type], resourceNamesSubscribe: more, resourceNamesUnsubscribe: less })
  }

  #receive(bytes: Buffer): void {
    const response = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse').decode(bytes)
    const type = simulatedTypes.find((candidate) => typeUrls[candidate] === response.typeUrl)
    this.#send({ typeUrl: response.typeUrl ?? '', responseNonce: response.nonce ?? '' })
    if (!type) return
    this.responses++
    this.bytes += bytes.length
    const names: string[] = []
    for (const resource of response.resources ?? []) {
      names.push(resource.name ?? '')
      this.held[type].set(resource.name ?? '', summarise(type, resource.version ?? '', resource.resource?.value ?? new Uint8Array()))
    }
    const removed = response.removedResources ?? []
    this.removedResources += removed.length
    for (const name of removed) this.held[type].delete(name)
    this.#subscriptions[type].answered = true
    this.#follow()
    this.#options.onResponse?.(this, { type, names, removed, bytes: bytes.length })
  }

  #follow(): void {
    const endpoints = new Set<string>()
    const secrets = new Set<string>()
    for (const type of ['cluster', 'listener'] as const) {
      for (const item of this.held[type].values()) {
        for (const name of item.endpoints) endpoints.add(name)
        for (const name of item.secrets) secrets.add(name)
      }
    }
    this.#want('endpoint', endpoints)
    this.#want('secret', secrets)
    const isWarm = this.#subscriptions.cluster.answered && has(endpoints, this.held.endpoint) && has(secrets, this.held.secret)
    if (isWarm && !this.#subscriptions.listener.started) this.#subscribe('listener')
  }
}

/** A TLS channel to a dataplane server; proxies may share one. The certificate is not verified. */
export function createChannel(address: string): Client {
  const channel = credentials.createSsl(null, null, null, { rejectUnauthorized: false, checkServerIdentity: () => undefined })
  return new Client(address, channel, { 'grpc.use_local_subchannel_pool': 1, 'grpc.max_receive_message_length': 64 << 20 })
}

function freshSubscriptions(before?: Record<SimulatedType, Subscription>): Record<SimulatedType, Subscription> {
  const fresh = (type: SimulatedType): Subscription => ({ wanted: new Set(before?.[type].wanted), started: false, answered: false })
  return { cluster: fresh('cluster'), endpoint: fresh('endpoint'), secret: fresh('secret'), listener: fresh('listener') }
}

function has(wanted: ReadonlySet<string>, held: ReadonlyMap<string, HeldResource>): boolean {
  for (const name of wanted) if (!held.has(name)) return false
  return true
}

function summarise(type: SimulatedType, version: string, value: Uint8Array): HeldResource {
  const item = { version, endpoints: [] as string[], secrets: [] as string[], connectTimeoutMs: 0, healthy: 0, degraded: 0 }
  if (type === 'cluster') {
    const cluster = codec('envoy.config.cluster.v3.Cluster').decode(value)
    // discovery type EDS is 3 (envoy.config.cluster.v3.Cluster.DiscoveryType)
    if (cluster.type === 3) item.endpoints.push(cluster.edsClusterConfig?.serviceName || cluster.name || '')
    item.connectTimeoutMs = Number(cluster.connectTimeout?.seconds ?? 0) * 1000 + (cluster.connectTimeout?.nanos ?? 0) / 1e6
    const socket = cluster.transportSocket?.typedConfig
    if (socket?.typeUrl?.endsWith('UpstreamTlsContext')) {
      const tls = codec('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext').decode(socket.value ?? new Uint8Array())
      collectSecrets(tls.commonTlsContext, item.secrets)
    }
  } else if (type === 'listener') {
    const listener = codec('envoy.config.listener.v3.Listener').decode(value)
    for (const chain of listener.filterChains ?? []) {
      const socket = chain.transportSocket?.typedConfig
      if (!socket?.typeUrl?.endsWith('DownstreamTlsContext')) continue
      const tls = codec('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext').decode(socket.value ?? new Uint8Array())
      collectSecrets(tls.commonTlsContext, item.secrets)
    }
  } else if (type === 'endpoint') {
    const assignment = codec('envoy.config.endpoint.v3.ClusterLoadAssignment').decode(value)
    for (const endpoint of (assignment.endpoints ?? []).flatMap((locality) => locality.lbEndpoints ?? [])) {
      // health status DEGRADED is 5, UNKNOWN 0 and HEALTHY 1 count as healthy (envoy.config.core.v3.HealthStatus)
      if (endpoint.healthStatus === 5) item.degraded++
      else item.healthy++
    }
  }
  return item
}

type CommonTls = Messages['envoy.extensions.transport_sockets.tls.v3.CommonTlsContext']

function collectSecrets(tls: CommonTls | null | undefined, names: string[]): void {
  for (const config of tls?.tlsCertificateSdsSecretConfigs ?? []) if (config.sdsConfig && config.name) names.push(config.name)
  const validation = tls?.combinedValidationContext?.validationContextSdsSecretConfig ?? tls?.validationContextSdsSecretConfig
  if (validation?.sdsConfig && validation.name) names.push(validation.name)
}

type Value = Messages['google.protobuf.Value']

function toStruct(value: Readonly<Record<string, unknown>>): Messages['google.protobuf.Struct'] {
  const fields: Record<string, Value> = Object.create(null)
  for (const [key, entry] of Object.entries(value)) fields[key] = toValue(entry)
  return { fields }
}

function toValue(value: unknown): Value {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'number') return { numberValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (Array.isArray(value)) return { listValue: { values: value.map(toValue) } }
  if (typeof value === 'object' && value !== null) return { structValue: toStruct({ ...value }) }
  return { nullValue: 0 }
}
