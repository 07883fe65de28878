// What a proxy has to look at in a resource: the names it makes Envoy ask for next, and the facts that measurements wait for.
import { anyName, codec, contentHash, decodeAny, type google, type Messages, toNumber } from '@weft/proto'

/** The resource types in the order Envoy initialises them. */
export const simulatedTypes = ['cluster', 'endpoint', 'secret', 'listener', 'route'] as const
export type SimulatedType = (typeof simulatedTypes)[number]
/** Types that are asked for by name, because another resource refers to them. */
export const namedTypes = ['endpoint', 'secret', 'route'] as const
export type NamedType = (typeof namedTypes)[number]

export const simulatedTypeUrls: Readonly<Record<SimulatedType, string>> = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
}

/** The part of a resource that a simulated proxy acts on. */
export interface ResourceSummary {
  readonly references: Readonly<Record<NamedType, readonly string[]>>
  /** Of a cluster, in ms; else 0. */
  readonly connectTimeoutMs: number
  /** Of a load assignment: endpoints Envoy would prefer, those of health status UNKNOWN or HEALTHY; else 0. */
  readonly preferredEndpoints: number
}

/** Most proxies of a zone hold the same bytes, so each distinct resource is decoded once. Bounded by `maxKnown`. */
const known = new Map<string, ResourceSummary>()
const maxKnown = 100_000

/** Reads a resource as sent. Throws `resource/undecodable` on bytes that are not a message of the type they claim. */
export function summarise(type: SimulatedType, resource: google.protobuf.Any): ResourceSummary {
  const value = resource.value ?? new Uint8Array(0)
  const key = `${type} ${contentHash(value)}`
  let summary = known.get(key)
  if (!summary) {
    summary = read(type, value)
    if (known.size >= maxKnown) known.clear()
    known.set(key, summary)
  }
  return summary
}

function read(type: SimulatedType, value: Uint8Array): ResourceSummary {
  const references: Record<NamedType, string[]> = { endpoint: [], secret: [], route: [] }
  let connectTimeoutMs = 0
  let preferredEndpoints = 0
  switch (type) {
    case 'cluster': {
      const cluster = codec('envoy.config.cluster.v3.Cluster').decode(value)
      // discovery type EDS is 3 (envoy.config.cluster.v3.Cluster.DiscoveryType)
      if (cluster.type === 3) references.endpoint.push(cluster.edsClusterConfig?.serviceName || cluster.name || '')
      connectTimeoutMs = toNumber(cluster.connectTimeout?.seconds) * 1000 + (cluster.connectTimeout?.nanos ?? 0) / 1e6
      collect(cluster, references, 0)
      break
    }
    case 'listener':
      collect(codec('envoy.config.listener.v3.Listener').decode(value), references, 0)
      break
    case 'endpoint':
      preferredEndpoints = countPreferred(codec('envoy.config.endpoint.v3.ClusterLoadAssignment').decode(value))
      break
    case 'secret':
      codec('envoy.extensions.transport_sockets.tls.v3.Secret').decode(value)
      break
    case 'route':
      codec('envoy.config.route.v3.RouteConfiguration').decode(value)
      break
  }
  return { references, connectTimeoutMs, preferredEndpoints }
}

function countPreferred(assignment: Messages['envoy.config.endpoint.v3.ClusterLoadAssignment']): number {
  let count = 0
  // health status UNKNOWN is 0, HEALTHY 1 (envoy.config.core.v3.HealthStatus)
  for (const locality of assignment.endpoints ?? [])
    for (const endpoint of locality.lbEndpoints ?? []) if ((endpoint.healthStatus ?? 0) <= 1) count++
  return count
}

const maxDepth = 64

/** Finds references to secrets and route configurations by the fields only they have, also inside packed extension configs. */
function collect(value: unknown, found: Record<NamedType, string[]>, depth: number): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || depth > maxDepth) return
  if (Array.isArray(value)) {
    for (const item of value) collect(item, found, depth + 1)
    return
  }
  // decoded messages are plain objects by field name
  const message = value as Readonly<Record<string, unknown>>
  if (typeof message['typeUrl'] === 'string' && message['value'] instanceof Uint8Array) {
    collect(unpacked({ typeUrl: message['typeUrl'], value: message['value'] }), found, depth + 1)
  } else if (isMessage(message['sdsConfig']) && typeof message['name'] === 'string') {
    if (!found.secret.includes(message['name'])) found.secret.push(message['name'])
  } else if (isMessage(message['configSource']) && typeof message['routeConfigName'] === 'string') {
    if (!found.route.includes(message['routeConfigName'])) found.route.push(message['routeConfigName'])
  } else {
    for (const field of Object.values(message)) collect(field, found, depth + 1)
  }
}

function isMessage(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

/** Extensions that lead nowhere: full of routes and filters without a name of another resource. */
const leaves = new Set(['envoy.extensions.filters.http.rbac.v3.RBAC', 'envoy.extensions.filters.network.rbac.v3.RBAC'])

function unpacked(any: google.protobuf.Any): unknown {
  if (leaves.has(anyName(any))) return undefined
  try {
    return decodeAny(any).value
  } catch {
    // a type Envoy's API lacks holds no reference this proxy could follow
    return undefined
  }
}
