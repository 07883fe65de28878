// Effective conf of a destination port for the proxies that share a policy set: routes, and what every policy says about its listener and
// cluster. Independent of the proxy; equal content is the identical object, so encoded resources may be shared by that identity.
import { listField } from '@weft/foundation/json'
import type { DestinationFact, PolicySet } from '@weft/facts'
import { type DestinationLookup, topLevelRef } from '@weft/policy'
import type { Resource } from '@weft/resources'
import { createIdentityNumbers, createInterner, type Intern } from './interner.ts'
import { type ConfPiece, type KindPolicies, kindPolicies } from './kind-policies.ts'
import { type RoutePolicies, type Routing, routingOf } from './outbound-routing.ts'
import type { ConfByType, PolicyPlugin, Problem } from './plugin.ts'
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
  readonly forCluster: ClusterConf
  readonly forListener: ListenerConf
}

/** What the cluster is edited by: the identical object while an edit of a policy leaves that as it was. */
export interface ClusterConf {
  readonly byType: ConfByType
}

/** What the listener is made of and edited by: the identical object while an edit of a policy leaves that as it was. */
export interface ListenerConf {
  readonly routes: readonly RouteModel[]
  readonly tcpSplits: readonly SplitModel[]
  readonly byType: ConfByType
}

/** The part of a policy set that destinations depend on. */
interface OutboundPolicies {
  /** One for each plugin with a conf for destinations. */
  readonly kinds: readonly KindPolicies[]
  readonly routes: RoutePolicies
}

interface Remembered<V> {
  /** The lookup that the value depends on; undefined when no route refers to a backend. */
  readonly lookup: DestinationLookup | undefined
  readonly value: V
}

type ByDestination<V> = WeakMap<DestinationFact, Remembered<V>>

const identityOf = createIdentityNumbers()
const internConf = createInterner<OutboundConf>()
const internCluster = createInterner<ClusterConf>()
const internListener = createInterner<ListenerConf>()
/** What a conf was put together from lives as long as the conf: its numbers are the conf's key. */
const partsOf = new WeakMap<object, readonly object[]>()
const confs = new WeakMap<OutboundPolicies, ByDestination<OutboundConf>>()
const routings = new WeakMap<RoutePolicies, ByDestination<Routing>>()
const outboundPolicies = new WeakMap<PolicySet, OutboundPolicies>()
const internPolicies = createInterner<OutboundPolicies>()
const internRoutes = createInterner<RoutePolicies>()
const internKind = createInterner<KindPolicies>()
const kindsOf = new WeakMap<PolicyPlugin, WeakMap<readonly Resource[], KindPolicies>>()

/**
 * The conf of a destination port. `lookup` resolves the backend references of routes; its identity must change when destinations do. Memoised by
 * identity, interned by content. Never throws: a policy type that fails is reported in `problems`.
 */
export function effectiveOutbound(policies: PolicySet, destination: DestinationFact, lookup: DestinationLookup): OutboundConf {
  const outbound = outboundPoliciesOf(policies)
  const known = recalled(confs, outbound, { destination, lookup })
  if (known !== undefined) return known.value
  const routing = routingFor(outbound.routes, destination, lookup)
  const conf = confOf(outbound.kinds, destination, routing.value)
  remember(confs, outbound, { destination, lookup: routing.lookup, value: conf })
  return conf
}

function routingFor(routes: RoutePolicies, destination: DestinationFact, lookup: DestinationLookup): Remembered<Routing> {
  const known = recalled(routings, routes, { destination, lookup })
  if (known !== undefined) return known
  let consulted: DestinationLookup | undefined
  const value = routingOf(routes, destination, {
    byKind: (kind) => {
      consulted = lookup
      return lookup.byKind(kind)
    },
  })
  return remember(routings, routes, { destination, lookup: consulted, value })
}

function recalled<K extends object, V>(
  memo: WeakMap<K, ByDestination<V>>,
  owner: K,
  { destination, lookup }: { readonly destination: DestinationFact; readonly lookup: DestinationLookup },
): Remembered<V> | undefined {
  const known = memo.get(owner)?.get(destination)
  return known !== undefined && (known.lookup === undefined || known.lookup === lookup) ? known : undefined
}

