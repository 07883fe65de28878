// Every rule that holds for a dataplane, by kind (contract/rest-cli-gui.md section 6.7).
import { createHash } from 'node:crypto'
import type { JsonObject } from '@weft/foundation/json'
import {
  type InboundRule,
  inboundRules,
  type OutboundTarget,
  outboundRules,
  portTarget,
  proxyConf,
  routeTarget,
  type ToEntry,
} from '@weft/policy'
import type { Resource } from '@weft/resources'
import { destinationsOf, type Inspected, type MatchedKind } from './inspected.ts'
import { metaOf } from './meta.ts'

/** The body of `_rules`. */
export function dataplaneRules(dataplane: Inspected): JsonObject {
  const candidates = targetsOf(dataplane)
  const rules = dataplane.matched.map((matched) => kindRules(dataplane, matched, candidates))
  return { resource: metaOf(dataplane.resource), httpMatches: httpMatches(rules), rules: rules.map(({ body }) => body) }
}

interface Candidate {
  readonly target: OutboundTarget
  readonly of: { readonly resource: Resource; readonly section: string }
}

interface KindRules {
  readonly body: JsonObject
  readonly matches: readonly unknown[]
}

function kindRules(dataplane: Inspected, { kind, shape, policies }: MatchedKind, candidates: readonly Candidate[]): KindRules {
  const facet = kind.policy
  const to = facet?.to === true ? outboundRules(policies, candidates, shape ?? {}) : []
  const conf = facet?.single === true ? proxyConf(policies) : undefined
  const proxyRule = conf && { conf, origin: policies.map(metaOf) }
  const body = {
    type: kind.type,
    ...(proxyRule ? { proxyRule } : {}),
    toResourceRules: to.map((rule) => ({
      resourceMeta: metaOf(rule.target.resource),
      resourceSectionName: rule.target.section,
      conf: [rule.conf],
      origin: rule.entries.map(originOf),
    })),
    inboundRules: facet?.rules === true ? inboundSections(dataplane, policies) : [],
    warnings: [],
  }
  const matches = to.flatMap((rule) => shape?.routesOf(rule).map((route) => route.matches) ?? [])
  return { body, matches: matches.filter((match) => match !== null) }
}

/** One entry for each inbound and zone listener with rules; a listener is known by its port alone. */
function inboundSections({ fact }: Inspected, policies: readonly Resource[]): readonly JsonObject[] {
  const places = [
    ...fact.inbounds.map(({ section, port }) => ({ section, port, name: section === String(port) ? undefined : section })),
    ...fact.zoneListeners.map(({ section, port }) => ({ section, port, name: undefined })),
  ]
  return places.flatMap(({ section, port, name }) => {
    const rules = inboundRules(policies, section)
    if (rules.length === 0) return []
    return [{ inbound: { ...(name === undefined ? {} : { name }), port, tags: null }, rules: rules.map(inboundRule) }]
  })
}

function inboundRule({ match, conf, policy, index }: InboundRule): JsonObject {
  return { ...(match === undefined ? {} : { match }), conf: [conf], origin: [{ resourceMeta: metaOf(policy), ruleIndex: index }] }
}

function originOf({ policy, index }: ToEntry): JsonObject {
  return { resourceMeta: metaOf(policy), ruleIndex: index }
}

/** Everything a `to` entry can name in the mesh, in the order in which the reference lists rules: by name. */
function targetsOf(dataplane: Inspected): readonly Candidate[] {
  const { store } = dataplane.source
  const { mesh } = dataplane.resource
  const meshResource = store.get({ type: 'Mesh', mesh: '', name: mesh })
  const whole: Candidate[] = meshResource ? [{ target: { kind: 'Mesh' }, of: { resource: meshResource, section: '' } }] : []
  const routes = store
    .list('MeshHTTPRoute', mesh)
    .map((route): Candidate => ({ target: routeTarget(route), of: { resource: route, section: '' } }))
  const services = new Map<string, Candidate>()
  const ports: Candidate[] = []
  for (const destination of destinationsOf(dataplane)) {
    const resource = store.get({ type: destination.kind, mesh, name: destination.name })
    if (!resource) continue
    const key = `${destination.kind}/${destination.name}`
    if (!services.has(key)) services.set(key, { target: { ...portTarget(destination), section: undefined }, of: { resource, section: '' } })
    // an external service has no sections to name
    if (destination.kind !== 'MeshExternalService')
      ports.push({ target: portTarget(destination), of: { resource, section: destination.portName } })
  }
  return [...whole, ...routes, ...services.values(), ...ports].toSorted(
    (a, b) =>
      compare(a.of.resource.name, b.of.resource.name) ||
      compare(a.of.resource.type, b.of.resource.type) ||
      compare(a.of.section, b.of.section),
  )
}

/** The distinct matches of routes, named by a digest of their text as the reference writes it. */
function httpMatches(rules: readonly KindRules[]): readonly JsonObject[] {
  const byHash = new Map<string, unknown>()
  for (const match of rules.flatMap(({ matches }) => matches)) {
    byHash.set(createHash('sha256').update(JSON.stringify(match)).digest('base64'), match)
  }
  return [...byHash].toSorted(([a], [b]) => compare(a, b)).map(([hash, match]) => ({ hash, match }))
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}
