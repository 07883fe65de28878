// Target references and their ranking (contract/policies.md section 1.1). Readers are total: whatever a stored spec holds, they answer
// with a known shape or undefined, so that one odd policy cannot disturb the others.
import { field, isObject, textField } from '@weft/foundation/json'
import type { Labels, Resource } from '@weft/resources'

/** Kinds a target reference may name. */
export type TargetKind = 'Mesh' | 'Dataplane' | 'MeshService' | 'MeshExternalService' | 'MeshMultiZoneService' | 'MeshHTTPRoute'

/** A reference to a set of resources. Absent labels select all of the kind. */
export interface TargetRef {
  readonly kind: TargetKind
  readonly labels: Labels | undefined
  readonly sectionName: string | undefined
}

/** A match of an inbound rule: both parts must hold (contract/policies.md section 1.1). */
export interface Match {
  readonly spiffeID?: { readonly type: 'Exact' | 'Prefix'; readonly value: string }
  readonly sni?: { readonly type: 'Exact'; readonly value: string }
}

const weights: ReadonlyMap<string, number> = new Map<TargetKind, number>([
  ['Mesh', 1],
  ['Dataplane', 2],
  ['MeshService', 5],
  ['MeshExternalService', 6],
  ['MeshMultiZoneService', 7],
  ['MeshHTTPRoute', 9],
])

/** Rank of a kind: a higher one is more specific and wins; 0 for an unknown kind. */
export function kindWeight(kind: string): number {
  return weights.get(kind) ?? 0
}

/** Label map of a reference: undefined when absent; entries that are not text never match and make the map unusable (undefined and false differ). */
function labelsField(value: unknown): Labels | undefined | false {
  const labels = field(value, 'labels')
  if (labels === undefined || labels === null) return undefined
  if (!isObject(labels)) return false
  const out = new Map<string, string>()
  for (const [key, text] of Object.entries(labels)) {
    if (typeof text !== 'string') return false
    out.set(key, text)
  }
  return Object.fromEntries(out)
}

/** Reads a target reference; undefined when it is malformed or its kind is unknown (such a policy or entry is skipped). */
export function parseTargetRef(value: unknown): TargetRef | undefined {
  const kind = field(value, 'kind')
  if (!isTargetKind(kind)) return undefined
  const labels = labelsField(value)
  if (labels === false) return undefined
  return { kind, labels, sectionName: textField(value, 'sectionName') || undefined }
}

const wholeMesh: TargetRef = { kind: 'Mesh', labels: undefined, sectionName: undefined }
/** Every proxy is compared with the same few policies; null: not understood. */
const topLevelRefs = new WeakMap<Resource, TargetRef | null>()

/** The top-level reference of a policy: absent means the whole mesh; undefined when it cannot be understood. Read once for each policy. */
export function topLevelRef(policy: Resource): TargetRef | undefined {
  let ref = topLevelRefs.get(policy)
  if (ref === undefined) {
    const value = field(policy.spec, 'targetRef')
    ref = value === undefined || value === null ? wholeMesh : (parseTargetRef(value) ?? null)
    topLevelRefs.set(policy, ref)
  }
  return ref ?? undefined
}

/** True when every wanted pair equals a present one; the display name falls back to the resource's name (contract/policies.md section 1.6). */
export function labelsMatch(wanted: Labels | undefined, labels: Labels, displayName: string): boolean {
  if (wanted === undefined) return true
  for (const [key, value] of Object.entries(wanted)) {
    const actual = key === 'kuma.io/display-name' ? displayName : Object.hasOwn(labels, key) ? labels[key] : undefined
    if (actual !== value) return false
  }
  return true
}

function isTargetKind(kind: unknown): kind is TargetKind {
  return typeof kind === 'string' && weights.has(kind)
}
