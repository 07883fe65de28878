// MeshMultiZoneServices: the services of all zones they select, and the union of their endpoints by port name (contract/resources.md section 5).
import type { EndpointFact, LoadAssignmentFact, Protocol } from '@weft/facts'
import type { Collection, Graph, Scope } from '@weft/graph'
import { kriText, type Labels, type MeshMultiZoneServiceSpec, type MeshMultiZoneServiceStatus, type Resource } from '@weft/resources'
import { protocolOf } from './dataplanes.ts'
import { sortEndpoints } from './endpoint-order.ts'
import { indexByLabel, selectByLabels } from './label-selection.ts'
import { hostnamesOf, type NamedFact, namedFact, type ServiceFact, uniqueSections, vipsOf } from './services.ts'

export interface MultiZoneFact extends NamedFact {
  readonly selector: Labels
  readonly ports: readonly { readonly id: string; readonly section: string; readonly port: number; readonly protocol: Protocol }[]
}

export interface MultiZoneServices {
  readonly facts: Collection<MultiZoneFact>
  /** Keys of the selected MeshServices, sorted. */
  readonly members: Collection<readonly string[]>
  /** SPIFFE ids of all members, sorted. */
  readonly spiffeIds: Collection<readonly string[]>
  readonly assignments: Collection<LoadAssignmentFact>
  /** Local endpoints only, for zone ingresses. */
  readonly ingressAssignments: Collection<LoadAssignmentFact>
}

export interface MultiZoneInputs {
  readonly resources: Collection<Resource>
  readonly services: Collection<ServiceFact>
  readonly serviceAssignments: Collection<LoadAssignmentFact>
}

export function deriveMultiZoneServices(graph: Graph, inputs: MultiZoneInputs): MultiZoneServices {
  const { services, serviceAssignments } = inputs
  const facts = graph.map({ name: 'multiZoneServices', from: inputs.resources }, (_, resource) => multiZoneFact(resource))
  const byLabel = indexByLabel(graph, 'servicesByLabel', services)
  const members = graph.map({ name: 'multiZoneMembers', from: facts, reads: [byLabel] }, (scope, fact) =>
    selectByLabels(scope, byLabel, { mesh: fact.mesh, labels: fact.selector }).map((service) => service.key),
  )
  const spiffeIds = graph.map({ name: 'multiZoneSpiffeIds', from: members, reads: [services] }, (scope, keys) =>
    [...new Set(keys.flatMap((key) => scope.get(services, key)?.spiffeIds ?? []))].sort(),
  )
  const reads = [members, services, serviceAssignments]
  const assignments = graph.derive({ name: 'multiZoneAssignments', from: facts, reads }, function* (scope, fact) {
    for (const port of fact.ports) yield [port.id, { id: port.id, endpoints: endpointsOf(scope, fact, port.section, false) }] as const
  })
  const ingressAssignments = graph.derive({ name: 'multiZoneIngressAssignments', from: facts, reads }, function* (scope, fact) {
    for (const port of fact.ports) yield [port.id, { id: port.id, endpoints: endpointsOf(scope, fact, port.section, true) }] as const
  })
  return { facts, members, spiffeIds, assignments, ingressAssignments }

  function endpointsOf(scope: Scope, fact: MultiZoneFact, section: string, localOnly: boolean): readonly EndpointFact[] {
    const endpoints: EndpointFact[] = []
    for (const key of scope.get(members, fact.key) ?? []) {
      const service = scope.get(services, key)
      // a remote service that has nothing healthy says so by its state; local health is known here already
      if (!service || (!service.isLocal && (localOnly || !service.isAvailable))) continue
      const port = service.ports.find((candidate) => candidate.section === section)
      if (port) endpoints.push(...(scope.get(serviceAssignments, port.id)?.endpoints ?? []))
    }
    return sortEndpoints(endpoints)
  }
}

function multiZoneFact(resource: Resource): MultiZoneFact {
  // stored MeshMultiZoneServices passed the codec of their kind
  const spec = resource.spec as MeshMultiZoneServiceSpec
  const status = resource.status as MeshMultiZoneServiceStatus | undefined
  return {
    ...namedFact(resource, { vips: vipsOf(status?.vips), hostnames: hostnamesOf(status?.addresses) }),
    selector: spec.selector?.meshService?.matchLabels ?? {},
    ports: uniqueSections(
      (spec.ports ?? []).map((port) => {
        const section = port.name || String(port.port)
        return { id: kriText('mzsvc', resource, section), section, port: port.port, protocol: protocolOf(port.appProtocol) }
      }),
    ),
  }
}
