// Drafts to message bytes. Encoding has no hidden input and sorted maps, so equal drafts give equal bytes.
import { codec, type Messages } from '@weft/proto'
import { packAny, packed } from './any.ts'
import type { ClusterDraft, FilterChainDraft, HttpDraft, HttpFilterDraft, ListenerDraft, TcpDraft } from './drafts.ts'
import { httpFilterSlots } from './drafts.ts'
import { extensionNames } from './names.ts'
import { sortedKeys } from './values.ts'

type Cluster = Messages['envoy.config.cluster.v3.Cluster']
type Listener = Messages['envoy.config.listener.v3.Listener']
type FilterChain = Messages['envoy.config.listener.v3.FilterChain']
type Filter = Messages['envoy.config.listener.v3.Filter']
type ListenerFilter = Messages['envoy.config.listener.v3.ListenerFilter']
type TransportSocket = Messages['envoy.config.core.v3.TransportSocket']
type Hcm = Messages['envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager']
type HttpFilter = Messages['envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter']
type Metadata = Messages['envoy.config.core.v3.Metadata']

const httpOptionsType = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions'

/** Bytes of a Cluster. */
export function encodeCluster(draft: ClusterDraft): Uint8Array {
  return codec('envoy.config.cluster.v3.Cluster').encode(clusterMessage(draft))
}

/** The Cluster message of a draft: for callers that need it as a value. */
export function clusterMessage(draft: ClusterDraft): Cluster {
  // Mutable only lifts readonly: the shapes are the same, which the type checker cannot follow through recursive messages.
  const message = { ...draft.config, name: draft.name } as { -readonly [K in keyof Cluster]: Cluster[K] }
  if (draft.config.metadata) message.metadata = sortedMetadata(draft.config.metadata as Metadata)
  if (draft.tls !== undefined) {
    message.transportSocket = {
      name: extensionNames.tls,
      typedConfig: packed('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', draft.tls as never),
    }
  }
  if (draft.httpProtocolOptions !== undefined) {
    message.typedExtensionProtocolOptions = sortedKeys({
      ...(draft.config.typedExtensionProtocolOptions as Cluster['typedExtensionProtocolOptions']),
      [httpOptionsType]: packed(httpOptionsType, draft.httpProtocolOptions as never),
    })
  }
  return message
}

/** Bytes of a Listener. */
export function encodeListener(draft: ListenerDraft): Uint8Array {
  return codec('envoy.config.listener.v3.Listener').encode(listenerMessage(draft))
}

