// MeshServices as facts: what endpoints, destinations and multi-zone services need of them, without counters of their status.
import type { Protocol } from '@weft/facts'
import type { Collection, Graph, Scope } from '@weft/graph'
import {
  displayName,
  kriText,
  labelKeys,
  nameKey,
  type Labels,
  type MeshServiceSpec,
  type MeshServiceStatus,
  type Resource,
} from '@weft/resources'
import { type DataplaneFact, protocolOf } from './dataplanes.ts'
import { indexByLabel, selectByLabels } from './label-selection.ts'
import { isLocal, type MeshSettings } from './settings.ts'

export interface ServicePortFact {
  /** Key of the port's destination and load assignment. */
  readonly id: string
  /** Port name, or the number in decimal. */
  readonly section: string
  readonly port: number
  /** A number, or the name of an inbound. */
  readonly targetPort: number | string
  readonly protocol: Protocol
}

/** What all kinds of destinations have in common. */
export interface NamedFact {
  readonly key: string
  readonly mesh: string
  readonly name: string
  readonly displayName: string
  /** Zone label, '' when absent. */
  readonly zone: string
  readonly namespace: string
  readonly labels: Labels
  readonly creationTime: string
  readonly vips: readonly string[]
  readonly hostnames: readonly string[]
}

export type ServiceSelector =
  | { readonly kind: 'none' }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'labels'; readonly labels: Labels }

export interface ServiceFact extends NamedFact {
  readonly isLocal: boolean
  readonly isAvailable: boolean
  readonly isTlsReady: boolean
  readonly selector: ServiceSelector
  readonly ports: readonly ServicePortFact[]
  /** Sorted, without duplicates. */
  readonly spiffeIds: readonly string[]
}

export function deriveServices(graph: Graph, resources: Collection<Resource>, settings: MeshSettings): Collection<ServiceFact> {
  return graph.map({ name: 'services', from: resources }, (_, resource) => serviceFact(resource, settings))
}

/** Keys of the local dataplanes each local MeshService selects, sorted; they need an inbound and the same mesh (contract/resources.md section 4). */
export function deriveServiceMembers(
  graph: Graph,
  services: Collection<ServiceFact>,
  dataplanes: Collection<DataplaneFact>,
): Collection<readonly string[]> {
  const byLabel = indexByLabel(graph, 'dataplanesByLabel', dataplanes)
  return graph.map({ name: 'serviceMembers', from: services, reads: [byLabel, dataplanes] }, (scope, service) =>
    service.isLocal
      ? selected(scope, service)
          .filter((dataplane) => dataplane.inbounds.length > 0)
          .map((dataplane) => dataplane.key)
      : undefined,
  )

  function selected(scope: Scope, service: ServiceFact): readonly DataplaneFact[] {
    switch (service.selector.kind) {
      case 'none':
        return []
      case 'name': {
        const dataplane = scope.get(dataplanes, `${service.mesh}/${service.selector.name}`)
        return dataplane ? [dataplane] : []
      }
      case 'labels':
        return selectByLabels(scope, byLabel, { mesh: service.mesh, labels: service.selector.labels })
    }
  }
}

/** The common part of a destination. */
export function namedFact(
  resource: Resource,
  addresses: { readonly vips: readonly string[]; readonly hostnames: readonly string[] },
): NamedFact {
  return {
    key: nameKey(resource),
    mesh: resource.mesh,
    name: resource.name,
    displayName: displayName(resource),
    zone: resource.labels[labelKeys.zone] ?? '',
    namespace: resource.labels[labelKeys.namespace] ?? '',
    labels: withoutGrace(resource.labels),
    creationTime: resource.creationTime,
    ...addresses,
  }
}

/** Hostnames of `status.addresses`, in order. */
export function hostnamesOf(addresses: readonly { readonly hostname?: string }[] | undefined): readonly string[] {
  return (addresses ?? []).flatMap((address) => (address.hostname ? [address.hostname] : []))
}

/** Addresses of `status.vips`, in order. */
export function vipsOf(vips: readonly { readonly ip?: string }[] | undefined): readonly string[] {
  return (vips ?? []).flatMap((vip) => (vip.ip ? [vip.ip] : []))
}

/** Ports by section: of several with the same section the first counts. */
export function uniqueSections<P extends { readonly section: string }>(ports: readonly P[]): readonly P[] {
  const seen = new Set<string>()
  return ports.filter((port) => !seen.has(port.section) && seen.add(port.section))
}

function serviceFact(resource: Resource, settings: MeshSettings): ServiceFact {
  // stored MeshServices passed the codec of their kind
  const spec = resource.spec as MeshServiceSpec
  const status = resource.status as MeshServiceStatus | undefined
  const ids = (spec.identities ?? []).filter((identity) => identity.type === 'SpiffeID').map((identity) => identity.value)
  return {
    ...namedFact(resource, { vips: vipsOf(status?.vips), hostnames: hostnamesOf(status?.addresses) }),
    isLocal: isLocal(resource.labels, settings),
    isAvailable: spec.state === 'Available',
    isTlsReady: status?.tls?.status === 'Ready',
    selector: selectorOf(spec),
    ports: uniqueSections(
      (spec.ports ?? []).map((port) => {
        const section = port.name || String(port.port)
        return {
          id: kriText('msvc', resource, section),
          section,
          port: port.port,
          targetPort: port.targetPort || port.port,
          protocol: protocolOf(port.appProtocol),
        }
      }),
    ),
    spiffeIds: [...new Set(ids)].sort(),
  }
}

function selectorOf(spec: MeshServiceSpec): ServiceSelector {
  const name = spec.selector?.dataplaneRef?.name
  if (name) return { kind: 'name', name }
  const labels = spec.selector?.dataplaneLabels?.matchLabels
  return labels && Object.keys(labels).length > 0 ? { kind: 'labels', labels } : { kind: 'none' }
}

/** The grace-period mark is bookkeeping: no consumer of the destination may depend on it. */
function withoutGrace(labels: Labels): Labels {
  if (!Object.hasOwn(labels, labelKeys.graceStarted)) return labels
  const { [labelKeys.graceStarted]: _, ...rest } = labels
  return rest
}
