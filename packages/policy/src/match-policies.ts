// Which policies select a proxy (contract/policies.md section 1.3). Pure over the few properties of the proxy that count.
import type { Labels, Resource } from '@weft/resources'
import { labelKeys } from '@weft/resources'
import { roleOf, sortPolicies } from './order.ts'
import { labelsMatch, type TargetRef, topLevelRef } from './target-ref.ts'

/** What selection may depend on. */
export interface ProxyView {
  readonly labels: Labels
  readonly displayName: string
  /** Sections of all inbounds, whatever their state, and of all zone listeners: name, or port in decimal. */
  readonly sections: readonly string[]
  /** A delegated gateway has no inbounds and is selected as a whole. */
  readonly gateway: boolean
}

/** What else to take into account. */
export interface MatchOptions {
  /** Take policies labelled as shadow too (inspection and preview). */
  readonly shadow?: boolean
}

/** The policies of one kind that select the proxy, weakest first. Policies that cannot be understood are left out. */
export function matchPolicies(policies: readonly Resource[], proxy: ProxyView, options: MatchOptions = {}): readonly Resource[] {
  return sortPolicies(policies.filter((policy) => policySelects(policy, proxy, options)))
}

/** True when the policy selects at least one section of the proxy, or the proxy as a delegated gateway. */
export function policySelects(policy: Resource, proxy: ProxyView, options: MatchOptions = {}): boolean {
  return unselectedReason(policy, proxy, options) === undefined
}

/** What keeps a policy from a proxy. `unreadable`: its reference cannot be understood. */
export type UnselectedReason = 'shadow' | 'zone' | 'namespace' | 'unreadable' | 'labels' | 'section'

/** The first thing that keeps a policy from a proxy, in the order of the checks; undefined when the policy selects it. */
export function unselectedReason(policy: Resource, proxy: ProxyView, options: MatchOptions = {}): UnselectedReason | undefined {
  if (isShadow(policy) && options.shadow !== true) return 'shadow'
  if (!zoneSelects(policy, proxy)) return 'zone'
  if (!namespaceSelects(policy, proxy)) return 'namespace'
  const ref = topLevelRef(policy)
  if (ref === undefined) return 'unreadable'
  if (!refSelectsProxy(ref, proxy)) return 'labels'
  return proxy.gateway || proxy.sections.some((section) => refSelectsSection(ref, section)) ? undefined : 'section'
}

/** True when a policy that selects the proxy also selects this section of it. */
export function selectsSection(policy: Resource, section: string): boolean {
  const ref = topLevelRef(policy)
  return ref !== undefined && refSelectsSection(ref, section)
}

/** True for a policy that takes part in previews only. */
export function isShadow(policy: Resource): boolean {
  return policy.labels[labelKeys.effect] === 'shadow'
}

function zoneSelects(policy: Resource, proxy: ProxyView): boolean {
  if (roleOf(policy) === 'producer') return true
  if (proxy.labels[labelKeys.origin] === 'global' || policy.labels[labelKeys.origin] !== 'zone') return true
  const zone = policy.labels[labelKeys.zone]
  return zone === undefined || zone === proxy.labels[labelKeys.zone]
}

function namespaceSelects(policy: Resource, proxy: ProxyView): boolean {
  const role = roleOf(policy)
  if (role === 'system' || role === 'producer') return true
  const namespace = policy.labels[labelKeys.namespace]
  return namespace !== undefined && namespace === proxy.labels[labelKeys.namespace]
}

function refSelectsProxy(ref: TargetRef, proxy: ProxyView): boolean {
  if (ref.kind === 'Mesh') return true
  return ref.kind === 'Dataplane' && labelsMatch(ref.labels, proxy.labels, proxy.displayName)
}

function refSelectsSection(ref: TargetRef, section: string): boolean {
  return ref.kind === 'Mesh' || ref.sectionName === undefined || ref.sectionName === section
}
