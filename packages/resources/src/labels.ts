// Labels the control plane computes for what is written locally
// (contract/rest-cli-gui.md section 4.2, contract/resources.md section 1.3).
import type { ResourceDescriptor } from './descriptor.ts'
import { labelKeys, type Labels } from './model.ts'
import { computePolicyRole } from './policy-role.ts'
import { type ControlPlaneMode, isProvidedBy } from './sync-plan.ts'

/** Where a resource is written. */
export interface LabelPlace {
  readonly mode: ControlPlaneMode
  /** Name of the zone; '' on global. */
  readonly zone: string
  /** True for a zone that has a global. */
  readonly federated: boolean
  readonly environment: 'universal' | 'kubernetes'
  /** Kubernetes namespace of the resource; absent elsewhere. */
  readonly namespace?: string
  readonly systemNamespace?: string
}

interface Labelled {
  readonly mesh: string
  readonly name: string
  readonly labels: Labels
  readonly spec: unknown
}

/**
 * The labels of a locally written resource, keys sorted: the user's plus the computed ones. Only for local writes; copies that arrive by
 * sync keep theirs.
 */
export function computeLabels(kind: ResourceDescriptor, resource: Labelled, place: LabelPlace): Labels {
  const labels = new Map(Object.entries(resource.labels))
  labels.set(labelKeys.displayName, ownName(resource.name, place))
  if (kind.scope === 'Mesh' && !labels.get(labelKeys.mesh)) labels.set(labelKeys.mesh, resource.mesh)
  labels.set(labelKeys.origin, place.mode)
  if (place.mode === 'zone' && isProvidedBy(kind, 'zone')) {
    if (!labels.get(labelKeys.zone)) labels.set(labelKeys.zone, place.zone)
    labels.set(labelKeys.env, place.environment)
  }
  if (place.namespace !== undefined && place.namespace !== '') {
    labels.set(labelKeys.namespace, place.namespace)
    if (kind.policy !== undefined) {
      const role = computePolicyRole(resource.spec, { namespace: place.namespace, systemNamespace: place.systemNamespace ?? '' })
      if (role !== 'mixed') labels.set(labelKeys.policyRole, role)
    }
  }
  for (const [key, value] of Object.entries(kind.specLabels?.(resource.spec) ?? {})) labels.set(key, value)
  return sortLabels(labels)
}

/** On Kubernetes the core name is `<name>.<namespace>`; the display name is without the namespace. */
function ownName(name: string, place: LabelPlace): string {
  const suffix = `.${place.namespace ?? ''}`
  return suffix.length > 1 && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name
}

/** Labels as a plain object with sorted keys; a key such as `__proto__` stays an ordinary key. */
export function sortLabels(labels: ReadonlyMap<string, string>): Labels {
  return Object.fromEntries([...labels].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}

/** Labels with sorted keys; those that are sorted, as all stored ones are, stay the same object. */
export function inLabelOrder(labels: Labels): Labels {
  let last = ''
  for (const key of Object.keys(labels)) {
    if (key < last) return sortLabels(new Map(Object.entries(labels)))
    last = key
  }
  return labels
}
