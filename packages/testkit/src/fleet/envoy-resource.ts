// What a proxy has to look at in a resource: the names it makes Envoy ask for next, and the facts that measurements wait for.
import { AppError, messageOf } from '@weft/foundation/errors'
import { codec, contentHash, type google, toNumber } from '@weft/proto'
import type { Reader } from 'protobufjs'
import { endOfField, readerOf, walkMessage } from './resource-walk.ts'

/** The resource types in the order Envoy initialises them. */
export const simulatedTypes = ['cluster', 'endpoint', 'secret', 'listener', 'route'] as const
export type SimulatedType = (typeof simulatedTypes)[number]
/** Types that are asked for by name, because another resource refers to them. */
export const namedTypes = ['endpoint', 'secret', 'route'] as const
export type NamedType = (typeof namedTypes)[number]

const urlPrefix = 'type.googleapis.com/'

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
  const name = simulatedTypeUrls[type].slice(urlPrefix.length)
  try {
    walkMessage(name, value, (to, of) => {
      if (!references[to].includes(of)) references[to].push(of)
    })
    if (type === 'endpoint') return { references, connectTimeoutMs: 0, preferredEndpoints: countPreferred(value) }
    if (type !== 'cluster') return { references, connectTimeoutMs: 0, preferredEndpoints: 0 }
    const { loadAssignment, connectTimeoutMs } = readCluster(value)
    if (loadAssignment !== undefined) references.endpoint.push(loadAssignment)
    return { references, connectTimeoutMs, preferredEndpoints: 0 }
  } catch (error) {
    throw new AppError('resource/undecodable', `${name} cannot be decoded: ${messageOf(error)}`, { cause: error })
  }
}

/** Calls `visit` at each field of a message; it reads the field and returns true, or leaves it to be skipped. */
function eachField(reader: Reader, end: number, visit: (tag: number) => boolean): void {
  while (reader.pos < end) {
    const tag = reader.tag()
    if (!visit(tag)) reader.skipType(tag & 7, 0, tag >>> 3)
  }
}

const varint = (field: number): number => field << 3
const delimited = (field: number): number => (field << 3) | 2

/** Fields of envoy.config.cluster.v3.Cluster: name 1, type 2, eds_cluster_config 3 (service_name 2), connect_timeout 4. */
function readCluster(value: Uint8Array): { readonly loadAssignment: string | undefined; readonly connectTimeoutMs: number } {
  const reader = readerOf(value)
  let name = ''
  let type = 0
  let serviceName = ''
  let connectTimeoutMs = 0
  eachField(reader, reader.len, (tag) => {
    if (tag === delimited(1)) name = reader.string()
    else if (tag === varint(2)) type = reader.int32()
    else if (tag === delimited(3)) {
      eachField(reader, endOfField(reader, reader.len), (inner) => {
        if (inner !== delimited(2)) return false
        serviceName = reader.string()
        return true
      })
    } else if (tag === delimited(4)) {
      const { seconds, nanos } = codec('google.protobuf.Duration').decode(reader.bytes())
      connectTimeoutMs = toNumber(seconds) * 1000 + (nanos ?? 0) / 1e6
    } else return false
    return true
  })
  // discovery type EDS is 3 (envoy.config.cluster.v3.Cluster.DiscoveryType)
  return { loadAssignment: type === 3 ? serviceName || name : undefined, connectTimeoutMs }
}

/** Fields: ClusterLoadAssignment.endpoints 2, LocalityLbEndpoints.lb_endpoints 2, LbEndpoint.health_status 2 (envoy.config.endpoint.v3). */
function countPreferred(value: Uint8Array): number {
  const reader = readerOf(value)
  let count = 0
  eachField(reader, reader.len, (top) => {
    if (top !== delimited(2)) return false
    eachField(reader, endOfField(reader, reader.len), (inLocality) => {
      if (inLocality !== delimited(2)) return false
      let health = 0
      eachField(reader, endOfField(reader, reader.len), (inEndpoint) => {
        if (inEndpoint !== varint(2)) return false
        health = reader.int32()
        return true
      })
      // health status UNKNOWN is 0, HEALTHY 1 (envoy.config.core.v3.HealthStatus)
      if (health <= 1) count++
      return true
    })
    return true
  })
  return count
}
