// What a MeshIdentity's status says of it, and what may be concluded from that (contract/resources.md section 8).
import { isDeepStrictEqual } from 'node:util'
import type { MeshIdentityStatus, Resource } from '@weft/resources'
import { issuerActor, type IdentityStore } from './identity-store.ts'

/** A condition that this package writes. */
export interface Condition {
  readonly type: 'Ready' | 'Provider' | 'SpiffeIDProvider' | 'MeshTrustCreated'
  readonly status: 'True' | 'False'
  readonly reason: string
  readonly message: string
}

/**
 * Reason of `Ready: False` for an identity that was ready and lost its authority. Its proxies keep their identity: without one they would take
 * and make connections in clear. Stock control planes know no such reason and show that the identity is not ready.
 */
export const lastAuthority = 'LastAuthorityInUse'
const partlyReady = 'PartiallyReady'

/** What a MeshIdentity is good for. */
export interface IdentityReadiness {
  /** Proxies get certificates of it. */
  readonly issues: boolean
  /** SPIFFE IDs of it are valid. */
  readonly names: boolean
}

/** Reads the conditions. */
export function readinessOf(identity: Pick<Resource, 'status'>): IdentityReadiness {
  // stored MeshIdentities passed the codec of their kind
  const { conditions } = (identity.status ?? {}) as MeshIdentityStatus
  const ready = conditions?.find(({ type }) => type === 'Ready')
  const issues = ready?.status === 'True' || ready?.reason === lastAuthority
  return { issues, names: issues || ready?.reason === partlyReady }
}

/** A condition with its message cut to what the resource takes. */
export function condition(type: Condition['type'], status: Condition['status'], reason: string, message: string): Condition {
  return { type, status, reason, message: message.slice(0, 1000) }
}

/** Replaces the conditions this package writes and keeps those of others; writes nothing when nothing changed. */
export async function writeConditions(
  identity: Resource,
  { store, mayWrite }: { readonly store: IdentityStore; readonly mayWrite?: () => boolean },
  conditions: readonly Condition[],
): Promise<void> {
  if (mayWrite?.() === false) return
  const key = { type: identity.type, mesh: identity.mesh, name: identity.name }
  const stored = store.get(key)
  if (!stored) return
  const status = typeof stored.status === 'object' && stored.status !== null ? stored.status : {}
  const previous = 'conditions' in status && Array.isArray(status.conditions) ? status.conditions : []
  const others = previous.filter((each: unknown) => isConditionOf(each, ['DependenciesReady']))
  const next = [...conditions, ...others]
  if (isDeepStrictEqual(previous, next)) return
  const resource = { ...key, labels: stored.labels, spec: stored.spec, status: { ...status, conditions: next } }
  await store.transact([{ op: 'put', resource, expect: stored.version }], { actor: issuerActor, reason: 'status', class: 'observed' })
}

function isConditionOf(value: unknown, types: readonly string[]): boolean {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' && types.includes(value.type)
}
