// Runs many small jobs without holding the event loop: each at most once per turn, in the order they were asked for.
import type { Clock } from '@weft/foundation/time'

/** Asks for `job` to run on the next turn. Asking again before it ran changes nothing. */
export type TurnQueue = (job: () => void) => void

/** A queue that lets the process do other work after every `budgetMs` of jobs. */
export function createTurnQueue(clock: Clock, budgetMs: number): TurnQueue {
  const waiting = new Set<() => void>()
  let scheduled = false
  const run = (): void => {
    scheduled = false
    const end = clock.monotonic() + budgetMs
    for (const job of waiting) {
      waiting.delete(job)
      job()
      if (clock.monotonic() >= end) break
    }
    if (waiting.size > 0) schedule()
  }
  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    clock.after(0, run)
  }
  return (job) => {
    waiting.add(job)
    schedule()
  }
}
