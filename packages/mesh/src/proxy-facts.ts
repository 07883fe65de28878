// The printable end of the graph: everything that determines one proxy's configuration. Exists while a proxy told about itself and its Dataplane
// is stored.
import type {
  DestinationFact,
  ExternalTargetFact,
  IdentityFact,
  OutboundFact,
  PolicySet,
  ProxyFacts,
  ProxyMetadata,
  TelemetryBackendFact,
  TrustFact,
} from '@weft/facts'
import { type Collection, type Graph, structuralEqual } from '@weft/graph'
import type { DataplaneFact } from './dataplanes.ts'
import { createDnsRecords } from './dns-records.ts'

export interface ProxyFactsInputs {
  readonly proxies: Collection<ProxyMetadata>
  readonly dataplanes: Collection<DataplaneFact>
  readonly outbounds: Collection<readonly OutboundFact[]>
  readonly destinations: Collection<DestinationFact>
  readonly externalTargets: Collection<ExternalTargetFact>
  readonly identities: Collection<IdentityFact>
  readonly trust: Collection<TrustFact>
  readonly policySets: Collection<PolicySet>
  /** By mesh. */
  readonly telemetryBackends: Collection<readonly TelemetryBackendFact[]>
}

export function deriveProxyFacts(graph: Graph, inputs: ProxyFactsInputs): Collection<ProxyFacts> {
  const { dataplanes, outbounds, identities, trust, policySets, telemetryBackends } = inputs
  const ingressDestinations = graph.group('ingressDestinations', inputs.destinations, (destination) =>
    (destination.kind === 'MeshService' && destination.local) || destination.kind === 'MeshMultiZoneService' ? [destination.mesh] : [],
  )
  const egressTargets = graph.group('egressTargets', inputs.externalTargets, (target) => [target.destination.mesh])
  const dns = createDnsRecords()
  const reads = [dataplanes, outbounds, identities, trust, policySets, telemetryBackends, ingressDestinations, egressTargets]
  return graph.map({ name: 'proxyFacts', from: inputs.proxies, reads, equal: sameFacts }, (scope, proxy, key): ProxyFacts | undefined => {
    const dataplane = scope.get(dataplanes, key)
    const policies = scope.get(policySets, key)
    if (!dataplane || !policies) return undefined
    const identity = scope.get(identities, key)
    const hasIngress = dataplane.zoneListeners.some((listener) => listener.kind === 'ZoneIngress')
    const hasEgress = dataplane.zoneListeners.some((listener) => listener.kind === 'ZoneEgress')
    const own = scope.get(outbounds, key) ?? none
    return {
      key,
      mesh: dataplane.mesh,
      name: dataplane.name,
      zone: dataplane.zone,
      workload: dataplane.workload,
      labels: dataplane.labels,
      address: dataplane.address,
      gateway: dataplane.gateway,
      proxy,
      inbounds: dataplane.inbounds,
      zoneListeners: dataplane.zoneListeners,
      outbounds: own,
      ingressDestinations: hasIngress ? (scope.get(ingressDestinations, dataplane.mesh) ?? none) : none,
      egressTargets: hasEgress ? (scope.get(egressTargets, dataplane.mesh) ?? none) : none,
      identity,
      trust: identity && scope.get(trust, dataplane.mesh),
      policies,
      telemetryBackends: scope.get(telemetryBackends, dataplane.mesh) ?? none,
      dns: own.length === 0 ? none : dns(own),
    }
  })
}

const none: readonly never[] = []

/** Shared parts keep their identity while they are equal; the rest is compared by content. */
function sameFacts(a: ProxyFacts, b: ProxyFacts): boolean {
  // the object is built in one place above: both have the same keys
  return (Object.keys(a) as (keyof ProxyFacts)[]).every((field) => {
    if (a[field] === b[field]) return true
    if (field === 'policies') return false
    if (field === 'outbounds' || field === 'ingressDestinations' || field === 'egressTargets') return sameMembers(a[field], b[field])
    return structuralEqual(a[field], b[field])
  })
}

function sameMembers(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((member, i) => member === b[i])
}
