// Conditions of telemetry: on policies whether the collectors they refer to exist, on collectors whether anything refers to them
// (contract/resources.md section 11). Policies without such references have no condition.
import type { TelemetryBackendFact } from '@weft/facts'
import { field, isObject, listField } from '@weft/foundation/json'
import type { Collection, Graph } from '@weft/graph'
import { backendRefLabels, resolveTelemetryBackend } from '@weft/policy'
import { nameKey, type Resource } from '@weft/resources'
import { fieldsOf, type GeneratedPart } from './generated-part.ts'

const backendType = 'MeshOpenTelemetryBackend'

interface References {
  readonly mesh: string
  /** Names of the collectors that exist, one for each reference. */
  readonly resolved: readonly string[]
  /** The others, as labels. */
  readonly unresolved: readonly string[]
}

/** What is found out about one kind of policy. */
export interface TelemetryKind {
  readonly type: string
  /** By `mesh/name`; only policies that refer to collectors. */
  readonly references: Collection<References>
}

export interface TelemetryStatus {
  readonly kinds: readonly TelemetryKind[]
  /** How many references a collector has, by its `mesh/name`. */
  readonly referenced: Collection<number>
}

/** Follows the references of every kind whose policies may have them. */
export function deriveTelemetryStatus(
  graph: Graph,
  inputs: {
    readonly kinds: readonly { readonly type: string; readonly resources: Collection<Resource> }[]
    readonly collectors: Collection<Resource>
    /** By mesh. */
    readonly backends: Collection<readonly TelemetryBackendFact[]>
  },
): TelemetryStatus {
  const kinds = inputs.kinds.map(({ type, resources }) => ({
    type,
    references: graph.map({ name: `telemetryReferences.${type}`, from: resources, reads: [inputs.backends] }, (scope, policy) => {
      const refs = referencesIn(policy.spec)
      return refs.length === 0 ? undefined : resolve(policy.mesh, refs, scope.get(inputs.backends, policy.mesh) ?? [])
    }),
  }))
  const keyed = kinds.map(({ type, references }) =>
    graph.derive({ name: `telemetryReferencesByKind.${type}`, from: references }, (_, found, key) => [[`${type}/${key}`, found] as const]),
  )
  const all = graph.union('telemetryReferences', keyed)
  const byBackend = graph.group('telemetryReferencesByBackend', all, ({ mesh, resolved }) => [
    ...new Set(resolved.map((name) => `${mesh}/${name}`)),
  ])
  const referenced = graph.map(
    { name: 'telemetryReferenced', from: inputs.collectors, reads: [byBackend] },
    (scope, { mesh, name }) =>
      (scope.get(byBackend, `${mesh}/${name}`) ?? []).flatMap(({ resolved }) => resolved.filter((other) => other === name)).length,
  )
  return { kinds, referenced }
}

/** Writes the conditions. */
export function createTelemetryStatusPart({ kinds, referenced }: TelemetryStatus): GeneratedPart {
  const referencesOf = new Map(kinds.map(({ type, references }) => [type, references]))
  return {
    name: 'telemetry-status',
    types: [backendType, ...kinds.map(({ type }) => type)],
    apply: (key, draft) => {
      const count = key.type === backendType ? referenced.get(nameKey(key)) : undefined
      const found = referencesOf.get(key.type)?.get(nameKey(key))
      const condition = count !== undefined ? referencedCondition(count) : found && resolvedCondition(found)
      if (!draft || condition === undefined) return draft
      const status = fieldsOf(draft.status)
      const others = listField(status, 'conditions').filter((other) => field(other, 'type') !== condition.type)
      return { ...draft, status: { ...status, conditions: [...others, condition] } }
    },
  }
}

/** Every backendRef of a collector, wherever a kind has it. */
function referencesIn(spec: unknown): readonly unknown[] {
  if (Array.isArray(spec)) return spec.flatMap(referencesIn)
  if (!isObject(spec)) return []
  return Object.entries(spec).flatMap(([name, value]) =>
    name === 'backendRef' && field(value, 'kind') === backendType ? [value] : referencesIn(value),
  )
}

function resolve(mesh: string, refs: readonly unknown[], backends: readonly TelemetryBackendFact[]): References {
  const resolved: string[] = []
  const unresolved = new Set<string>()
  for (const ref of refs) {
    const backend = resolveTelemetryBackend(ref, backends)
    if (backend !== undefined) resolved.push(backend.name)
    else unresolved.add(textOf(ref))
  }
  return { mesh, resolved: resolved.sort(), unresolved: [...unresolved].sort() }
}

function textOf(ref: unknown): string {
  return Object.entries(backendRefLabels(ref) ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(' ')
}

function resolvedCondition({ unresolved }: References) {
  const type = 'BackendRefsResolved'
  if (unresolved.length === 0) {
    const message = 'All MeshOpenTelemetryBackend references are resolved'
    return { type, status: 'True', reason: 'AllBackendRefsResolved', message }
  }
  const message = `Unresolved MeshOpenTelemetryBackend references: ${unresolved.join(', ')}`
  return { type, status: 'False', reason: 'UnresolvedBackendRefs', message }
}

function referencedCondition(count: number) {
  const type = 'ReferencedByPolicies'
  return count === 0
    ? { type, status: 'False', reason: 'NotReferenced', message: 'Not referenced by any observability policy' }
    : { type, status: 'True', reason: 'Referenced', message: `Referenced by ${count} policy backend(s)` }
}
