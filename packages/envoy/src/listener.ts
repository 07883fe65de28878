// Constructors of listener drafts and their filter chains (contract/dataplane.md section 9).
import type { Messages } from '@weft/proto'
import type { FilterChainDraft, HttpDraft, HttpFilterDraft, ListenerDraft, Mutable, NetworkFilterDraft, TcpDraft } from './drafts.ts'
import { trafficDirection } from './enums.ts'
import { extensionNames, statName } from './names.ts'
import { boolValue } from './values.ts'

type Address = Messages['envoy.config.core.v3.Address']
type Listener = Messages['envoy.config.listener.v3.Listener']
type FilterChainMatch = Messages['envoy.config.listener.v3.FilterChainMatch']
type DownstreamTls = Messages['envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext']
type Hcm = Messages['envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager']
type TcpProxy = Messages['envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy']
type Route = Messages['envoy.config.route.v3.Route']

export interface ListenerInput {
  readonly name: string
  readonly address: Address
  readonly direction: 'inbound' | 'outbound' | 'unspecified'
  /** False: redirected traffic reaches it through the passthrough listener; true: Envoy's default. */
  readonly bindToPort: boolean
  /** Explicit value; absent: Envoy's default. */
  readonly reusePort?: boolean
  /** Whether its statistics carry its name instead of its address. */
  readonly statPrefix: boolean
}

const directionOf = { inbound: 'INBOUND', outbound: 'OUTBOUND', unspecified: 'UNSPECIFIED' } as const

/** A listener without filter chains. */
export function listenerDraft(input: ListenerInput): ListenerDraft {
  const config: Mutable<Omit<Listener, 'filterChains' | 'listenerFilters'>> = {
    address: input.address,
    trafficDirection: trafficDirection[directionOf[input.direction]],
  }
  if (input.statPrefix) config.statPrefix = input.name
  if (!input.bindToPort) config.bindToPort = boolValue(false)
  if (input.reusePort !== undefined) config.enableReusePort = boolValue(input.reusePort)
  return {
    name: input.name,
    config,
    chains: [],
    tlsInspector: false,
    httpInspector: false,
    originalDst: false,
    inspectorsOffPorts: [],
    directAnswer: undefined,
  }
}

export interface FilterChainInput {
  readonly name?: string
  readonly match?: Mutable<FilterChainMatch>
  readonly tls?: Mutable<DownstreamTls>
  readonly networkFilters?: readonly NetworkFilterDraft[]
}

/** A filter chain that ends in HTTP or TCP. */
export function filterChain(terminal: HttpDraft | TcpDraft, input: FilterChainInput = {}): FilterChainDraft {
  return { name: input.name, match: input.match, tls: input.tls, networkFilters: [...(input.networkFilters ?? [])], terminal }
}

/** The router: without it a chain answers nothing. */
export const routerFilter: HttpFilterDraft = {
  slot: 'router',
  name: extensionNames.router,
  config: { type: 'envoy.extensions.filters.http.router.v3.Router', value: {} },
}

/** Statistics per gRPC method result. */
export const grpcStatsFilter: HttpFilterDraft = {
  slot: 'grpc-stats',
  name: extensionNames.grpcStats,
  config: { type: 'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig', value: { emitFilterState: true } },
}

export interface HttpInput {
  readonly statPrefix: string
  /** Name of the inline route configuration; absent: it has none. */
  readonly routeConfigName?: string
  readonly virtualHost: string
  readonly routes: readonly Mutable<Route>[]
  readonly config?: Mutable<Hcm>
  /** Filters besides the router. */
  readonly filters?: readonly HttpFilterDraft[]
}

/** A connection manager with one virtual host for every domain and an inline route configuration. */
export function httpDraft(input: HttpInput): HttpDraft {
  const draft: HttpDraft = {
    kind: 'http',
    config: { ...input.config, statPrefix: statName(input.statPrefix) },
    routeConfig: { validateClusters: boolValue(false) },
    virtualHosts: [{ name: input.virtualHost, domains: ['*'], routes: [...input.routes] }],
    filters: [...(input.filters ?? []), routerFilter],
  }
  if (input.routeConfigName !== undefined) draft.routeConfig.name = input.routeConfigName
  return draft
}

/** A TCP proxy to one cluster. */
export function tcpDraft(statPrefix: string, cluster: string): TcpDraft {
  const config: Mutable<TcpProxy> = { statPrefix: statName(statPrefix), cluster }
  return { kind: 'tcp', config }
}