function remember<K extends object, V>(
  memo: WeakMap<K, ByDestination<V>>,
  owner: K,
  { destination, lookup, value }: Remembered<V> & { readonly destination: DestinationFact },
): Remembered<V> {
  let byDestination = memo.get(owner)
  if (byDestination === undefined) {
    byDestination = new WeakMap()
    memo.set(owner, byDestination)
  }
  const remembered = { lookup, value }
  byDestination.set(destination, remembered)
  return remembered
}

function confOf(kinds: readonly KindPolicies[], destination: DestinationFact, routing: Routing): OutboundConf {
  const { listener, routes, tcpSplits, ownCluster, extraDestinations } = routing
  const outcomes = kinds.map((kind) => kind.outcome(destination, routing))
  const problems: Problem[] = [...routing.problems]
  kinds.forEach(({ plugin: { type } }, index) => {
    const problem = outcomes[index]?.problem
    if (problem !== undefined) problems.push({ type, message: problem })
  })
  const byType = confsByType(kinds, outcomes)
  const clusters = outcomes.map((outcome) => outcome.cluster)
  const forCluster = assembled(internCluster, clusters, { byType: confsByType(kinds, clusters) })
  const listeners = outcomes.map((outcome) => outcome.listener)
  const forListener = assembled(internListener, [routing, ...listeners], { routes, tcpSplits, byType: confsByType(kinds, listeners) })
  const conf = { listener, routes, tcpSplits, ownCluster, extraDestinations, byType, problems, forCluster, forListener }
  return assembled(internConf, [routing, ...outcomes], conf)
}

function confsByType(kinds: readonly KindPolicies[], pieces: readonly ConfPiece[]): ConfByType {
  const byType: Record<string, unknown> = Object.create(null)
  kinds.forEach(({ plugin: { type } }, index) => {
    const conf = pieces[index]?.conf
    if (conf !== undefined) byType[type] = conf
  })
  return byType
}

/** The living value that was made of the same parts, else the given one. */
function assembled<T extends object>(intern: Intern<T>, parts: readonly object[], value: T): T {
  const living = intern(parts.map(identityOf).join(' '), value)
  if (living === value) partsOf.set(value, parts)
  return living
}

/**
 * The part of a policy set that destinations depend on: policies with `to`, and those of the whole mesh. Sets that differ only in what single
 * workloads say about their inbounds share it, and with it every computation; sets that agree on a kind share what that kind says.
 */
function outboundPoliciesOf(policies: PolicySet): OutboundPolicies {
  const known = outboundPolicies.get(policies)
  if (known !== undefined) return known
  const kinds: KindPolicies[] = []
  const routes: { http?: KindPolicies; tcp?: KindPolicies } = {}
  for (const plugin of plugins) {
    const list = policies.byType.get(plugin.type) ?? nothing
    if (plugin.outboundConf !== undefined) kinds.push(kindOf(plugin, list))
    else if (plugin.type === 'MeshHTTPRoute') routes.http = kindOf(plugin, list)
    else if (plugin.type === 'MeshTCPRoute') routes.tcp = kindOf(plugin, list)
  }
  const { http, tcp } = routes
  const shared = internRoutes([http, tcp].map((kind) => (kind ? identityOf(kind) : '')).join(' '), { http, tcp })
  const outbound = internPolicies([shared, ...kinds].map(identityOf).join(' '), { kinds, routes: shared })
  outboundPolicies.set(policies, outbound)
  return outbound
}

/** Lists that differ only in policies that say nothing about destinations give the same object. */
function kindOf(plugin: PolicyPlugin, policies: readonly Resource[]): KindPolicies {
  let byList = kindsOf.get(plugin)
  if (byList === undefined) {
    byList = new WeakMap()
    kindsOf.set(plugin, byList)
  }
  let kind = byList.get(policies)
  if (kind === undefined) {
    const list = policies.filter(concernsDestinations)
    kind = internKind([plugin, ...list].map(identityOf).join(' '), kindPolicies(plugin, list))
    byList.set(policies, kind)
  }
  return kind
}

function concernsDestinations(policy: Resource): boolean {
  return listField(policy.spec, 'to').length > 0 || topLevelRef(policy)?.kind === 'Mesh'
}

const nothing: readonly never[] = []
