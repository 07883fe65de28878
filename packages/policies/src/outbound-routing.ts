// Where the traffic of a destination port goes by MeshHTTPRoute and MeshTCPRoute (contract/policies.md section 1.10). Equal content is the identical
// object, and destinations that no route names share one for each kind and protocol.
import type { DestinationFact } from '@weft/facts'
import { messageOf } from '@weft/foundation/errors'
import { canonicalJson } from '@weft/foundation/schema'
import { type DestinationLookup, outboundRule, type OutboundRule, portTarget } from '@weft/policy'
import type { Resource } from '@weft/resources'
import { createIdentityNumbers, createInterner } from './interner.ts'
import type { KindPolicies } from './kind-policies.ts'
import { httpRouteMerge, httpRoutesOf } from './mesh-http-route/routes.ts'
import { tcpRouteConf, tcpSplitsOf } from './mesh-tcp-route/splits.ts'
import type { Problem } from './plugin.ts'
import type { ExtraDestination, RouteModel, SplitModel } from './route-model.ts'

/** The routes of one destination port. */
export interface Routing {
  readonly listener: 'http' | 'tcp' | 'none'
  readonly routes: readonly RouteModel[]
  readonly tcpSplits: readonly SplitModel[]
  /** Whether some route leads to the outbound's own cluster. */
  readonly ownCluster: boolean
  /** Sorted by name. */
  readonly extraDestinations: readonly ExtraDestination[]
  /** The policy behind each route name. */
  readonly routePolicies: ReadonlyMap<string, Resource>
  readonly problems: readonly Problem[]
}

/** What routing follows from: the route policies of a set, the same objects for sets that agree on them. */
export interface RoutePolicies {
  readonly http: KindPolicies | undefined
  readonly tcp: KindPolicies | undefined
}

type Endpoint = Pick<DestinationFact, 'kind' | 'protocol'>

const intern = createInterner<Routing>()
const identityOf = createIdentityNumbers()
/** Of destinations that no route names; as many as there are kinds and protocols. */
const unrouted = new Map<string, Routing>()
const noLookup: DestinationLookup = { byKind: () => [] }

/** Never throws: a kind of route that fails is reported in `problems`, and the destination served without it. */
export function routingOf(policies: RoutePolicies, destination: DestinationFact, lookup: DestinationLookup): Routing {
  const problems: Problem[] = []
  const target = portTarget(destination)
  const http = guarded('MeshHTTPRoute', problems, () => policies.http && outboundRule(policies.http.entries, target, httpRouteMerge))
  const tcp = guarded('MeshTCPRoute', problems, () => policies.tcp && outboundRule(policies.tcp.entries, target, { confOf: tcpRouteConf }))
  if (http !== undefined || tcp !== undefined || problems.length > 0)
    return interned(compute({ http, tcp }, { destination, lookup, problems }))
  const key = `${destination.kind} ${destination.protocol}`
  let routing = unrouted.get(key)
  if (routing === undefined) {
    routing = interned(compute({ http, tcp }, { destination, lookup: noLookup, problems }))
    unrouted.set(key, routing)
  }
  return routing
}

interface RouteRules {
  readonly http: OutboundRule | undefined
  readonly tcp: OutboundRule | undefined
}

interface RoutingScope {
  readonly destination: Endpoint
  readonly lookup: DestinationLookup
  readonly problems: Problem[]
}

/** TCP destinations always get a TCP listener; HTTP ones only when a TCP route and no HTTP route names them. */
function compute({ http, tcp }: RouteRules, { destination, lookup, problems }: RoutingScope): Routing {
  const extras = new Map<string, ExtraDestination>()
  const speaksTcp = destination.protocol === 'tcp'
  if (speaksTcp || (tcp !== undefined && http === undefined)) {
    const tcpSplits = guarded('MeshTCPRoute', problems, () => tcpSplitsOf(tcp, { destination, lookup, extras })) ?? []
    const listener = tcpSplits.length > 0 ? 'tcp' : 'none'
    // An HTTP destination whose TCP route leads nowhere is served as if there were none.
    if (speaksTcp || listener === 'tcp') {
      // A TCP route takes over the listener of an HTTP destination, not its cluster.
      const ownCluster = (listener === 'tcp' && !speaksTcp) || tcpSplits.some((split) => split.backend.name === undefined)
      return { listener, routes: [], tcpSplits, ownCluster, extraDestinations: sorted(extras), routePolicies: new Map(), problems }
    }
  }
  const { routes, policies: routePolicies } =
    guarded('MeshHTTPRoute', problems, () => httpRoutesOf(http, { destination, lookup, extras })) ??
    httpRoutesOf(undefined, { destination, lookup, extras })
  return {
    listener: 'http',
    routes,
    tcpSplits: [],
    ownCluster: leadsToOwnCluster(routes),
    extraDestinations: sorted(extras),
    routePolicies,
    problems,
  }
}

function interned(routing: Routing): Routing {
  const { listener, routes, tcpSplits, extraDestinations, routePolicies, problems } = routing
  const extras = extraDestinations.map((extra) => [extra.name, identityOf(extra.destination)])
  const policies = [...routePolicies].map(([name, policy]) => [name, identityOf(policy)])
  return intern(canonicalJson([listener, routes, tcpSplits, extras, policies, problems]), routing)
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

function leadsToOwnCluster(routes: readonly RouteModel[]): boolean {
  return routes.some(
    (route) =>
      route.splits.some((split) => split.backend.name === undefined) ||
      route.filters.some((filter) => filter.type === 'RequestMirror' && filter.backend.name === undefined),
  )
}
