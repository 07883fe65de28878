// Destination ports of all three kinds as one collection, keyed by KRI with the port's name as section.
import type { DestinationFact } from '@weft/facts'
import type { Collection, Graph } from '@weft/graph'
import { sniOf } from '@weft/resources'
import type { ExternalFact, MeshEgress } from './external-services.ts'
import type { MultiZoneFact } from './multi-zone-services.ts'
import type { NamedFact, ServiceFact } from './services.ts'

export interface DestinationInputs {
  readonly services: Collection<ServiceFact>
  readonly multiZone: Collection<MultiZoneFact>
  readonly multiZoneSpiffeIds: Collection<readonly string[]>
  readonly external: Collection<ExternalFact>
  readonly egress: Collection<MeshEgress>
}

export function deriveDestinations(graph: Graph, inputs: DestinationInputs): Collection<DestinationFact> {
  const fromServices = graph.derive({ name: 'serviceDestinations', from: inputs.services }, function* (_, service) {
    for (const port of service.ports) {
      const fact: DestinationFact = {
        ...common(service),
        id: port.id,
        kind: 'MeshService',
        port: port.port,
        portName: port.section,
        protocol: port.protocol,
        sni: sniOf('msvc', service, port.section),
        spiffeIds: service.spiffeIds,
        // the owner zone of a remote service serves mTLS on its ingress path always (contract/dataplane.md section 11.2)
        tls: service.isLocal ? service.isTlsReady : true,
        local: service.isLocal,
      }
      yield [port.id, fact] as const
    }
  })
  const fromMultiZone = graph.derive(
    { name: 'multiZoneDestinations', from: inputs.multiZone, reads: [inputs.multiZoneSpiffeIds] },
    function* (scope, service, key) {
      const spiffeIds = scope.get(inputs.multiZoneSpiffeIds, key) ?? []
      for (const port of service.ports) {
        const fact: DestinationFact = {
          ...common(service),
          id: port.id,
          kind: 'MeshMultiZoneService',
          port: port.port,
          portName: port.section,
          protocol: port.protocol,
          sni: sniOf('mzsvc', service, port.section),
          spiffeIds,
          tls: true,
          local: false,
        }
        yield [port.id, fact] as const
      }
    },
  )
  const fromExternal = graph.derive(
    { name: 'externalDestinations', from: inputs.external, reads: [inputs.egress] },
    function* (scope, service) {
      const section = String(service.port)
      const spiffeIds = scope.get(inputs.egress, service.mesh)?.spiffeIds ?? []
      const fact: DestinationFact = {
        ...common(service),
        id: service.id,
        kind: 'MeshExternalService',
        port: service.port,
        portName: section,
        protocol: service.protocol,
        sni: sniOf('extsvc', service, section),
        spiffeIds,
        tls: spiffeIds.length > 0,
        local: false,
      }
      yield [service.id, fact] as const
    },
  )
  return graph.union('destinations', [fromServices, fromMultiZone, fromExternal])
}

function common(
  fact: NamedFact,
): Pick<DestinationFact, 'mesh' | 'name' | 'displayName' | 'zone' | 'namespace' | 'labels' | 'creationTime' | 'vips' | 'hostnames'> {
  const { mesh, name, displayName, zone, namespace, labels, creationTime, vips, hostnames } = fact
  return { mesh, name, displayName, zone, namespace, labels, creationTime, vips, hostnames }
}
