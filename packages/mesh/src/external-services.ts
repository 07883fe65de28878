// MeshExternalServices: reached through the zone egresses of the same mesh and zone (contract/dataplane.md section 12).
import type { EndpointFact, LoadAssignmentFact, Protocol } from '@weft/facts'
import type { Collection, Graph } from '@weft/graph'
import { kriText, type MeshExternalServiceSpec, type MeshExternalServiceStatus, type Resource } from '@weft/resources'
import { protocolOf } from './dataplanes.ts'
import { type EndpointInputs, endpointHealth, resolveAddress } from './endpoints.ts'
import { sortEndpoints } from './endpoint-order.ts'
import { hostnamesOf, type NamedFact, namedFact } from './services.ts'
import type { MeshSettings } from './settings.ts'

export interface ExternalFact extends NamedFact {
  readonly id: string
  readonly port: number
  readonly protocol: Protocol
}

/** The egresses of one mesh in this zone. */
export interface MeshEgress {
  /** Without metadata: that is of the destination. */
  readonly endpoints: readonly EndpointFact[]
  /** SPIFFE ids of the egresses, sorted. */
  readonly spiffeIds: readonly string[]
}

export interface ExternalServices {
  readonly facts: Collection<ExternalFact>
  /** By mesh name; absent without an egress. */
  readonly egress: Collection<MeshEgress>
  readonly assignments: Collection<LoadAssignmentFact>
}

export interface ExternalInputs extends EndpointInputs {
  readonly resources: Collection<Resource>
  readonly proxySpiffeIds: Collection<readonly string[]>
}

export function deriveExternalServices(graph: Graph, inputs: ExternalInputs, settings: MeshSettings): ExternalServices {
  const { dataplanes, health, states, hosts, proxySpiffeIds } = inputs
  const facts = graph.map({ name: 'externalServices', from: inputs.resources }, (_, resource) => externalFact(resource))
  const egressProxies = graph.group('egressProxies', dataplanes, (dataplane) =>
    dataplane.zone === settings.zone && dataplane.zoneListeners.some((listener) => listener.kind === 'ZoneEgress') ? [dataplane.mesh] : [],
  )
  const egress = graph.map(
    { name: 'meshEgress', from: egressProxies, reads: [health, states, hosts, proxySpiffeIds] },
    (scope, proxies): MeshEgress => {
      const endpoints: EndpointFact[] = []
      const ids = new Set<string>()
      for (const proxy of proxies) {
        const state = scope.get(states, proxy.key)
        const ready = scope.get(health, proxy.key)
        if (state?.draining) continue
        for (const [i, listener] of proxy.zoneListeners.entries()) {
          const address =
            listener.kind === 'ZoneEgress' && ready?.zoneListeners[i] ? resolveAddress(scope, hosts, listener.address) : undefined
          if (address === undefined) continue
          for (const id of scope.get(proxySpiffeIds, proxy.key) ?? []) ids.add(id)
          endpoints.push({
            address,
            port: listener.port,
            // all egresses are in this zone, so none is nearer than another
            zone: '',
            priority: 0,
            weight: 1,
            health: endpointHealth(state),
            metadata: {},
          })
        }
      }
      return { endpoints: sortEndpoints(endpoints), spiffeIds: [...ids].sort() }
    },
  )
  const assignments = graph.derive({ name: 'externalAssignments', from: facts, reads: [egress] }, function* (scope, fact) {
    // load balancing sees the destination, not the proxy on the way there
    const endpoints = (scope.get(egress, fact.mesh)?.endpoints ?? []).map((endpoint) => ({ ...endpoint, metadata: fact.labels }))
    yield [fact.id, { id: fact.id, endpoints }] as const
  })
  return { facts, egress, assignments }
}

function externalFact(resource: Resource): ExternalFact {
  // stored MeshExternalServices passed the codec of their kind
  const spec = resource.spec as MeshExternalServiceSpec
  const status = resource.status as MeshExternalServiceStatus | undefined
  const vip = status?.vip?.ip
  return {
    ...namedFact(resource, { vips: vip ? [vip] : [], hostnames: hostnamesOf(status?.addresses) }),
    id: kriText('extsvc', resource, String(spec.match.port)),
    port: spec.match.port,
    protocol: protocolOf(spec.match.protocol),
  }
}
