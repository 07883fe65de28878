// Dataplanes as facts, split so that health never touches a proxy's configuration: the shape of a dataplane, and apart from it which of its
// inbounds and listeners are ready.
import type { InboundFact, Protocol, ZoneListenerFact } from '@weft/facts'
import type { Collection, Graph } from '@weft/graph'
import { displayName, labelKeys, nameKey, type DataplaneOutbound, type DataplaneSpec, type Labels, type Resource } from '@weft/resources'
import { type MeshSettings, zoneOf } from './settings.ts'

/** One reference of reachableBackends. */
export interface ReachableRef {
  readonly kind: string
  readonly name: string
  readonly namespace: string
  readonly port: number | undefined
  readonly labels: Labels | undefined
}

/** What a Dataplane says, without health. */
export interface DataplaneFact {
  readonly key: string
  readonly mesh: string
  readonly name: string
  readonly displayName: string
  readonly zone: string
  readonly workload: string
  readonly creationTime: string
  readonly labels: Labels
  readonly address: string
  readonly gateway: boolean
  readonly inbounds: readonly InboundFact[]
  /** The protocol of each inbound as the Dataplane wrote it, '' when it wrote none; in the order of `inbounds`. */
  readonly writtenProtocols: readonly string[]
  readonly zoneListeners: readonly ZoneListenerFact[]
  readonly outbounds: readonly DataplaneOutbound[]
  /** The resource itself asks for transparent proxying (the proxy may as well). */
  readonly redirects: boolean
  /** Undefined: everything is reachable. */
  readonly reachable: readonly ReachableRef[] | undefined
}

/** Readiness in the order of the DataplaneFact's lists. */
export interface DataplaneHealth {
  readonly inbounds: readonly boolean[]
  readonly zoneListeners: readonly boolean[]
}

export interface Dataplanes {
  readonly facts: Collection<DataplaneFact>
  readonly health: Collection<DataplaneHealth>
}

/** Inbound port of a dataplane that serves nothing (contract/dataplane.md section 6.1). */
const servicelessPort = 49151

type Networking = NonNullable<DataplaneSpec['networking']>

export function deriveDataplanes(graph: Graph, resources: Collection<Resource>, settings: MeshSettings): Dataplanes {
  const facts = graph.map({ name: 'dataplanes', from: resources }, (_, resource) => dataplaneFact(resource, settings))
  const health = graph.map({ name: 'dataplaneHealth', from: resources }, (_, resource) => dataplaneHealth(resource))
  return { facts, health }
}

/** The fact of one Dataplane. */
export function dataplaneFact(resource: Resource, settings: MeshSettings): DataplaneFact {
  const networking = networkingOf(resource)
  const address = networking.address ?? ''
  const inbounds = inboundsOf(networking)
  return {
    key: nameKey(resource),
    mesh: resource.mesh,
    name: resource.name,
    displayName: displayName(resource),
    zone: zoneOf(resource.labels, settings),
    workload: resource.labels[labelKeys.workload] ?? '',
    creationTime: resource.creationTime,
    labels: resource.labels,
    address,
    gateway: networking.gateway !== undefined,
    inbounds: inbounds.map((inbound) => {
      const own = inbound.address || address
      const port = inbound.port ?? 0
      return {
        section: inbound.name || String(port),
        address: own,
        port,
        workloadAddress: inbound.serviceAddress || own,
        workloadPort: inbound.servicePort || port,
        protocol: protocolOf(inbound.protocol),
      }
    }),
    writtenProtocols: inbounds.map((inbound) => inbound.protocol ?? ''),
    zoneListeners: listenersOf(networking).map((listener) => ({
      section: listener.name || String(listener.port ?? 0),
      kind: listener.type === 'ZoneEgress' ? 'ZoneEgress' : 'ZoneIngress',
      address: listener.address || address,
      port: listener.port ?? 0,
    })),
    outbounds: networking.outbound ?? [],
    redirects: (networking.transparentProxying?.redirectPortOutbound ?? 0) > 0,
    reachable: networking.transparentProxying?.reachableBackends
      ? (networking.transparentProxying.reachableBackends.refs ?? []).map((ref) => ({
          kind: ref.kind ?? '',
          name: ref.name ?? '',
          namespace: ref.namespace ?? '',
          port: ref.port,
          labels: ref.labels && Object.keys(ref.labels).length > 0 ? ref.labels : undefined,
        }))
      : undefined,
  }
}

/** Ready: state Ready, and not reported unhealthy (contract/dataplane.md section 6.1). */
export function dataplaneHealth(resource: Resource): DataplaneHealth {
  const networking = networkingOf(resource)
  return {
    inbounds: inboundsOf(networking).map(
      (inbound) => (inbound.state ?? 'Ready') === 'Ready' && (!inbound.health || inbound.health.ready === true),
    ),
    zoneListeners: listenersOf(networking).map((listener) => (listener.state ?? 'Ready') === 'Ready'),
  }
}

/** An application protocol the proxies understand; everything else is plain TCP. */
export function protocolOf(text: string | undefined): Protocol {
  const lower = (text ?? '').toLowerCase()
  return lower === 'http' || lower === 'http2' || lower === 'grpc' ? lower : 'tcp'
}

function networkingOf(resource: Resource): Networking {
  // stored Dataplanes passed the codec of their kind
  return (resource.spec as DataplaneSpec).networking ?? {}
}

function inboundsOf(networking: Networking): NonNullable<Networking['inbound']> {
  return (networking.inbound ?? []).filter((inbound) => inbound.port !== servicelessPort)
}

function listenersOf(networking: Networking): NonNullable<Networking['listeners']> {
  return (networking.listeners ?? []).filter((listener) => listener.type === 'ZoneIngress' || listener.type === 'ZoneEgress')
}