const tlsInspector: ListenerFilter = {
  name: extensionNames.tlsInspector,
  typedConfig: { typeUrl: 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', value: new Uint8Array(0) },
}
const httpInspector: ListenerFilter = {
  name: extensionNames.httpInspector,
  typedConfig: {
    typeUrl: 'type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector',
    value: new Uint8Array(0),
  },
}
const originalDst: ListenerFilter = {
  name: extensionNames.originalDst,
  typedConfig: { typeUrl: 'type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst', value: new Uint8Array(0) },
}

/** The Listener message of a draft: for callers that need it as a value. */
export function listenerMessage(draft: ListenerDraft): Listener {
  // Mutable only lifts readonly, see clusterMessage.
  const message = { ...draft.config, name: draft.name, filterChains: [...draft.chains.map(chainMessage), ...directChains(draft)] } as {
    -readonly [K in keyof Listener]: Listener[K]
  }
  if (draft.config.metadata) message.metadata = sortedMetadata(draft.config.metadata as Metadata)
  if (draft.originalDst || draft.tlsInspector || draft.httpInspector) {
    const filters: ListenerFilter[] = []
    if (draft.originalDst) filters.push(originalDst)
    if (draft.tlsInspector) filters.push(exceptOnPorts(tlsInspector, draft.inspectorsOffPorts))
    if (draft.httpInspector) filters.push(exceptOnPorts(httpInspector, draft.inspectorsOffPorts))
    message.listenerFilters = filters
  }
  return message
}

function exceptOnPorts(filter: ListenerFilter, ports: readonly number[]): ListenerFilter {
  const rules = ports.map((port) => ({ destinationPortRange: { start: port, end: port + 1 } }))
  const [only] = rules
  if (only === undefined) return filter
  return { ...filter, filterDisabled: rules.length === 1 ? only : { orMatch: { rules } } }
}

function chainMessage(draft: FilterChainDraft): FilterChain {
  const filters: Filter[] = []
  for (const filter of draft.networkFilters) filters.push({ name: filter.name, typedConfig: packAny(filter.config) })
  filters.push(draft.terminal.kind === 'http' ? httpFilterOf(draft.terminal) : tcpFilterOf(draft.terminal))
  const message: { -readonly [K in keyof FilterChain]: FilterChain[K] } = { filters }
  if (draft.name !== undefined) message.name = draft.name
  // Mutable only lifts readonly, see clusterMessage.
  if (draft.match !== undefined) message.filterChainMatch = draft.match as FilterChain['filterChainMatch'] & object
  if (draft.tls !== undefined) {
    const transportSocket: TransportSocket = {
      name: extensionNames.tls,
      typedConfig: packed('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', draft.tls as never),
    }
    message.transportSocket = transportSocket
  }
  return message
}

function directChains({ directAnswer }: ListenerDraft): readonly FilterChain[] {
  if (!directAnswer) return []
  const typedConfig = packed('envoy.extensions.filters.network.direct_response.v3.Config', {
    response: { inlineString: directAnswer.text },
  })
  return [
    {
      filterChainMatch: { transportProtocol: 'tls', serverNames: [directAnswer.serverName] },
      filters: [{ name: extensionNames.directResponse, typedConfig }],
    },
  ]
}

function tcpFilterOf(draft: TcpDraft): Filter {
  return {
    name: extensionNames.tcpProxy,
    typedConfig: packed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', draft.config as never),
  }
}

function httpFilterOf(draft: HttpDraft): Filter {
  // Mutable only lifts readonly, see clusterMessage.
  const message = {
    ...draft.config,
    routeConfig: { ...draft.routeConfig, virtualHosts: draft.virtualHosts.map(virtualHostMessage) },
    httpFilters: orderFilters(draft.filters).map(httpFilterMessage),
  } as unknown as Hcm
  return {
    name: extensionNames.httpConnectionManager,
    typedConfig: packed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', message),
  }
}

/** Sorted per-filter configuration: the only maps that policies write below a virtual host. */
function virtualHostMessage(host: HttpDraft['virtualHosts'][number]): object {
  const routes = host.routes.map((route) => {
    const perFilter = route.typedPerFilterConfig
    return perFilter ? { ...route, typedPerFilterConfig: sortedKeys(perFilter) } : route
  })
  const perFilter = host.typedPerFilterConfig
  return perFilter ? { ...host, routes, typedPerFilterConfig: sortedKeys(perFilter) } : { ...host, routes }
}

function httpFilterMessage(filter: HttpFilterDraft): HttpFilter {
  return { name: filter.name, typedConfig: packAny(filter.config) }
}

const slotRank: ReadonlyMap<string, number> = new Map(httpFilterSlots.map((slot, rank) => [slot, rank]))

/** Filters by slot, then by order of insertion. */
export function orderFilters(filters: readonly HttpFilterDraft[]): readonly HttpFilterDraft[] {
  if (filters.length < 2) return filters
  // Array.prototype.sort is stable: equal slots keep their order.
  return filters.toSorted((a, b) => (slotRank.get(a.slot) ?? 0) - (slotRank.get(b.slot) ?? 0))
}

function sortedMetadata(metadata: Metadata): Metadata {
  return metadata.filterMetadata ? { ...metadata, filterMetadata: sortedKeys(metadata.filterMetadata) } : metadata
}
