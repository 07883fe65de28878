// What the listeners of a zone proxy lead to. A destination that the proxy also has as an outbound gets a cluster of another name, because the
// outbound's speaks TLS of its own; repeated and missing server names would make Envoy refuse the whole listener and are left out.
import type { DestinationFact, ExternalTargetFact, ProxyFacts, ZoneListenerFact } from '@weft/facts'
import { effectiveOutbound, type OutboundConf } from '@weft/policies'
import type { DestinationLookup } from '@weft/policy'
import type { IngressRoute } from './generators/zone-ingress.ts'
import type { ResourceProblem } from './problem.ts'

/** A target of a zone egress with the Envoy name of its cluster and what policies say about it. */
export interface EgressRoute {
  readonly cluster: string
  readonly target: ExternalTargetFact
  readonly conf: OutboundConf
}

/** Routes of the proxy's zone ingress, sorted by destination. `taken`: names of clusters that the proxy has already. */
export function ingressRoutesOf(
  facts: ProxyFacts,
  taken: ReadonlyMap<string, unknown>,
  problems: ResourceProblem[],
): readonly IngressRoute[] {
  if (!hasListener(facts, 'ZoneIngress')) return []
  return named(facts.ingressDestinations, (destination) => destination, problems).map((destination) => ({
    cluster: taken.has(destination.id) ? `self_zoneingress_${destination.id}` : destination.id,
    destination,
  }))
}

/** Routes of the proxy's zone egress, sorted by destination. A target without endpoints, or that must not be served, has none. */
export function egressRoutesOf(
  facts: ProxyFacts,
  { taken, lookup }: { readonly taken: ReadonlyMap<string, unknown>; readonly lookup: DestinationLookup },
  problems: ResourceProblem[],
): readonly EgressRoute[] {
  if (!hasListener(facts, 'ZoneEgress') || facts.identity === undefined) return []
  const usable = facts.egressTargets.filter(({ destination, endpoints, problem }) => {
    if (problem !== undefined) problems.push({ type: 'cluster', resource: destination.id, policy: undefined, message: problem })
    return problem === undefined && endpoints.length > 0
  })
  return named(usable, (target) => target.destination, problems).map((target) => ({
    cluster: taken.has(target.destination.id) ? `self_zoneegress_${target.destination.id}` : target.destination.id,
    target,
    conf: effectiveOutbound(facts.policies, target.destination, lookup),
  }))
}

function hasListener({ zoneListeners }: ProxyFacts, kind: ZoneListenerFact['kind']): boolean {
  return zoneListeners.some((listener) => listener.kind === kind)
}

/** Those with a server name of their own, sorted by destination. */
function named<T>(items: readonly T[], destinationOf: (item: T) => DestinationFact, problems: ResourceProblem[]): readonly T[] {
  const names = new Set<string>()
  const sorted = items.toSorted((a, b) => compare(destinationOf(a).id, destinationOf(b).id))
  return sorted.filter((item) => {
    const { id, sni } = destinationOf(item)
    if (sni !== undefined && !names.has(sni)) return names.add(sni)
    const message = sni === undefined ? 'destination has no valid server name' : `another destination has the server name ${sni}`
    problems.push({ type: 'cluster', resource: id, policy: undefined, message })
    return false
  })
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}
