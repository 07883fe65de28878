// The recent part of the change log in memory, one batch for each transaction, bounded by entries and age. Only its oldest end is cut.
import { AppError } from '@weft/foundation/errors'
import type { Clock } from '@weft/foundation/time'
import type { Change } from './contract.ts'

export interface ChangeLog {
  /** `last` is the number of the transaction's last change, also when that one was left out. */
  append(changes: readonly Change[], last: number): void
  /** Drops everything and continues at `seq`. */
  restart(seq: number): void
  /** Batches after `fromSeq`; the first may be the rest of a transaction. Throws store/compacted when entries are missing. */
  after(fromSeq: number): readonly (readonly Change[])[]
  /** Number of changes held. */
  size(): number
}

export interface ChangeLogOptions {
  readonly clock: Clock
  /** Sequence number of the state the log starts from. */
  readonly seq: number
  readonly maxEntries: number
  readonly maxAgeMs: number
}

interface Batch {
  readonly changes: readonly Change[]
  readonly last: number
  readonly at: number
}

/** An empty log that continues at `seq`. */
export function createChangeLog(options: ChangeLogOptions): ChangeLog {
  let batches: Batch[] = []
  let held = 0
  /** Everything up to here is gone from the log. */
  let compactedTo = options.seq
  let seq = options.seq

  const prune = (): void => {
    const oldest = options.clock.now() - options.maxAgeMs
    let dropped = 0
    for (const batch of batches) {
      if (held <= options.maxEntries && batch.at >= oldest) break
      dropped += 1
      held -= batch.changes.length
      compactedTo = batch.last
    }
    // at once: a batch holds the values before and after, and would keep the former from being freed
    if (dropped > 0) batches.splice(0, dropped)
  }

  return {
    append: (changes, last) => {
      seq = last
      if (changes.length === 0) return
      batches.push({ changes, last, at: options.clock.now() })
      held += changes.length
      prune()
    },
    restart: (at) => {
      batches = []
      held = 0
      compactedTo = at
      seq = at
    },
    after: (fromSeq) => {
      if (fromSeq < compactedTo || fromSeq > seq) {
        throw new AppError('store/compacted', `change log does not hold the changes after ${fromSeq}: list again from ${seq}`, {
          details: { listFrom: seq },
        })
      }
      const found: (readonly Change[])[] = []
      for (let index = batches.length - 1; index >= 0; index -= 1) {
        const batch = batches[index]
        if (!batch || batch.last <= fromSeq) break
        found.push(batch.changes.filter((change) => change.seq > fromSeq))
      }
      return found.reverse()
    },
    size: () => held,
  }
}
