// Why a dataplane has the policies it has: which select it and in which order, which do not and what keeps them away, and for every field of
// what they add up to, who set it.
import type { JsonObject } from '@weft/foundation/json'
import {
  fieldOrigins,
  type FieldOrigin,
  inboundRules,
  type MergeSpec,
  outboundRule,
  type OutboundTarget,
  roleOf,
  selectsSection,
  toEntries,
  type UnselectedReason,
  unselectedReason,
} from '@weft/policy'
import { displayName, labelKeys, type Resource, type ResourceDescriptor } from '@weft/resources'
import { field } from '@weft/foundation/json'
import { type Inspected, type MatchedKind, policyKinds } from './inspected.ts'
import { kriOfResource } from './meta.ts'

/** What to explain. */
export interface PolicyQuestion {
  /** One kind; all kinds when absent. */
  readonly kind?: ResourceDescriptor
  /** The destinations to explain `to` entries for. */
  readonly targets: readonly { readonly name: string; readonly target: OutboundTarget }[]
}

/** One entry for each kind that has any policy in the dataplane's mesh. */
export function explainPolicies(dataplane: Inspected, { kind: wanted, targets }: PolicyQuestion): readonly JsonObject[] {
  return policyKinds(dataplane.source.registry).flatMap((kind) => {
    if (wanted && wanted !== kind) return []
    const all = dataplane.source.store.list(kind.type, dataplane.resource.mesh)
    const missing = missingPolicies(dataplane, kind, all)
    if (all.length + missing.length === 0) return []
    const matched = dataplane.matched.find((each) => each.kind === kind)
    return [
      {
        kind: kind.type,
        selected: (matched?.policies ?? []).map((policy, index) => selectedPolicy(dataplane, policy, index + 1)),
        notSelected: [...all.flatMap((policy) => unselectedPolicy(dataplane, policy)), ...missing],
        ...(matched ? effects(dataplane, matched, targets) : {}),
      },
    ]
  })
}

/** `order`: 1 is the weakest; a later one wins where both say something. */
function selectedPolicy(dataplane: Inspected, policy: Resource, order: number): JsonObject {
  const sections = dataplane.view.sections.filter((section) => selectsSection(policy, section))
  return {
    ...named(dataplane, policy),
    order,
    role: roleOf(policy),
    origin: policy.labels[labelKeys.origin] ?? '',
    targetRef: field(policy.spec, 'targetRef') ?? { kind: 'Mesh' },
    ...(sections.length < dataplane.view.sections.length ? { sections } : {}),
    ...rejectionOf(dataplane, policy),
    ...heldBack(dataplane, policy),
  }
}

/** Policies of which the zone has nothing, because it refuses what was sent. */
function missingPolicies({ source, resource }: Inspected, kind: ResourceDescriptor, all: readonly Resource[]): readonly JsonObject[] {
  return (source.sync?.refused(kind.type, resource.mesh) ?? []).flatMap(({ name, reason, since }) =>
    all.some((policy) => policy.name === name)
      ? []
      : [{ name, reason: 'quarantined', message: `the zone refuses it since ${since}: ${reason}` }],
  )
}

/** Where the zone does not have the version that is shown here. */
function heldBack({ source }: Inspected, policy: Resource): JsonObject {
  const refused = source.sync?.refused(policy.type, policy.mesh).find(({ name }) => name === policy.name)
  if (refused) {
    const message = `the zone refuses its latest version since ${refused.since} and goes by the last good one, if it had any: ${refused.reason}`
    return { heldBack: { reason: 'quarantined', message } }
  }
  if (!source.sync?.isOnItsWay(policy)) return {}
  return { heldBack: { reason: 'not synced yet', message: 'the zone has not acknowledged its latest version' } }
}

