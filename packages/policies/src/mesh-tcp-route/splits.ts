// Where connections of a destination go by MeshTCPRoute (contract/policies.md section 3.6).
import { field, isObject, listField } from '@weft/foundation/json'
import type { DestinationFact } from '@weft/facts'
import { type DestinationLookup, type OutboundRule, parseBackendRef, resolveBackendRef, type ToEntry } from '@weft/policy'
import type { ExtraDestination, SplitModel } from '../route-model.ts'

/** What resolving backends needs. */
export interface SplitScope {
  readonly destination: Pick<DestinationFact, 'kind'>
  readonly lookup: DestinationLookup
  /** Grows by every cluster that the result needs. */
  readonly extras: Map<string, ExtraDestination>
}

/** The conf of one `to` item: its only rule, or the target itself when it has none. */
export function tcpRouteConf(item: unknown): unknown {
  const [rule] = listField(item, 'rules')
  const conf = field(rule, 'default')
  return isObject(conf) && Array.isArray(conf['backendRefs']) ? conf : { backendRefs: [ownTarget] }
}

/** Backends with their weights; only the destination itself without a rule; empty when no backend exists. */
export function tcpSplitsOf(rule: OutboundRule | undefined, scope: SplitScope): readonly SplitModel[] {
  const own: SplitModel = { backend: { name: undefined, kind: scope.destination.kind }, weight: 1 }
  if (rule === undefined) return [own]
  const origin = originOf(rule)
  const splits: SplitModel[] = []
  for (const value of listField(rule.conf, 'backendRefs')) {
    if (value === ownTarget) {
      splits.push(own)
      continue
    }
    const ref = origin === undefined ? undefined : parseBackendRef(value, origin.policy)
    const backend = ref === undefined || ref.weight === 0 ? undefined : resolveBackendRef(ref, scope.lookup)
    if (ref === undefined || backend === undefined) continue
    scope.extras.set(backend.name, backend)
    splits.push({ backend: { name: backend.name, kind: ref.kind }, weight: ref.weight })
  }
  return splits
}

/** Stands for the destination itself in a conf. */
const ownTarget = Object.freeze({ own: true })

/** The strongest entry: its policy's namespace counts for bare references. */
function originOf(rule: OutboundRule): ToEntry | undefined {
  return rule.entries.at(-1)
}
