// Status of MeshMultiZoneServices: the services they select, as this zone sees them (contract/resources.md section 5).
import type { Collection, Graph } from '@weft/graph'
import { nameKey } from '@weft/resources'
import type { ServiceFact } from '../services.ts'
import { fieldsOf, type GeneratedPart } from './generated-part.ts'

export interface MatchedService {
  readonly name: string
  readonly namespace: string
  readonly zone: string
  readonly mesh: string
}

/** By `mesh/name` of MeshMultiZoneServices. */
export function deriveMatchedServices(
  graph: Graph,
  members: Collection<readonly string[]>,
  services: Collection<ServiceFact>,
): Collection<readonly MatchedService[]> {
  return graph.map({ name: 'multiZoneMatches', from: members, reads: [services] }, (scope, keys) =>
    keys
      .flatMap((key): MatchedService[] => {
        const service = scope.get(services, key)
        return service ? [{ name: service.displayName, namespace: service.namespace, zone: service.zone, mesh: service.mesh }] : []
      })
      .sort((a, b) => compare(orderOf(a), orderOf(b))),
  )
}

export function createMultiZonePart(matches: Collection<readonly MatchedService[]>): GeneratedPart {
  return {
    name: 'meshmultizoneservice-status',
    types: ['MeshMultiZoneService'],
    apply: (key, draft) => {
      const matched = matches.get(nameKey(key))
      if (!draft || !matched) return draft
      const count = matched.length
      const condition =
        count > 0
          ? { type: 'MeshServicesMatched', status: 'True', reason: 'MatchesFound', message: `Matched ${count} MeshService(s)` }
          : { type: 'MeshServicesMatched', status: 'False', reason: 'NoMatchesFound', message: 'No MeshServices matched by selector' }
      return { ...draft, status: { ...fieldsOf(draft.status), meshServices: matched, conditions: [condition] } }
    },
  }
}

function orderOf(service: MatchedService): string {
  return `${service.name}.${service.namespace}.${service.zone}.${service.mesh}`
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
