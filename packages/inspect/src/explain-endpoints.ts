// Why a destination has the endpoints it has, at their priorities, and what is not among them (contract/dataplane.md section 12).
import type { JsonObject } from '@weft/foundation/json'
import type { DestinationFact, EndpointFact } from '@weft/facts'
import { isTarget, type ServiceFact, type ServicePortFact } from '@weft/mesh'
import { labelKeys, type Resource } from '@weft/resources'
import type { InspectionSource } from './inspected.ts'

/** What could be an endpoint and is none. */
export interface LeftOut {
  /** A dataplane, a service or a zone. */
  readonly what: string
  readonly message: string
}

/** Endpoints with why each is there, and what is left out. `zone`: whose eyes. */
export function explainEndpoints(source: InspectionSource, destination: DestinationFact, zone: string): JsonObject {
  const endpoints = source.mesh.loadAssignments.get(destination.id)?.endpoints ?? []
  return {
    endpoints: endpoints.map((endpoint) => ({
      address: endpoint.address,
      port: endpoint.port,
      zone: endpoint.zone,
      priority: endpoint.priority,
      weight: endpoint.weight,
      health: endpoint.health,
      message: endpointText(destination, endpoint, zone),
    })),
    leftOut: leftOut(source, destination),
  }
}

function endpointText(destination: DestinationFact, endpoint: EndpointFact, zone: string): string {
  const health = endpoint.health === 'DEGRADED' ? '; degraded, its proxy has no stream: used when nothing healthy is left' : ''
  if (destination.kind === 'MeshExternalService') return `through a zone egress of this zone${health}`
  if (endpoint.outOfReach !== undefined)
    return `through the ingress of zone ${endpoint.zone}, which cannot be reached from here: used when nothing else is left${health}`
  if (endpoint.priority > 0 || (endpoint.zone !== zone && endpoint.zone !== ''))
    return `through the ingress of zone ${endpoint.zone}; used when no endpoint of a lower priority is left${health}`
  return `a ready inbound in this zone${health}`
}

function leftOut(source: InspectionSource, destination: DestinationFact): readonly LeftOut[] {
  const key = `${destination.mesh}/${destination.name}`
  switch (destination.kind) {
    case 'MeshService': {
      const service = source.mesh.services.get(key)
      const port = service?.ports.find(({ id }) => id === destination.id)
      return service && port ? leftOutOfService(source, service, port) : []
    }
    case 'MeshMultiZoneService':
      return leftOutOfMultiZone(source, key, destination.portName)
    case 'MeshExternalService':
      return hasEndpoints(source, destination.id)
        ? []
        : [{ what: 'zone egress', message: 'this zone has no ready zone egress in the mesh' }]
  }
}

function leftOutOfMultiZone(source: InspectionSource, key: string, section: string): readonly LeftOut[] {
  const members = source.mesh.multiZoneMembers.get(key) ?? []
  if (members.length === 0) return [{ what: 'services', message: 'the selector of the MeshMultiZoneService matches no MeshService' }]
  return members.flatMap((member) => {
    const service = source.mesh.services.get(member)
    if (!service) return []
    const what = `MeshService ${service.displayName} of zone ${service.zone}`
    const port = service.ports.find((each) => each.section === section)
    if (!port) return [{ what, message: `it has no port ${section}` }]
    if (!service.isLocal && !service.isAvailable) return [{ what, message: 'its zone says that none of its endpoints is ready' }]
    return leftOutOfService(source, service, port)
  })
}

function leftOutOfService(source: InspectionSource, service: ServiceFact, port: ServicePortFact): readonly LeftOut[] {
  if (!service.isLocal) return leftOutOfRemote(source, service, port)
  const members = source.mesh.serviceMembers.get(service.key) ?? []
  if (members.length === 0)
    return [{ what: `MeshService ${service.displayName}`, message: 'its selector matches no dataplane with an inbound in this zone' }]
  return members.flatMap((key) => leftOutDataplane(source, port, key))
}

function leftOutDataplane({ mesh }: InspectionSource, port: ServicePortFact, key: string): readonly LeftOut[] {
  const dataplane = mesh.dataplanes.get(key)
  if (!dataplane) return []
  const what = `dataplane ${dataplane.displayName}`
  if (mesh.endpointStates.get(key)?.draining) return [{ what, message: 'it is draining' }]
  const targets = dataplane.inbounds.flatMap((inbound, index) => (isTarget(port, inbound) ? [{ inbound, index }] : []))
  if (targets.length === 0) return [{ what, message: `it has no inbound ${port.targetPort}, the target port of ${port.section}` }]
  const ready = mesh.dataplaneHealth.get(key)?.inbounds ?? []
  return targets.flatMap(({ inbound, index }) => (ready[index] ? [] : [{ what, message: `its inbound ${inbound.section} is not ready` }]))
}

/** Endpoints of another zone are the addresses of its ingress. */
function leftOutOfRemote(source: InspectionSource, service: ServiceFact, port: ServicePortFact): readonly LeftOut[] {
  if (hasEndpoints(source, port.id)) return []
  const what = `zone ${service.zone}`
  const addresses = source.store.list('MeshZoneAddress', service.mesh).filter((address) => zoneOf(address) === service.zone)
  if (addresses.length === 0) return [{ what, message: 'no MeshZoneAddress says where its ingress is' }]
  if (source.store.list('MeshIdentity', service.mesh).length === 0)
    return [{ what, message: 'the mesh has no MeshIdentity, and other zones are reached over mTLS only' }]
  return [{ what, message: 'the host name of its ingress does not resolve' }]
}

function hasEndpoints({ mesh }: InspectionSource, id: string): boolean {
  return (mesh.loadAssignments.get(id)?.endpoints ?? []).length > 0
}

function zoneOf(resource: Resource): string {
  return resource.labels[labelKeys.zone] ?? ''
}
