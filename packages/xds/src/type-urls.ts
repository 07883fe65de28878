// The four resource types that are served, by the names the protocol gives them.
import type { XdsType } from './contract.ts'

/** In the order a turn sends them. */
export const xdsTypes = ['cluster', 'endpoint', 'secret', 'listener'] as const satisfies readonly XdsType[]

export const typeUrls = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
} as const satisfies Record<XdsType, string>

const byUrl = new Map<string, XdsType>(xdsTypes.map((type) => [typeUrls[type], type]))

/** The served type of a type URL, or undefined. */
export function xdsTypeOf(typeUrl: string): XdsType | undefined {
  return byUrl.get(typeUrl)
}

/** Envoy asks for all clusters and listeners, and for endpoints and secrets by name. */
export function isWildcardType(type: XdsType): boolean {
  return type === 'cluster' || type === 'listener'
}
