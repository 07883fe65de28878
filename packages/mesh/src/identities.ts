// Identities: which MeshIdentity a dataplane uses and the SPIFFE ids it may have (contract/dataplane.md section 11.1).
import type { IdentityFact } from '@weft/facts'
import type { Collection, Graph, Index } from '@weft/graph'
import { type IdentityReadiness, matchingIdentities, readinessOf, selectIdentity, spiffeIdOf, trustDomainOf } from '@weft/identity'
import { kriText, type MeshIdentitySpec, type Resource } from '@weft/resources'
import { structuralEqual } from '@weft/graph'
import type { DataplaneFact } from './dataplanes.ts'
import type { MeshSettings } from './settings.ts'

export interface Identities {
  /** By dataplane key: the identity its proxy gets a certificate of. Absent while its MeshIdentity is not ready or there is none. */
  readonly ofDataplane: Collection<IdentityFact>
  /** The same, of any dataplane, as of now. */
  of(dataplane: DataplaneFact): IdentityFact | undefined
  /** By dataplane key: every id under any usable MeshIdentity that selects it, sorted. */
  readonly spiffeIds: Collection<readonly string[]>
  /** By mesh name. */
  readonly meshesWithIdentity: Collection<true>
}

export function deriveIdentities(
  graph: Graph,
  inputs: { readonly resources: Collection<Resource>; readonly dataplanes: Collection<DataplaneFact> },
  settings: MeshSettings,
): Identities {
  // a private key in the spec is of no interest here, and only the Ready condition of the status is
  const usable = graph.map({ name: 'meshIdentities', from: inputs.resources, equal: structuralEqual }, (_, resource) =>
    withReadiness(resource),
  )
  const byMesh: Index<UsableIdentity> = graph.index('meshIdentitiesByMesh', usable, (identity) => [identity.resource.mesh])
  const groups = graph.group('meshIdentityGroups', usable, (identity) => [identity.resource.mesh])
  const meshesWithIdentity = graph.map({ name: 'meshesWithIdentity', from: groups }, (): true => true)
  const identityOf = (dataplane: DataplaneFact, candidates: readonly UsableIdentity[]): IdentityFact | undefined => {
    const best = selectIdentity(
      candidates.map((c) => c.resource),
      dataplane.labels,
    )
    if (!best || !candidates.find((c) => c.resource === best)?.issues) return undefined
    const spiffeId = spiffeIdOf(best, dataplane.labels, settings)
    const trustDomain = trustDomainOf(best, settings)
    return spiffeId === undefined || trustDomain === undefined ? undefined : { kri: kriText('mid', best), spiffeId, trustDomain }
  }
  const ofDataplane = graph.map({ name: 'identities', from: inputs.dataplanes, reads: [byMesh] }, (scope, dataplane) =>
    identityOf(dataplane, scope.lookup(byMesh, dataplane.mesh)),
  )
  const spiffeIds = graph.map({ name: 'spiffeIds', from: inputs.dataplanes, reads: [byMesh] }, (scope, dataplane) => {
    const named = scope.lookup(byMesh, dataplane.mesh).filter((identity) => identity.names)
    if (named.length === 0) return noIds
    const ids = matchingIdentities(
      named.map((c) => c.resource),
      dataplane.labels,
    ).map((identity) => spiffeIdOf(identity, dataplane.labels, settings))
    return [...new Set(ids.filter((id) => id !== undefined))].sort()
  })
  return { ofDataplane, of: (dataplane) => identityOf(dataplane, byMesh.lookup(dataplane.mesh)), spiffeIds, meshesWithIdentity }
}

/** The same for every dataplane of a mesh without identities. */
const noIds: readonly string[] = []

interface UsableIdentity extends IdentityReadiness {
  /** Without provider and status. */
  readonly resource: Resource
}

function withReadiness(resource: Resource): UsableIdentity {
  // stored MeshIdentities passed the codec of their kind
  const spec = resource.spec as MeshIdentitySpec
  const { selector, spiffeID } = spec
  return {
    resource: {
      type: resource.type,
      mesh: resource.mesh,
      name: resource.name,
      labels: resource.labels,
      creationTime: resource.creationTime,
      modificationTime: '',
      version: 0,
      spec: { ...(selector ? { selector } : {}), ...(spiffeID ? { spiffeID } : {}) },
    },
    ...readinessOf(resource),
  }
}
