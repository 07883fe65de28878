// Who a policy speaks for: computed from where it is and whom it targets (contract/policies.md section 1.7).
import { field } from '@weft/foundation/json'
import { labelKeys } from './model.ts'

export type PolicyRole = 'system' | 'producer' | 'consumer' | 'workload-owner'

export interface RolePlace {
  /** Kubernetes namespace of the policy; '' outside Kubernetes. */
  readonly namespace: string
  readonly systemNamespace: string
}

/** The message for a policy whose `to` items speak for different roles. */
export const mixedRoleMessage = "it's not allowed to mix producer and consumer items in the same policy"

/** The role, or 'mixed' when the items disagree. Accepts any spec; parts of the wrong shape count as consumer items. */
export function computePolicyRole(spec: unknown, place: RolePlace): PolicyRole | 'mixed' {
  if (place.namespace === '' || place.namespace === place.systemNamespace) return 'system'
  const to = field(spec, 'to')
  if (!Array.isArray(to) || to.length === 0) return 'workload-owner'
  const producers = to.filter((item) => isProducerRef(field(item, 'targetRef'), place.namespace)).length
  if (producers === to.length) return 'producer'
  return producers === 0 ? 'consumer' : 'mixed'
}

function isProducerRef(ref: unknown, namespace: string): boolean {
  const kind = field(ref, 'kind')
  if (kind !== 'MeshService' && kind !== 'MeshHTTPRoute') return false
  const labels = field(ref, 'labels')
  if (typeof labels !== 'object' || labels === null) return false
  const own = field(labels, labelKeys.namespace)
  const allowed = Object.keys(labels).every((key) => key === labelKeys.displayName || key === labelKeys.namespace)
  return allowed && Object.hasOwn(labels, labelKeys.displayName) && (own === undefined || own === namespace)
}
