// Load assignments. Local endpoints are ready inbounds of selected dataplanes; remote ones are the ingress addresses of the owner zone. Nothing here
// depends on policies or on any proxy (contract/dataplane.md section 12).
import { isIP } from 'node:net'
import type { EndpointFact, EndpointHealth, LoadAssignmentFact } from '@weft/facts'
import type { Collection, Graph, Index, Scope } from '@weft/graph'
import { labelKeys, type Labels, type MeshZoneAddressSpec, type Resource } from '@weft/resources'
import { sortEndpoints } from './endpoint-order.ts'
import type { DataplaneFact, DataplaneHealth } from './dataplanes.ts'
import type { ServiceFact, ServicePortFact } from './services.ts'
import { type MeshSettings, zoneOf } from './settings.ts'
import { outOfReach, type ZoneReachability } from './zone-reachability.ts'

/** What is known of a dataplane's endpoints besides its resource. Absent: nothing special. */
export interface EndpointState {
  /** The proxy reported that it drains: its endpoints leave at once. */
  readonly draining?: boolean
  /** Its stream is gone: the endpoints stay, for the case that nothing better is left. */
  readonly degraded?: boolean
}

/** Collections an endpoint depends on. */
export interface EndpointInputs {
  readonly dataplanes: Collection<DataplaneFact>
  readonly health: Collection<DataplaneHealth>
  readonly states: Collection<EndpointState>
  /** Host name to IP address, for addresses that are names. */
  readonly hosts: Collection<string>
}

export interface ZoneAddress {
  readonly mesh: string
  readonly zone: string
  readonly address: string
  readonly port: number
}

/** Ingress addresses by `mesh/zone`. */
export function deriveZoneAddresses(
  graph: Graph,
  resources: Collection<Resource>,
  settings: MeshSettings,
): { readonly all: Collection<ZoneAddress>; readonly byZone: Index<ZoneAddress> } {
  const all = graph.map({ name: 'zoneAddresses', from: resources }, (_, resource): ZoneAddress => {
    // stored MeshZoneAddresses passed the codec of their kind
    const spec = resource.spec as MeshZoneAddressSpec
    return { mesh: resource.mesh, zone: zoneOf(resource.labels, settings), address: spec.address, port: spec.port }
  })
  return { all, byZone: graph.index('zoneAddressesByZone', all, (address) => [`${address.mesh}/${address.zone}`]) }
}

/** An ingress of another zone, with its address resolved. */
export interface RemoteIngress {
  readonly mesh: string
  readonly zone: string
  readonly address: string
  readonly port: number
}

/** Ingresses of the other zones, for whoever probes them; those whose name is not resolved are not listed. */
export function deriveRemoteIngresses(
  graph: Graph,
  inputs: { readonly zoneAddresses: Collection<ZoneAddress>; readonly hosts: Collection<string> },
  settings: MeshSettings,
): Collection<RemoteIngress> {
  return graph.map({ name: 'remoteIngresses', from: inputs.zoneAddresses, reads: [inputs.hosts] }, (scope, entry) => {
    if (entry.zone === '' || entry.zone === settings.zone) return undefined
    const address = resolveAddress(scope, inputs.hosts, entry.address)
    return address === undefined ? undefined : { mesh: entry.mesh, zone: entry.zone, address, port: entry.port }
  })
}

export interface ServiceAssignmentInputs extends EndpointInputs {
  readonly services: Collection<ServiceFact>
  readonly members: Collection<readonly string[]>
  readonly zoneAddresses: Index<ZoneAddress>
  /** Meshes that have a MeshIdentity: without one nothing remote can be reached. */
  readonly meshesWithIdentity: Collection<true>
  readonly reachability: Collection<ZoneReachability>
}

/** One load assignment for each port of each MeshService. */
export function deriveServiceAssignments(graph: Graph, inputs: ServiceAssignmentInputs): Collection<LoadAssignmentFact> {
  const { services, members, dataplanes, health, states, hosts, zoneAddresses, meshesWithIdentity, reachability } = inputs
  const reads = [members, dataplanes, health, states, hosts, zoneAddresses, meshesWithIdentity, reachability]
  return graph.derive({ name: 'serviceAssignments', from: services, reads }, function* (scope, service, key) {
    const remote = service.isLocal ? [] : remoteEndpoints(scope, service)
    for (const port of service.ports) {
      const endpoints = service.isLocal ? sortEndpoints(localEndpoints(scope, port, scope.get(members, key) ?? [])) : remote
      yield [port.id, { id: port.id, endpoints }] as const
    }
  })

  function localEndpoints(scope: Scope, port: ServicePortFact, keys: readonly string[]): EndpointFact[] {
    const endpoints: EndpointFact[] = []
    for (const key of keys) {
      const state = scope.get(states, key)
      const dataplane = scope.get(dataplanes, key)
      const ready = scope.get(health, key)
      if (!dataplane || state?.draining) continue
      for (const [i, inbound] of dataplane.inbounds.entries()) {
        if (!ready?.inbounds[i] || !isTarget(port, inbound)) continue
        const address = resolveAddress(scope, hosts, inbound.address)
        if (address === undefined) continue
        const metadata = endpointMetadata(dataplane.labels, dataplane.writtenProtocols[i] ?? '')
        endpoints.push({
          address,
          port: inbound.port,
          zone: dataplane.zone,
          priority: 0,
          weight: 1,
          health: endpointHealth(state),
          metadata,
        })
      }
    }
    return endpoints
  }

  function remoteEndpoints(scope: Scope, service: ServiceFact): readonly EndpointFact[] {
    if (!scope.get(meshesWithIdentity, service.mesh)) return []
    const key = `${service.mesh}/${service.zone}`
    const found = scope.lookup(zoneAddresses, key)
    const state = scope.get(reachability, key)
    return sortEndpoints(
      found.flatMap((entry): EndpointFact[] => {
        const address = resolveAddress(scope, hosts, entry.address)
        if (address === undefined) return []
        return [
          {
            address,
            port: entry.port,
            zone: entry.zone,
            priority: 1,
            weight: 1,
            health: 'HEALTHY',
            metadata: { [labelKeys.zone]: entry.zone },
            ...outOfReach(state, { address, port: entry.port }),
          },
        ]
      }),
    )
  }
}

/** Whether an inbound serves a port of a service: by number, or by name (contract/dataplane.md section 6.6). */
export function isTarget(
  port: { readonly targetPort: number | string },
  inbound: { readonly section: string; readonly port: number },
): boolean {
  return typeof port.targetPort === 'number'
    ? port.targetPort === inbound.port
    : port.targetPort === inbound.section || port.targetPort === String(inbound.port)
}

export function endpointHealth(state: EndpointState | undefined): EndpointHealth {
  return state?.degraded ? 'DEGRADED' : 'HEALTHY'
}

/** An IP address as it is, a host name by what it resolves to, undefined while that is not known. */
export function resolveAddress(scope: Scope, hosts: Collection<string>, address: string): string | undefined {
  return isIP(address) !== 0 ? address : scope.get(hosts, address)
}

/** Labels of the dataplane and the protocol as written, without the legacy service tag (contract/dataplane.md section 8.3). */
function endpointMetadata(labels: Labels, protocol: string): Labels {
  const { 'kuma.io/service': _, ...rest } = labels
  return protocol === '' ? rest : { ...rest, 'kuma.io/protocol': protocol }
}
