// One generator's share of a resource: several of them shape the same resource one after the other, and one write carries the result.
import type { Labels, ResourceKey } from '@weft/resources'

/** The changeable part of a resource. */
export interface Draft {
  readonly labels: Labels
  readonly spec: unknown
  readonly status: unknown
}

export interface GeneratedPart {
  /** Who writes: the actor is `generator:<name>`. */
  readonly name: string
  readonly types: readonly string[]
  /**
   * What the resource should be: undefined for a resource that must not exist, the given draft itself to leave it alone. Touches only the fields
   * of this generator. Reads the graph as it is now.
   */
  apply(key: ResourceKey, draft: Draft | undefined): Draft | undefined
  /** This process writes from now on what another wrote before: forgets what it planned itself earlier. */
  takeOver?(): void
}

/** A status or spec as an object to spread: stored values passed the codec of their kind, an absent one is empty. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}
