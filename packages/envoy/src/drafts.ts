// Envoy resources while they are being built: plain mutable objects that generators make and policies edit, in one fixed order.
// Nothing outside one build ever sees a draft; `encode*` turns it into bytes.
import type { Messages } from '@weft/proto'

export type Mutable<T> = T extends readonly (infer U)[]
  ? Mutable<U>[]
  : T extends Uint8Array
    ? T
    : T extends object
      ? { -readonly [K in keyof T]: Mutable<T[K]> }
      : T

type Cluster = Messages['envoy.config.cluster.v3.Cluster']
type Listener = Messages['envoy.config.listener.v3.Listener']
type FilterChainMatch = Messages['envoy.config.listener.v3.FilterChainMatch']
type Hcm = Messages['envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager']
type TcpProxy = Messages['envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy']
type Route = Messages['envoy.config.route.v3.Route']
type VirtualHost = Messages['envoy.config.route.v3.VirtualHost']
type RouteConfiguration = Messages['envoy.config.route.v3.RouteConfiguration']
type UpstreamTls = Messages['envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext']
type DownstreamTls = Messages['envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext']
type HttpProtocolOptions = Messages['envoy.extensions.upstreams.http.v3.HttpProtocolOptions']

/** A message that travels as Any: its full protobuf name and its value. */
export interface TypedMessage {
  readonly type: string
  readonly value: object
}

export interface ClusterDraft {
  readonly name: string
  /** Everything but the parts below. */
  config: Mutable<Cluster>
  httpProtocolOptions: Mutable<HttpProtocolOptions> | undefined
  tls: Mutable<UpstreamTls> | undefined
}

/** Order of HTTP filters is data: a filter names its slot, the encoder sorts by slot, then by order of insertion. The router is always last. */
export const httpFilterSlots = ['rbac', 'lua', 'grpc-stats', 'fault', 'rate-limit', 'custom', 'router'] as const
export type HttpFilterSlot = (typeof httpFilterSlots)[number]

export interface HttpFilterDraft {
  readonly slot: HttpFilterSlot
  readonly name: string
  readonly config: TypedMessage
}

export interface NetworkFilterDraft {
  readonly name: string
  readonly config: TypedMessage
}

export interface HttpDraft {
  readonly kind: 'http'
  config: Mutable<Hcm>
  routeConfig: Mutable<Omit<RouteConfiguration, 'virtualHosts'>>
  virtualHosts: (Mutable<Omit<VirtualHost, 'routes'>> & { routes: Mutable<Route>[] })[]
  filters: HttpFilterDraft[]
}

export interface TcpDraft {
  readonly kind: 'tcp'
  config: Mutable<TcpProxy>
}

export interface FilterChainDraft {
  name: string | undefined
  match: Mutable<FilterChainMatch> | undefined
  tls: Mutable<DownstreamTls> | undefined
  /** Filters before the terminal one, first to last. */
  networkFilters: NetworkFilterDraft[]
  terminal: HttpDraft | TcpDraft
}

export interface ListenerDraft {
  readonly name: string
  /** Everything but filter chains and listener filters. */
  config: Mutable<Omit<Listener, 'filterChains' | 'listenerFilters'>>
  chains: FilterChainDraft[]
  tlsInspector: boolean
  httpInspector: boolean
  originalDst: boolean
  /** Destination ports where inspectors do not wait for the client: its server speaks first. */
  inspectorsOffPorts: readonly number[]
  /** Clusters that are reached because of what this listener says, not through it. */
  announces?: readonly string[]
  /** A chain that answers a server name with a text and closes; it comes last, and policies leave it alone. */
  directAnswer: { readonly serverName: string; readonly text: string } | undefined
}

/** One endpoint of a load assignment. Same shape as the facts' endpoints, so those pass without copying. */
export interface EndpointInput {
  readonly address: string
  readonly port: number
  readonly weight: number
  readonly health: 'HEALTHY' | 'DEGRADED'
  readonly outOfReach?: 'behind' | 'leave'
  readonly metadata: Readonly<Record<string, string>>
}

/** Endpoints of one locality at one priority. */
export interface LocalityDraft {
  /** '' when unknown: then the locality is not named. */
  zone: string
  subZone: string
  priority: number
  /** Weight of the whole locality; only with locality weighted load balancing. */
  weight: number | undefined
  /** Its endpoints cannot be reached; `settleOutOfReach` has the last word on them. */
  outOfReach: 'behind' | 'leave' | undefined
  endpoints: EndpointInput[]
}

/** A load assignment while it is built. */
export interface LoadAssignmentDraft {
  readonly name: string
  /** Undefined: Envoy's default of 140. */
  overprovisioningFactor: number | undefined
  localities: LocalityDraft[]
}
