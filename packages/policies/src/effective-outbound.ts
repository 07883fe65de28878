// Effective conf of a destination port for the proxies that share a policy set: routes, and what every policy says about its listener and
// cluster. Independent of the proxy; equal content is the identical object, so encoded resources may be shared by that identity.
import { listField } from '@weft/foundation/json'
import type { DestinationFact, PolicySet } from '@weft/facts'
import { messageOf } from '@weft/foundation/errors'
import { canonicalJson } from '@weft/foundation/schema'
import {
  type DestinationLookup,
  directRule,
  type OutboundRule,
  outboundRule,
  portTarget,
  routeTarget,
  type ToEntry,
  toEntries,
  topLevelRef,
} from '@weft/policy'
import type { Resource } from '@weft/resources'
import { createIdentityNumbers, createInterner } from './interner.ts'
import { httpRouteMerge, httpRoutesOf } from './mesh-http-route/routes.ts'
import { tcpRouteConf, tcpSplitsOf } from './mesh-tcp-route/splits.ts'
import type { ConfByType, Problem } from './plugin.ts'
import { plugins } from './plugins.ts'
import type { ExtraDestination, RouteModel, SplitModel } from './route-model.ts'

/** Everything policies say about one destination port. */
export interface OutboundConf {
  /** What the outbound's listener is: an HTTP one with `routes`, a TCP one with `tcpSplits`, or absent because no backend exists. */
  readonly listener: 'http' | 'tcp' | 'none'
  readonly routes: readonly RouteModel[]
  readonly tcpSplits: readonly SplitModel[]
  /** Whether some route leads to the outbound's own cluster; without it the cluster is not needed. */
  readonly ownCluster: boolean
  /** Clusters that routes need besides; each has the effective conf of its own destination. Sorted by name. */
  readonly extraDestinations: readonly ExtraDestination[]
  readonly byType: ConfByType
  readonly problems: readonly Problem[]
}

interface OutboundPolicies {
  readonly byType: ReadonlyMap<string, readonly Resource[]>
}

interface Remembered {
  /** The lookup that the conf depends on; undefined when no route refers to a backend. */
  readonly lookup: DestinationLookup | undefined
  readonly conf: OutboundConf
}

const intern = createInterner<OutboundConf>()
const identityOf = createIdentityNumbers()
const memo = new WeakMap<OutboundPolicies, WeakMap<DestinationFact, Remembered>>()
const outboundMemo = new WeakMap<PolicySet, OutboundPolicies>()
const internPolicies = createInterner<OutboundPolicies>()
const entriesMemo = new WeakMap<readonly Resource[], readonly ToEntry[]>()

/**
 * The conf of a destination port. `lookup` resolves the backend references of routes; its identity must change when destinations do. Memoised by
 * identity, interned by content. Never throws: a policy type that fails is reported in `problems`.
 */
export function effectiveOutbound(policies: PolicySet, destination: DestinationFact, lookup: DestinationLookup): OutboundConf {
  const outbound = outboundPoliciesOf(policies)
  let byDestination = memo.get(outbound)
  if (byDestination === undefined) {
    byDestination = new WeakMap()
    memo.set(outbound, byDestination)
  }
  const known = byDestination.get(destination)
  if (known !== undefined && (known.lookup === undefined || known.lookup === lookup)) return known.conf
  let consulted: DestinationLookup | undefined
  const conf = compute(outbound, destination, {
    byKind: (kind) => {
      consulted = lookup
      return lookup.byKind(kind)
    },
  })
  byDestination.set(destination, { lookup: consulted, conf })
  return conf
}

/**
 * The part of a policy set that destinations depend on: policies with `to`, and those of the whole mesh. Sets that differ only in what single
 * workloads say about their inbounds share it, and with it every computation.
 */
function outboundPoliciesOf(policies: PolicySet): OutboundPolicies {
  const known = outboundMemo.get(policies)
  if (known !== undefined) return known
  const byType = new Map<string, readonly Resource[]>()
  const key: (string | number)[] = []
  for (const { type } of plugins) {
    const list = policies.byType
      .get(type)
      ?.filter((policy) => listField(policy.spec, 'to').length > 0 || topLevelRef(policy)?.kind === 'Mesh')
    if (list === undefined || list.length === 0) continue
    byType.set(type, list)
    key.push(type, ...list.map(identityOf))
  }
  const outbound = internPolicies(key.join(' '), { byType })
  outboundMemo.set(policies, outbound)
  return outbound
}

