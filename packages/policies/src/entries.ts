// Rules about the lists of a policy: which of `to` and `rules` it may have, and what its entries may target.
import type { Violation } from '@weft/foundation/errors'
import { targetRefViolations } from './target-ref.ts'

type Entries = readonly unknown[] | undefined

const isEmpty = (list: Entries): boolean => list === undefined || list.length === 0

/** At least one of the two lists must have entries. */
export function needsEntries(to: Entries, rules: Entries, at: string): readonly Violation[] {
  return isEmpty(to) && isEmpty(rules) ? [{ field: at, message: "at least one of 'to' or 'rules' has to be defined" }] : []
}

/** At most one of the two lists may have entries; `message` says so. */
export function exclusiveEntries(to: Entries, rules: Entries, problem: Violation): readonly Violation[] {
  return !isEmpty(to) && !isEmpty(rules) ? [problem] : []
}

interface ToEntry {
  readonly targetRef: { readonly kind: string; readonly labels?: Readonly<Record<string, string>>; readonly sectionName?: string }
}

/** Checks every `to` entry: its reference, then what `check` says about the rest. */
export function toViolations<T extends ToEntry>(
  to: readonly T[] | undefined,
  options: { readonly kinds: readonly string[]; readonly at: string; readonly check: (entry: T, field: string) => readonly Violation[] },
): readonly Violation[] {
  return (to ?? []).flatMap((entry, index) => {
    const field = `${options.at}.to[${index}]`
    return [...targetRefViolations(entry.targetRef, options.kinds, `${field}.targetRef`), ...options.check(entry, field)]
  })
}

/** Every kind an outbound entry can name. */
export const anyOutboundKind = ['Mesh', 'MeshService', 'MeshExternalService', 'MeshMultiZoneService', 'MeshHTTPRoute'] as const
/** The same without routes. */
export const meshOrDestinationKind = ['Mesh', 'MeshService', 'MeshExternalService', 'MeshMultiZoneService'] as const
