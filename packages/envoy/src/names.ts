// Names of Envoy objects that a proxy's owner sees in stats and dumps (contract/dataplane.md section 8). The only place that spells them.

/** Resources that exist once per proxy and belong to the system. */
export const systemNames = {
  /** Listener and cluster of Envoy's own admin API. */
  admin: 'system_envoy_admin',
  /** Cluster of the launcher's readiness endpoint. */
  readiness: 'system_probe_readiness',
  /** Listener that hands dynamic configuration to the launcher. */
  dynamicConfig: 'system_dynamicconfig',
  /** Secret with the roots of every trust domain. */
  trustBundle: 'system_trust_bundle',
  /** Cluster without endpoints that refuses inbound traffic to undeclared ports. */
  noInboundDestination: 'self_transparentproxy_no_destination_inbound',
} as const

export type Direction = 'inbound' | 'outbound'
export type IpFamily = 'ipv4' | 'ipv6'

/** Listener, cluster, route configuration and virtual host of one inbound; `section` is its name or decimal port. */
export function inboundName(section: string): string {
  return `self_inbound_dp_${section}`
}

/** Listener of a zone ingress. */
export function zoneIngressName(section: string): string {
  return `self_zoneingress_dp_${section}`
}

/** Listener of a zone egress. */
export function zoneEgressName(section: string): string {
  return `self_zoneegress_dp_${section}`
}

/** Listener and cluster that pass redirected traffic through unchanged. */
export function passthroughName(direction: Direction, family: IpFamily): string {
  return `self_transparentproxy_passthrough_${direction}_${family}`
}

const ownPrefixes = [inboundName(''), 'self_transparentproxy_', systemNames.admin, systemNames.readiness]

/**
 * True for clusters and listeners that follow from a proxy's own Dataplane, identity and policies alone: all others also depend on which
 * other proxies and services are known.
 */
export function isOwnName(name: string): boolean {
  return ownPrefixes.some((prefix) => name.startsWith(prefix))
}

/** Name of a dynamic configuration route; `path` without its leading slash. */
export function dynamicConfigRouteName(path: string): string {
  return `${systemNames.dynamicConfig}_${path}`
}

/** File name of the socket that serves dynamic configuration, inside the proxy's working directory (contract/dataplane.md section 3.2). */
export const dynamicConfigSocket = 'kuma-mesh-metric-config.sock'
/** File name of the readiness socket of older launchers. */
export const readinessSocketPrefix = 'kuma-readiness-reporter'

/** Keys under which this control plane keeps metadata on Envoy objects. */
export const metadataKeys = {
  /** Labels of a listener. */
  tags: 'io.kuma.tags',
  /** Name of an outbound listener, inside `tags`. */
  unifiedName: 'kuma.io/unified-name',
  /** Endpoint metadata that load balancing subsets select on. */
  loadBalancer: 'envoy.lb',
  /** Endpoint metadata that selects a transport socket. */
  transportSocketMatch: 'envoy.transport_socket_match',
} as const

/** The header that carries a caller's labels; inbounds always remove it. */
export const tagsHeader = 'x-kuma-tags'

/** Names of Envoy extensions. */
export const extensionNames = {
  router: 'envoy.filters.http.router',
  grpcStats: 'envoy.filters.http.grpc_stats',
  httpConnectionManager: 'envoy.filters.network.http_connection_manager',
  tcpProxy: 'envoy.filters.network.tcp_proxy',
  directResponse: 'envoy.filters.network.direct_response',
  tlsInspector: 'envoy.filters.listener.tls_inspector',
  httpInspector: 'envoy.filters.listener.http_inspector',
  originalDst: 'envoy.filters.listener.original_dst',
  tls: 'envoy.transport_sockets.tls',
  spiffeValidator: 'envoy.tls.cert_validator.spiffe',
} as const

/** Longest path of a socket, without its suffix, that both sides agree on. */
const longestSocketPath = 98

/** Path of a socket in the working directory, cut exactly as the launcher cuts it (contract/dataplane.md section 3.2). */
export function socketPath(workdir: string, name: string): string {
  return `${joinPath(workdir, name).slice(0, longestSocketPath)}.sock`
}

/** A file in a folder; an empty folder gives the name alone. */
export function joinPath(folder: string, name: string): string {
  if (folder === '') return name
  return folder.endsWith('/') ? `${folder}${name}` : `${folder}/${name}`
}

/** A name as statistics may carry it: a dot or slash in it would read as a further level. */
export function statName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_-]/g, '_')
}
