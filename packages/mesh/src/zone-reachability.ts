// Endpoints behind an ingress of another zone that cannot be reached are marked: an outside fact of whoever probes. Load assignments put what is
// marked behind what is left of a service, or leave it out; nothing else depends on it.
import type { EndpointFact } from '@weft/facts'
import type { Collection, Graph } from '@weft/graph'
import { parseDuration } from '@weft/foundation/time'
import { labelKeys, type Labels, type Resource } from '@weft/resources'

/** What a mesh does with endpoints in a zone that cannot be reached. */
export type UnreachableAction = 'keep' | 'deprioritize' | 'withdraw'

export interface UnreachableRule {
  readonly action: UnreachableAction
  /** How long a zone must have been out of reach. */
  readonly afterMs: number
}

/** The rule of a mesh whose labels say nothing, or nothing that can be read. */
export const defaultUnreachableRule: UnreachableRule = { action: 'deprioritize', afterMs: 30_000 }

const actions: ReadonlySet<string> = new Set<UnreachableAction>(['keep', 'deprioritize', 'withdraw'])

function isAction(text: string | undefined): text is UnreachableAction {
  return text !== undefined && actions.has(text)
}

/** The rule in the labels of a Mesh. */
export function unreachableRule(labels: Labels): UnreachableRule {
  const action = labels[labelKeys.unreachableZone]
  const afterMs = parseDuration(labels[labelKeys.unreachableZoneAfter] ?? '')
  return {
    action: isAction(action) ? action : defaultUnreachableRule.action,
    afterMs: afterMs !== undefined && afterMs >= 0 ? afterMs : defaultUnreachableRule.afterMs,
  }
}

/** Ingresses of one zone that a mesh moves traffic away from. */
export interface ZoneReachability {
  readonly action: Exclude<UnreachableAction, 'keep'>
  /** IP address and port, as `placeOf` writes them. */
  readonly unreachable: readonly string[]
}

interface Place {
  /** IP address. */
  readonly address: string
  readonly port: number
}

/** Address and port in one text. */
export function placeOf({ address, port }: Place): string {
  return `${address} ${port}`
}

/** What becomes of an endpoint behind an ingress of another zone. */
export function outOfReach(fact: ZoneReachability | undefined, ingress: Place): Pick<EndpointFact, 'outOfReach'> {
  if (!fact?.unreachable.includes(placeOf(ingress))) return {}
  return { outOfReach: fact.action === 'withdraw' ? 'leave' : 'behind' }
}

/** Rules by mesh name. */
export function deriveUnreachableRules(graph: Graph, meshes: Collection<Resource>): Collection<UnreachableRule> {
  return graph.derive({ name: 'unreachableRules', from: meshes }, function* (_, resource) {
    yield [resource.name, unreachableRule(resource.labels)] as const
  })
}
