// What the first responses of a type are: all of it, or what the peer lacks of it when it said what it has.
import { inChunks } from './chunks.ts'
import { digestOffer, recalledVersion } from './features.ts'
import type { Encoded } from './outgoing.ts'
import type { PlannedResponse } from './sending-type.ts'
import { listLimitBytes, withoutTooLarge } from './type-size.ts'

/** What decides. */
export interface FirstListOptions {
  readonly entries: readonly Encoded[]
  /** Wire name to version, as the peer said. */
  readonly resume: ReadonlyMap<string, string>
  /** The peer takes a first list in several responses. */
  readonly chunked: boolean
  /** Of all entries. */
  digest(): string
}

/** The first list of a type. */
export interface FirstList {
  /** Undefined: it is too large for this peer, so nothing is sent. */
  readonly responses: readonly PlannedResponse[] | undefined
  /** Names of an earlier life of this side that it lacks now. */
  readonly recalledGone: readonly string[]
}

export function planFirstList({ entries, resume: given, chunked, digest }: FirstListOptions): FirstList {
  const offered = given.get(digestOffer)
  if (offered !== undefined && offered === digest())
    return { responses: [{ entries: [], removed: [], partial: false, same: true }], recalledGone: [] }
  const resume = offered === undefined ? given : new Map<string, string>()
  // a peer that only recalls names takes the list for a whole one
  const resumed = [...resume.values()].some((version) => version !== recalledVersion)
  const missing = resumed ? entries.filter((entry) => resume.get(entry.name) !== entry.version) : entries
  const present = new Set(entries.map((entry) => entry.name))
  const absent = [...resume].filter(([name]) => !present.has(name))
  const removed = absent.filter(([, version]) => version !== recalledVersion).map(([name]) => name)
  const recalledGone = absent.filter(([, version]) => version === recalledVersion).map(([name]) => name)
  if (!resumed && !chunked) {
    // a stock receiver takes the first response for the whole list, so it cannot be cut
    const fits = missing.reduce((sum, entry) => sum + entry.frame.length, 0) <= listLimitBytes
    return { responses: fits ? [{ entries: missing, removed, partial: false }] : undefined, recalledGone }
  }
  const chunks = inChunks(withoutTooLarge(missing))
  return {
    responses: chunks.map((chunk, index) => {
      const isLast = index === chunks.length - 1
      return { entries: chunk, removed: isLast ? removed : [], partial: !isLast && !resumed }
    }),
    recalledGone,
  }
}
