// Where long lists are cut, so that no response holds up a stream or either side's event loop for long.
import type { Encoded } from './outgoing.ts'

/** Deltas and parts of lists are cut here, so that none holds up a stream or either side's event loop for long. */
export const softLimitBytes = 4 * 1024 * 1024
export const softLimitEntries = 1_000

/** At least one chunk, also for nothing: a first list is sent even when it is empty. */
export function inChunks(entries: readonly Encoded[]): readonly (readonly Encoded[])[] {
  const chunks: Encoded[][] = [[]]
  let bytes = 0
  let count = 0
  for (const entry of entries) {
    if (bytes > 0 && (bytes + entry.frame.length > softLimitBytes || count === softLimitEntries)) {
      chunks.push([])
      bytes = 0
      count = 0
    }
    chunks.at(-1)?.push(entry)
    bytes += entry.frame.length
    count++
  }
  return chunks
}
