// What every question about a dataplane starts from: the resource, its facts, and the policies of its mesh that select it.
import type { DestinationFact } from '@weft/facts'
import { type DataplaneFact, type MeshFacts, policyView } from '@weft/mesh'
import { type OutboundShape, plugins } from '@weft/policies'
import { matchPolicies, type OutboundTarget, portTarget, type ProxyView } from '@weft/policy'
import {
  formatKri,
  type Kri,
  nameKey,
  parseKri,
  type Registry,
  type Resource,
  type ResourceDescriptor,
  type ResourceKey,
  withoutSection,
} from '@weft/resources'

/** What sync holds back of the policies of one zone. */
export interface PolicySync {
  /** Versions that the zone refuses, by kind and mesh; names are those of the source's store, which need not have them. */
  refused(type: string, mesh: string): readonly { readonly name: string; readonly reason: string; readonly since: string }[]
  /** True while the zone has not acknowledged the version that the source has. */
  isOnItsWay(policy: ResourceKey): boolean
}

/** Where answers come from: the running facts of a control plane of either role. */
export interface InspectionSource {
  readonly registry: Registry
  readonly store: {
    get(key: ResourceKey): Resource | undefined
    list(type: string, mesh?: string): readonly Resource[]
  }
  /** Only where proxies are served. */
  rejections?(proxyKey: string): readonly RejectedPolicy[]
  /** Absent in a standalone zone, and where nothing is known. */
  readonly sync?: PolicySync
  readonly mesh: Pick<
    MeshFacts,
    | 'dataplanes'
    | 'dataplaneHealth'
    | 'destinations'
    | 'destinationsOf'
    | 'endpointStates'
    | 'identities'
    | 'loadAssignments'
    | 'multiZoneMembers'
    | 'serviceMembers'
    | 'services'
  >
}

/** A change of a policy that a proxy does not have because its Envoy refused it. */
export interface RejectedPolicy {
  readonly policy: Pick<Resource, 'type' | 'mesh' | 'name' | 'labels'>
  /** The proxy has the version that it accepted last; false: it has nothing of it. */
  readonly hasEarlier: boolean
  readonly resources: readonly string[]
  /** Envoy's words. */
  readonly message: string
}

/** The policies of one kind that select a dataplane. */
export interface MatchedKind {
  readonly kind: ResourceDescriptor
  readonly shape: OutboundShape | undefined
  /** Weakest first; never empty. */
  readonly policies: readonly Resource[]
}

/** A dataplane under inspection. */
export interface Inspected {
  readonly source: InspectionSource
  readonly resource: Resource
  readonly fact: DataplaneFact
  readonly view: ProxyView
  /** In the order in which kinds act. */
  readonly matched: readonly MatchedKind[]
}

/** Policy kinds in the order in which they act (contract/policies.md section 1.9). */
export function policyKinds(registry: Registry): readonly ResourceDescriptor[] {
  return registry.policies.toSorted((a, b) => (a.policy?.order ?? 0) - (b.policy?.order ?? 0))
}

/** The dataplane with what selects it; undefined while its facts are not there yet. */
export function inspected(source: InspectionSource, resource: Resource): Inspected | undefined {
  const fact = source.mesh.dataplanes.get(nameKey(resource))
  if (!fact) return undefined
  const view = policyView(fact)
  const matched = policyKinds(source.registry).flatMap((kind): readonly MatchedKind[] => {
    const policies = matchPolicies(source.store.list(kind.type, resource.mesh), view)
    return policies.length === 0 ? [] : [{ kind, shape: shapeOf(kind), policies }]
  })
  return { source, resource, fact, view, matched }
}

/** All destination ports of a mesh, sorted by identifier. */
export function destinationsOf({ source, resource }: Inspected): readonly DestinationFact[] {
  return [...source.mesh.destinations.entries()]
    .map(([, destination]) => destination)
    .filter((destination) => destination.mesh === resource.mesh)
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
}

/** What an identifier of a destination means in the dataplane's mesh: one port, or the whole when it names none; undefined for an unknown one. */
export function destinationTarget(dataplane: Inspected, kri: Kri): OutboundTarget | undefined {
  const wanted = formatKri(withoutSection(kri))
  const ports = destinationsOf(dataplane).filter(({ id }) => {
    const own = parseKri(id)
    return own !== undefined && formatKri(withoutSection(own)) === wanted
  })
  const [first] = ports
  if (!first) return undefined
  if (kri.section === '') return { ...portTarget(first), section: undefined }
  const port = ports.find(({ id }) => parseKri(id)?.section === kri.section)
  return port && portTarget(port)
}

function shapeOf(kind: ResourceDescriptor): OutboundShape | undefined {
  return plugins.find((plugin) => plugin.type === kind.type)?.outboundShape
}
