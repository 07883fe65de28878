// What the policies of a dataplane add up to at one place of it: the proxy, an inbound, an outbound, a route
// (contract/rest-cli-gui.md section 6.8).
import type { JsonObject } from '@weft/foundation/json'
import { inboundRules, outboundRule, type OutboundRule, type OutboundTarget, proxyConf, routeTarget, toEntries } from '@weft/policy'
import type { Resource } from '@weft/resources'
import type { Inspected, MatchedKind } from './inspected.ts'
import { kriOfResource } from './meta.ts'

/** Policies with one conf for the whole proxy. */
export function proxyPolicies(dataplane: Inspected): JsonObject {
  const policies = dataplane.matched.flatMap(({ kind, policies: list }) => {
    const conf = kind.policy?.single === true ? proxyConf(list) : undefined
    return conf ? [{ kind: kind.type, conf, origins: list.map((policy) => originOf(dataplane, policy)) }] : []
  })
  return { policies }
}

/** Policies of an inbound or zone listener; undefined when the dataplane has no such section. */
export function inboundPolicies(dataplane: Inspected, section: string): JsonObject | undefined {
  if (!dataplane.view.sections.includes(section)) return undefined
  const policies = dataplane.matched.flatMap(({ kind, policies: list }) => {
    const rules = kind.policy?.rules === true ? inboundRules(list, section) : []
    if (rules.length === 0) return []
    const origins = [...new Set(rules.map(({ policy }) => policy))]
    return [
      {
        kind: kind.type,
        rules: rules.map(({ policy, conf }) => ({ ...originOf(dataplane, policy), conf })),
        origins: origins.map((policy) => originOf(dataplane, policy)),
      },
    ]
  })
  return { policies }
}

/** Policies of a destination or a port of it. */
export function outboundPolicies(dataplane: Inspected, target: OutboundTarget): JsonObject {
  return { policies: toPolicies(dataplane, target) }
}

/** Policies of a route: those that name it, merged over those of the mesh. */
export function routePolicies(dataplane: Inspected, route: Resource): JsonObject {
  return { policies: toPolicies(dataplane, routeTarget(route)) }
}

/** The routes of a destination or a port of it by the policies for it; none when only its own backends serve it. */
export function outboundRoutes(dataplane: Inspected, target: OutboundTarget): JsonObject {
  const routes = dataplane.matched.flatMap((matched) => {
    const { kind, shape } = matched
    const rule = shape && ruleOf(matched, target)
    if (!shape || !rule) return []
    const rules = shape.routesOf(rule).map(({ policy, matches, conf }) => ({
      kri: policy ? kriOfResource(dataplane.source.registry, policy) : '',
      matches,
      conf,
    }))
    return [{ kind: kind.type, origins: rule.entries.map(({ policy }) => originOf(dataplane, policy)), rules }]
  })
  return { routes }
}

function toPolicies(dataplane: Inspected, target: OutboundTarget): readonly JsonObject[] {
  return dataplane.matched.flatMap((matched) => {
    const rule = ruleOf(matched, target)
    if (!rule) return []
    return [{ kind: matched.kind.type, conf: [rule.conf], origins: rule.entries.map(({ policy }) => originOf(dataplane, policy)) }]
  })
}

function ruleOf({ kind, shape, policies }: MatchedKind, target: OutboundTarget): OutboundRule | undefined {
  return kind.policy?.to === true ? outboundRule(toEntries(policies), target, shape ?? {}) : undefined
}

function originOf({ source }: Inspected, policy: Resource): { readonly kri: string } {
  return { kri: kriOfResource(source.registry, policy) }
}
