// The role a policy gets from where it is and what it refers to (contract/policies.md section 1.7).
import { field, listField } from '@weft/foundation/json'
import type { Violation } from '@weft/foundation/errors'
import { labelKeys } from '@weft/resources'
import type { PolicyRole } from './order.ts'
import { parseTargetRef } from './target-ref.ts'

/** The role, or why the spec has none. */
export type RoleResult = { readonly role: PolicyRole } | { readonly violations: readonly Violation[] }

/** Computes the role of a policy's spec in a namespace. An unset namespace (Universal) or the system namespace means system. */
export function computeRole(spec: unknown, at: { readonly namespace: string; readonly systemNamespace: string }): RoleResult {
  if (at.namespace === '' || at.namespace === at.systemNamespace) return { role: 'system' }
  const items = listField(spec, 'to')
  if (items.length === 0) return { role: 'workload-owner' }
  const producers = items.filter((item) => isProducerItem(item, at.namespace)).length
  if (producers === 0) return { role: 'consumer' }
  if (producers === items.length) return { role: 'producer' }
  return { violations: [{ field: 'spec.to', message: "it's not allowed to mix producer and consumer items in the same policy" }] }
}

function isProducerItem(item: unknown, namespace: string): boolean {
  const ref = parseTargetRef(field(item, 'targetRef'))
  if (ref?.labels === undefined || (ref.kind !== 'MeshService' && ref.kind !== 'MeshHTTPRoute')) return false
  const { [labelKeys.displayName]: name, [labelKeys.namespace]: target, ...others } = ref.labels
  return name !== undefined && Object.keys(others).length === 0 && (target === undefined || target === namespace)
}