function compute(policies: OutboundPolicies, destination: DestinationFact, lookup: DestinationLookup): OutboundConf {
  const problems: Problem[] = []
  const routing = routingOf(policies, destination, lookup, problems)
  const byType: Record<string, unknown> = Object.create(null)
  for (const plugin of plugins) {
    if (plugin.outboundConf === undefined) continue
    try {
      const list = policies.byType.get(plugin.type) ?? []
      const entries = entriesOf(list)
      const conf = plugin.outboundConf({
        policies: list,
        destination,
        rule: outboundRule(entries, portTarget(destination)),
        routeRules: routeRulesOf(entries, routing.routePolicies),
      })
      if (conf !== undefined) byType[plugin.type] = conf
    } catch (error) {
      problems.push({ type: plugin.type, message: messageOf(error) })
    }
  }
  const { listener, routes, tcpSplits, extraDestinations } = routing
  // A TCP route takes over the listener of an HTTP destination, not its cluster.
  const ownCluster = (listener === 'tcp' && destination.protocol !== 'tcp') || usesOwnCluster(routes, tcpSplits)
  const conf: OutboundConf = { listener, routes, tcpSplits, ownCluster, extraDestinations, byType, problems }
  const extras = extraDestinations.map((extra) => [extra.name, identityOf(extra.destination)])
  return intern(canonicalJson([listener, routes, tcpSplits, extras, byType, problems]), conf)
}

interface Routing {
  readonly listener: OutboundConf['listener']
  readonly routes: readonly RouteModel[]
  readonly tcpSplits: readonly SplitModel[]
  readonly extraDestinations: readonly ExtraDestination[]
  readonly routePolicies: ReadonlyMap<string, Resource>
}

/** TCP destinations always get a TCP listener; HTTP ones only when a TCP route and no HTTP route names them (contract/policies.md section 1.10). */
function routingOf(policies: OutboundPolicies, destination: DestinationFact, lookup: DestinationLookup, problems: Problem[]): Routing {
  const extras = new Map<string, ExtraDestination>()
  const http = guarded('MeshHTTPRoute', problems, () => outboundRuleOf(policies, 'MeshHTTPRoute', destination))
  const tcp = guarded('MeshTCPRoute', problems, () => outboundRuleOf(policies, 'MeshTCPRoute', destination))
  const speaksTcp = destination.protocol === 'tcp'
  if (speaksTcp || (tcp !== undefined && http === undefined)) {
    const tcpSplits = guarded('MeshTCPRoute', problems, () => tcpSplitsOf(tcp, { destination, lookup, extras })) ?? []
    const listener = tcpSplits.length > 0 ? 'tcp' : 'none'
    // An HTTP destination whose TCP route leads nowhere is served as if there were none.
    if (speaksTcp || listener === 'tcp')
      return { listener, routes: [], tcpSplits, extraDestinations: sorted(extras), routePolicies: new Map() }
  }
  const routed =
    guarded('MeshHTTPRoute', problems, () => httpRoutesOf(http, { destination, lookup, extras })) ??
    httpRoutesOf(undefined, { destination, lookup, extras })
  return { listener: 'http', routes: routed.routes, tcpSplits: [], extraDestinations: sorted(extras), routePolicies: routed.policies }
}

function outboundRuleOf(
  policies: OutboundPolicies,
  type: 'MeshHTTPRoute' | 'MeshTCPRoute',
  destination: DestinationFact,
): OutboundRule | undefined {
  const list = policies.byType.get(type)
  if (list === undefined) return undefined
  return outboundRule(entriesOf(list), portTarget(destination), type === 'MeshHTTPRoute' ? httpRouteMerge : { confOf: tcpRouteConf })
}

function routeRulesOf(entries: readonly ToEntry[], routes: ReadonlyMap<string, Resource>): ReadonlyMap<string, OutboundRule> {
  const rules = new Map<string, OutboundRule>()
  for (const [name, policy] of routes) {
    const rule = directRule(entries, routeTarget(policy))
    if (rule !== undefined) rules.set(name, rule)
  }
  return rules
}

function entriesOf(policies: readonly Resource[]): readonly ToEntry[] {
  let entries = entriesMemo.get(policies)
  if (entries === undefined) {
    entries = toEntries(policies)
    entriesMemo.set(policies, entries)
  }
  return entries
}

function guarded<T>(type: string, problems: Problem[], run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    problems.push({ type, message: messageOf(error) })
    return undefined
  }
}

function sorted(extras: ReadonlyMap<string, ExtraDestination>): readonly ExtraDestination[] {
  return [...extras.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function usesOwnCluster(routes: readonly RouteModel[], tcpSplits: readonly SplitModel[]): boolean {
  if (tcpSplits.some((split) => split.backend.name === undefined)) return true
  return routes.some(
    (route) =>
      route.splits.some((split) => split.backend.name === undefined) ||
      route.filters.some((filter) => filter.type === 'RequestMirror' && filter.backend.name === undefined),
  )
}
