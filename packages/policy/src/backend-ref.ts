// Backend references of routes: which destination port a reference means (contract/policies.md section 1.6).
import { field } from '@weft/foundation/json'
import type { DestinationFact, DestinationKind } from '@weft/facts'
import type { Labels, Resource } from '@weft/resources'
import { labelKeys } from '@weft/resources'
import { labelsMatch, parseTargetRef } from './target-ref.ts'

/** A reference of a route to a destination port. */
export interface BackendRef {
  readonly kind: DestinationKind
  readonly labels: Labels
  /** Port name, or port in decimal; undefined when the reference names none. */
  readonly section: string | undefined
  readonly weight: number
}

/** Finds destination ports: all known ones of a kind. Made by `destinationLookup`; its identity changes when the set of destinations does. */
export interface DestinationLookup {
  readonly byKind: (kind: DestinationKind) => readonly DestinationFact[]
}

/** A resolved reference: the destination port, and the name its cluster has because of how the reference wrote the section. */
export interface ResolvedBackend {
  readonly name: string
  readonly destination: DestinationFact
}

/** Indexes destinations by kind, oldest first. */
export function destinationLookup(destinations: Iterable<DestinationFact>): DestinationLookup {
  const byKind = new Map<DestinationKind, DestinationFact[]>()
  for (const destination of destinations) {
    const list = byKind.get(destination.kind)
    if (list === undefined) byKind.set(destination.kind, [destination])
    else list.push(destination)
  }
  for (const list of byKind.values()) list.sort((a, b) => compare(a.creationTime, b.creationTime) || compare(a.id, b.id))
  return { byKind: (kind) => byKind.get(kind) ?? [] }
}

/** Reads a reference of a route of `policy`; undefined when it names no destination by labels. The policy's namespace is added to a bare display name. */
export function parseBackendRef(value: unknown, policy: Resource): BackendRef | undefined {
  const ref = parseTargetRef(value)
  if (ref === undefined || ref.labels === undefined || Object.keys(ref.labels).length === 0) return undefined
  if (ref.kind !== 'MeshService' && ref.kind !== 'MeshExternalService' && ref.kind !== 'MeshMultiZoneService') return undefined
  const namespace = policy.labels[labelKeys.namespace]
  const bare = Object.hasOwn(ref.labels, labelKeys.displayName) && !Object.hasOwn(ref.labels, labelKeys.namespace)
  const labels = bare && namespace !== undefined && namespace !== '' ? { ...ref.labels, [labelKeys.namespace]: namespace } : ref.labels
  const port = field(value, 'port')
  const weight = field(value, 'weight')
  return {
    kind: ref.kind,
    labels,
    section: ref.sectionName ?? (typeof port === 'number' && port > 0 ? String(port) : undefined),
    weight: typeof weight === 'number' && Number.isInteger(weight) && weight >= 0 && weight <= 0xffffffff ? weight : 1,
  }
}

/**
 * The destination port a reference means: of the destinations whose labels all match the oldest, and its port with that name or number. A reference
 * without port means the only port of the destination (an external service has one). Undefined when there is none.
 */
export function resolveBackendRef(ref: BackendRef, lookup: DestinationLookup): ResolvedBackend | undefined {
  let owner: string | undefined
  const ports: DestinationFact[] = []
  for (const destination of lookup.byKind(ref.kind)) {
    if (owner === undefined && labelsMatch(ref.labels, destination.labels, destination.displayName)) owner = ownerOf(destination)
    if (owner !== undefined && ownerOf(destination) === owner) ports.push(destination)
  }
  const { section } = ref
  if (section === undefined) {
    const only = ports[0]
    if (only === undefined || ports.length !== 1) return undefined
    // An external service has no ports to name, so its cluster is named without one.
    return { name: ref.kind === 'MeshExternalService' ? withSection(only, '') : only.id, destination: only }
  }
  const found = ports.find((port) => port.portName === section) ?? ports.find((port) => String(port.port) === section)
  return found === undefined ? undefined : { name: withSection(found, section), destination: found }
}

/** Text that identifies what a reference points to, whatever the order of its labels (contract/policies.md section 1.6). */
export function backendRefHash(ref: BackendRef): string {
  const labels = Object.keys(ref.labels)
    .toSorted()
    .map((key) => `${key}=${ref.labels[key] ?? ''}`)
  const port = ref.section !== undefined && /^\d+$/.test(ref.section) ? ref.section : ''
  return [ref.kind, ...labels, port, port === '' ? (ref.section ?? '') : ''].join('/')
}

function withSection(destination: DestinationFact, section: string): string {
  return destination.portName === section
    ? destination.id
    : destination.id.slice(0, destination.id.length - destination.portName.length) + section
}

function ownerOf(destination: DestinationFact): string {
  return `${destination.mesh}/${destination.name}`
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}