/** Where Envoy refused what the policy says now. */
function rejectionOf({ source, fact }: Inspected, policy: Resource): JsonObject {
  const rejected = source.rejections?.(fact.key).find((each) => each.policy.type === policy.type && each.policy.name === policy.name)
  if (!rejected) return {}
  const { message, resources, hasEarlier } = rejected
  return { rejected: { message, resources, running: hasEarlier ? 'the last version that was accepted' : 'nothing of it' } }
}

function unselectedPolicy(dataplane: Inspected, policy: Resource): readonly JsonObject[] {
  const reason = unselectedReason(policy, dataplane.view)
  return reason === undefined ? [] : [{ ...named(dataplane, policy), reason, message: reasonText(reason, policy, dataplane) }]
}

/** What keeps a policy away, for a person. */
function reasonText(reason: UnselectedReason, policy: Resource, { view, fact }: Inspected): string {
  const label = (key: string): string => policy.labels[key] ?? ''
  const ref = field(policy.spec, 'targetRef')
  switch (reason) {
    case 'shadow':
      return `it is labelled ${labelKeys.effect}: shadow and takes part in previews only`
    case 'zone':
      return `it was written in zone ${label(labelKeys.zone)} and holds there; this dataplane is in ${view.labels[labelKeys.zone] ?? fact.zone}`
    case 'namespace':
      return `as ${roleOf(policy)} policy it holds in its namespace ${label(labelKeys.namespace) || '(none)'} only`
    case 'unreadable':
      return `its targetRef cannot be understood: ${JSON.stringify(ref)}`
    case 'labels':
      return `its targetRef wants ${JSON.stringify(field(ref, 'labels') ?? {})}, which the labels of the dataplane do not have`
    case 'section':
      return `its targetRef names the section ${JSON.stringify(field(ref, 'sectionName'))}; the dataplane has ${view.sections.join(', ') || 'none'}`
  }
}

function effects(dataplane: Inspected, { kind, shape, policies }: MatchedKind, targets: PolicyQuestion['targets']): JsonObject {
  const facet = kind.policy
  const merge: MergeSpec = shape?.merge ?? {}
  const fieldsOf = (confs: readonly { readonly author: Resource; readonly conf: unknown }[]): readonly JsonObject[] =>
    fieldOrigins(confs, merge).map((each) => fieldBody(dataplane, each))
  const single =
    facet?.single === true ? fieldsOf(policies.map((policy) => ({ author: policy, conf: field(policy.spec, 'default') }))) : undefined
  const inbounds =
    facet?.rules === true
      ? dataplane.view.sections.flatMap((section) => {
          const rules = inboundRules(policies, section)
          return rules.length === 0
            ? []
            : [
                {
                  section,
                  rules: rules.map(({ match, conf, policy }) => ({ ...(match ? { match } : {}), conf, from: kri(dataplane, policy) })),
                },
              ]
        })
      : undefined
  const entries = toEntries(policies)
  const confOf = shape?.confOf ?? ((item: unknown) => field(item, 'default'))
  const to =
    facet?.to === true
      ? targets.flatMap(({ name, target }) => {
          const rule = outboundRule(entries, target, shape ?? {})
          return rule
            ? [{ destination: name, fields: fieldsOf(rule.entries.map(({ policy, item }) => ({ author: policy, conf: confOf(item) }))) }]
            : []
        })
      : undefined
  return { ...(single ? { proxy: single } : {}), ...(inbounds ? { inbounds } : {}), ...(to ? { to } : {}) }
}

function fieldBody(dataplane: Inspected, { path, value, from, overridden }: FieldOrigin<Resource>): JsonObject {
  return {
    path,
    value,
    from: from.map((policy) => kri(dataplane, policy)),
    ...(overridden.length > 0 ? { overridden: overridden.map((policy) => kri(dataplane, policy)) } : {}),
  }
}

function named(dataplane: Inspected, policy: Resource): JsonObject {
  return { kri: kri(dataplane, policy), name: displayName(policy) }
}

function kri({ source }: Inspected, policy: Resource): string {
  return kriOfResource(source.registry, policy)
}
