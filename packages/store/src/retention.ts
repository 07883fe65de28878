// How long entries of a change log stay: desired ones up to a number and an age, observed ones for minutes.
import type { Clock } from '@weft/foundation/time'

/** How long desired entries are kept. */
export interface HistoryRetention {
  readonly maxEntries: number
  /** 0: however old. */
  readonly maxAgeMs: number
}

const maxObservedAgeMs = 300_000
/** Observed entries kept at most. */
export const maxObservedEntries = 20_000
const pruneEveryMs = 10_000

/**
 * Tells up to which number observed entries may go (0: none) now that `seq` is the last one; undefined when it was asked less than 10 s
 * ago. Age is told by when this process saw a number, so wrong clocks prune nothing.
 */
export function createObservedRetention(clock: Clock): (seq: number) => number | undefined {
  let prunedAt = clock.monotonic()
  let marks: { readonly at: number; readonly seq: number }[] = []
  return (seq) => {
    const now = clock.monotonic()
    if (now - prunedAt < pruneEveryMs) return undefined
    prunedAt = now
    marks.push({ at: now, seq })
    const old = marks.findLast((mark) => mark.at <= now - maxObservedAgeMs)
    if (old) marks = marks.filter((mark) => mark.at >= old.at)
    return Math.max(old?.seq ?? 0, seq - maxObservedEntries)
  }
}
