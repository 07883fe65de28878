// The one order of policies and of their entries, weakest first: on merge the later one wins (contract/policies.md section 1.4).
// Where the contract leaves a tie, the store name decides, so that the order never depends on arrival.
import type { Resource } from '@weft/resources'
import { displayName, labelKeys } from '@weft/resources'
import { kindWeight, type TargetRef, topLevelRef } from './target-ref.ts'

/** Who made a policy and for whom (contract/policies.md section 1.7), weakest first. */
export type PolicyRole = 'system' | 'producer' | 'consumer' | 'workload-owner'

const roleRank: ReadonlyMap<string, number> = new Map<PolicyRole, number>([
  ['system', 1],
  ['producer', 2],
  ['consumer', 3],
  ['workload-owner', 4],
])
const originRank: ReadonlyMap<string, number> = new Map([
  ['global', 1],
  ['zone', 3],
])

/** Role of a policy as its label says; a missing or unknown label means system. */
export function roleOf(policy: Resource): PolicyRole {
  const role = policy.labels[labelKeys.policyRole]
  return role === 'producer' || role === 'consumer' || role === 'workload-owner' ? role : 'system'
}

/** Compares by everything but the name: negative when `a` is weaker. */
export function comparePolicyRank(a: Resource, b: Resource): number {
  const left = topLevelRef(a)
  const right = topLevelRef(b)
  return (
    kindWeight(left?.kind ?? '') - kindWeight(right?.kind ?? '') ||
    sectionRank(left) - sectionRank(right) ||
    (originRank.get(a.labels[labelKeys.origin] ?? '') ?? 2) - (originRank.get(b.labels[labelKeys.origin] ?? '') ?? 2) ||
    (roleRank.get(roleOf(a)) ?? 1) - (roleRank.get(roleOf(b)) ?? 1)
  )
}

/** Compares display names: the lexicographically smallest is the strongest; a tie goes to the smallest store name. */
export function comparePolicyNames(a: Resource, b: Resource): number {
  return descending(displayName(a), displayName(b)) || descending(a.name, b.name)
}

/** A new list of the policies, weakest first. Total and stable: the result does not depend on the order of the input. */
export function sortPolicies(policies: readonly Resource[]): readonly Resource[] {
  return policies.toSorted((a, b) => comparePolicyRank(a, b) || comparePolicyNames(a, b))
}

/** One item of a policy's `to` or `rules` list with the policy it comes from. */
export interface Entry<Item = unknown> {
  readonly policy: Resource
  /** Position in the policy's list. */
  readonly index: number
  readonly item: Item
}

/** Sorts `to` entries, weakest first; within a policy the later one wins on equal references (contract/policies.md section 1.4 keys 1-7). */
export function sortToEntries<E extends Entry & { readonly ref: TargetRef }>(entries: readonly E[]): readonly E[] {
  return entries.toSorted(
    (a, b) =>
      comparePolicyRank(a.policy, b.policy) ||
      kindWeight(a.ref.kind) - kindWeight(b.ref.kind) ||
      (a.ref.kind === 'MeshService' && b.ref.kind === 'MeshService'
        ? Number(a.ref.sectionName !== undefined) - Number(b.ref.sectionName !== undefined)
        : 0) ||
      comparePolicyNames(a.policy, b.policy),
  )
}

function sectionRank(ref: TargetRef | undefined): number {
  return ref?.kind === 'Dataplane' && ref.sectionName !== undefined ? 1 : 0
}

function descending(a: string, b: string): number {
  return a === b ? 0 : a > b ? -1 : 1
}
