// Load assignments through the framed path: endpoints are encoded once per fact and parents are made by concatenation, so a
// change of one endpoint among thousands costs one small encode and one copy. Bytes are the same as those of a plain encode.
import { codec, frame, wrap } from '@weft/proto'
import type { EndpointInput, LoadAssignmentDraft, LocalityDraft } from './drafts.ts'
import { healthStatus } from './enums.ts'
import { metadataKeys } from './names.ts'
import { socketAddress, stringStruct, uintValue } from './values.ts'

/** With it one healthy endpoint takes all traffic while others are degraded (architecture.md section 7). */
export const degradedOverprovisioningFactor = 10_000

/** An endpoint with the place it is listed under. */
export interface PlacedEndpoint extends EndpointInput {
  readonly zone: string
  readonly priority: number
}

/**
 * A draft with endpoints grouped by priority and zone, in that order; within a group they keep their order. With a degraded endpoint
 * it has the factor that keeps traffic off it while any healthy one is left.
 */
export function loadAssignmentDraft(name: string, endpoints: readonly PlacedEndpoint[]): LoadAssignmentDraft {
  const groups = new Map<string, LocalityDraft>()
  let degraded = false
  for (const endpoint of endpoints) {
    if (endpoint.health === 'DEGRADED') degraded = true
    const { zone, priority, outOfReach } = endpoint
    const key = `${priority} ${zone} ${outOfReach ?? ''}`
    const group = groups.get(key)
    if (group === undefined) {
      groups.set(key, { zone, subZone: '', priority, weight: undefined, outOfReach, endpoints: [endpoint] })
    } else {
      group.endpoints.push(endpoint)
    }
  }
  return {
    name,
    overprovisioningFactor: degraded ? degradedOverprovisioningFactor : undefined,
    localities: [...groups.values()].sort((a, b) => a.priority - b.priority || compare(a.zone, b.zone)),
  }
}

/**
 * Puts endpoints out of reach behind all others, or leaves them out when something healthy is left. When nothing else is left of the service
 * they stay as they are. To be called once, when the localities have their order.
 */
export function settleOutOfReach(draft: LoadAssignmentDraft): void {
  const reached = draft.localities.filter(({ outOfReach }) => outOfReach === undefined)
  if (reached.length === 0 || reached.length === draft.localities.length) return
  const isCovered = reached.some(({ endpoints }) => endpoints.some(({ health }) => health === 'HEALTHY'))
  const behind = Math.max(...reached.map(({ priority }) => priority)) + 1
  const rest = draft.localities.filter(({ outOfReach }) => outOfReach === 'behind' || (outOfReach === 'leave' && !isCovered))
  for (const locality of rest) locality.priority = behind
  draft.localities = [...reached, ...rest]
}

/** Bytes of a ClusterLoadAssignment. */
export function encodeLoadAssignment(draft: LoadAssignmentDraft): Uint8Array {
  const assignment = codec('envoy.config.endpoint.v3.ClusterLoadAssignment')
  const chunks: Uint8Array[] = [assignment.encode({ clusterName: draft.name })]
  for (const locality of draft.localities) chunks.push(wrap(2, localityChunks(locality)))
  if (draft.overprovisioningFactor !== undefined) {
    chunks.push(assignment.encode({ policy: { overprovisioningFactor: uintValue(draft.overprovisioningFactor) } }))
  }
  return concat(chunks)
}

function localityChunks(locality: LocalityDraft): Uint8Array[] {
  const message = codec('envoy.config.endpoint.v3.LocalityLbEndpoints')
  const chunks: Uint8Array[] = []
  if (locality.zone !== '' || locality.subZone !== '') {
    chunks.push(message.encode({ locality: { zone: locality.zone, subZone: locality.subZone } }))
  }
  for (const endpoint of locality.endpoints) chunks.push(endpointChunk(endpoint))
  if (locality.weight !== undefined || locality.priority !== 0) {
    chunks.push(
      message.encode({
        ...(locality.weight === undefined ? {} : { loadBalancingWeight: uintValue(locality.weight) }),
        ...(locality.priority === 0 ? {} : { priority: locality.priority }),
      }),
    )
  }
  return chunks
}

const chunkOfEndpoint = new WeakMap<EndpointInput, Uint8Array>()

/** Field 2 of LocalityLbEndpoints, kept as long as the endpoint's fact. */
function endpointChunk(endpoint: EndpointInput): Uint8Array {
  const known = chunkOfEndpoint.get(endpoint)
  if (known !== undefined) return known
  const struct = Object.keys(endpoint.metadata).length === 0 ? undefined : structOf(endpoint.metadata)
  const bytes = codec('envoy.config.endpoint.v3.LbEndpoint').encode({
    endpoint: { address: socketAddress(endpoint.address, endpoint.port) },
    loadBalancingWeight: uintValue(endpoint.weight),
    ...(endpoint.health === 'DEGRADED' ? { healthStatus: healthStatus.DEGRADED } : {}),
    ...(struct === undefined
      ? {}
      : { metadata: { filterMetadata: { [metadataKeys.loadBalancer]: struct, [metadataKeys.transportSocketMatch]: struct } } }),
  })
  const chunk = frame(2, bytes)
  chunkOfEndpoint.set(endpoint, chunk)
  return chunk
}

const structOfLabels = new WeakMap<object, ReturnType<typeof stringStruct>>()

function structOf(labels: Readonly<Record<string, string>>): ReturnType<typeof stringStruct> {
  let struct = structOfLabels.get(labels)
  if (struct === undefined) {
    struct = stringStruct(labels)
    structOfLabels.set(labels, struct)
  }
  return struct
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const chunk of chunks) size += chunk.length
  const out = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    out.set(chunk, at)
    at += chunk.length
  }
  return out
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
