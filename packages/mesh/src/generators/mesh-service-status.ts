// State, identities, TLS readiness and counters of local MeshServices (contract/resources.md section 4). TLS becomes Ready only once every proxy of
// the service accepts it, and then stays Ready: clients switch after servers.
import type { ProxyMetadata, TrustFact, IdentityFact } from '@weft/facts'
import type { Collection, Graph, Scope } from '@weft/graph'
import { type MeshServiceStatus, nameKey } from '@weft/resources'
import type { DataplaneFact, DataplaneHealth } from '../dataplanes.ts'
import { type EndpointState, isTarget } from '../endpoints.ts'
import type { ServiceFact } from '../services.ts'
import { fieldsOf, type GeneratedPart } from './generated-part.ts'

export interface ServiceStatus {
  readonly isAvailable: boolean
  readonly spiffeIds: readonly string[]
  readonly hasIdentity: boolean
  readonly acceptsTls: boolean
  readonly connected: number
  readonly healthy: number
  readonly total: number
}

export interface ServiceStatusInputs {
  readonly services: Collection<ServiceFact>
  readonly members: Collection<readonly string[]>
  readonly dataplanes: Collection<DataplaneFact>
  readonly health: Collection<DataplaneHealth>
  readonly states: Collection<EndpointState>
  readonly online: Collection<true>
  readonly proxies: Collection<ProxyMetadata>
  readonly tlsAccepting: Collection<true>
  readonly spiffeIds: Collection<readonly string[]>
  readonly identities: Collection<IdentityFact>
  readonly trust: Collection<TrustFact>
  readonly meshesWithIdentity: Collection<true>
}

/** By `mesh/name` of local MeshServices. */
export function deriveServiceStatus(graph: Graph, inputs: ServiceStatusInputs): Collection<ServiceStatus> {
  const { services, ...read } = inputs
  return graph.map(
    { name: 'serviceStatus', from: services, reads: Object.values(read) },
    (scope, service, key): ServiceStatus | undefined => {
      const members = scope.get(read.members, key)
      if (!members) return undefined
      const ids = new Set(members.flatMap((member) => scope.get(read.spiffeIds, member) ?? []))
      const healthy = members.filter((member) => isHealthy(scope, service, member)).length
      return {
        isAvailable: healthy > 0,
        spiffeIds: [...ids].sort(),
        hasIdentity: scope.get(read.meshesWithIdentity, service.mesh) === true,
        acceptsTls: members.length > 0 && members.every((member) => acceptsTls(scope, service.mesh, member)),
        connected: members.filter((member) => scope.get(read.online, member)).length,
        healthy,
        total: members.length,
      }
    },
  )

  /** Every port of the service has a ready inbound, and the proxy does not drain. */
  function isHealthy(scope: Scope, service: ServiceFact, member: string): boolean {
    const dataplane = scope.get(read.dataplanes, member)
    const ready = scope.get(read.health, member)
    if (!dataplane || !ready || scope.get(read.states, member)?.draining) return false
    return service.ports.every((port) => dataplane.inbounds.some((inbound, i) => ready.inbounds[i] === true && isTarget(port, inbound)))
  }

  /** Its identity works, its trust domain is trusted, and its proxy has taken a listener that accepts TLS. */
  function acceptsTls(scope: Scope, mesh: string, member: string): boolean {
    const identity = scope.get(read.identities, member)
    if (!identity || scope.get(read.tlsAccepting, member) !== true) return false
    return scope.get(read.trust, mesh)?.domains.some((domain) => domain.name === identity.trustDomain) === true
  }
}

export function createServiceStatusPart(statuses: Collection<ServiceStatus>): GeneratedPart {
  return {
    name: 'meshservice-status',
    types: ['MeshService'],
    apply: (key, draft) => {
      const wanted = statuses.get(nameKey(key))
      if (!draft || !wanted) return draft
      const { identities: _, ...spec } = fieldsOf(draft.spec)
      // stored MeshServices passed the codec of their kind
      const isReady = wanted.hasIdentity && (wanted.acceptsTls || (draft.status as MeshServiceStatus | undefined)?.tls?.status === 'Ready')
      return {
        ...draft,
        spec: {
          ...spec,
          state: wanted.isAvailable ? 'Available' : 'Unavailable',
          ...(wanted.spiffeIds.length === 0 ? {} : { identities: wanted.spiffeIds.map((value) => ({ type: 'SpiffeID', value })) }),
        },
        status: {
          ...fieldsOf(draft.status),
          tls: { status: isReady ? 'Ready' : 'NotReady' },
          dataplaneProxies: { connected: wanted.connected, healthy: wanted.healthy, total: wanted.total },
        },
      }
    },
  }
}
