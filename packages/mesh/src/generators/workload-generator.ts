// Workloads of Universal dataplanes: one for each value of kuma.io/workload, with counters, gone with the last dataplane (contract/resources.md
// section 11).
import type { Collection, Graph } from '@weft/graph'
import { labelKeys, nameKey, type Resource } from '@weft/resources'
import type { DataplaneFact, DataplaneHealth } from '../dataplanes.ts'
import type { EndpointState } from '../endpoints.ts'
import { isLocal, type MeshSettings } from '../settings.ts'
import { fieldsOf, type GeneratedPart } from './generated-part.ts'

export const workloadGenerator = 'workload-generator'

export interface WantedWorkload {
  readonly connected: number
  readonly healthy: number
  readonly total: number
}

export interface WorkloadInputs {
  readonly meshes: Collection<Resource>
  readonly dataplanesByWorkload: Collection<readonly DataplaneFact[]>
  readonly health: Collection<DataplaneHealth>
  readonly states: Collection<EndpointState>
  readonly online: Collection<true>
}

/** By `mesh/name`. */
export function deriveWantedWorkloads(graph: Graph, inputs: WorkloadInputs): Collection<WantedWorkload> {
  const { dataplanesByWorkload, meshes, health, states, online } = inputs
  return graph.map(
    { name: 'wantedWorkloads', from: dataplanesByWorkload, reads: [meshes, health, states, online] },
    (scope, dataplanes) => {
      const [first] = dataplanes
      if (!first || !scope.get(meshes, `/${first.mesh}`)) return undefined
      const isHealthy = (key: string): boolean =>
        scope.get(health, key)?.inbounds.includes(true) === true && !scope.get(states, key)?.draining
      return {
        connected: dataplanes.filter(({ key }) => scope.get(online, key)).length,
        healthy: dataplanes.filter(({ key }) => isHealthy(key)).length,
        total: dataplanes.length,
      }
    },
  )
}

export function createWorkloadPart(wanted: Collection<WantedWorkload>, settings: MeshSettings): GeneratedPart {
  return {
    name: workloadGenerator,
    types: ['Workload'],
    apply: (key, draft) => {
      if (draft && (draft.labels[labelKeys.managedBy] !== workloadGenerator || !isLocal(draft.labels, settings))) return draft
      const counters = wanted.get(nameKey(key))
      if (!counters) return undefined
      return {
        labels: {
          ...draft?.labels,
          [labelKeys.mesh]: key.mesh,
          [labelKeys.displayName]: key.name,
          [labelKeys.managedBy]: workloadGenerator,
          [labelKeys.env]: 'universal',
          [labelKeys.zone]: settings.zone,
          [labelKeys.origin]: 'zone',
        },
        spec: draft?.spec ?? {},
        status: { ...fieldsOf(draft?.status), dataplaneProxies: counters },
      }
    },
  }
}
