// Deadlines that are all equally far away: one timer for all of them, and those that have come are met in one go.
import type { Clock, Timer } from '@weft/foundation/time'

export interface SharedDeadline {
  /** Calls `run` in `ms` at the earliest; the timer cancels it. */
  add(run: () => void): Timer
  /** Nothing is called any more. */
  stop(): void
}

/** `together` gets one function for all that are due, and calls it. */
export function createSharedDeadline(clock: Clock, ms: number, together: (run: () => void) => void): SharedDeadline {
  /** In the order in which they come. */
  const waiting = new Set<{ readonly at: number; readonly run: () => void }>()
  let timer: Timer | undefined
  const arm = (): void => {
    const [first] = waiting
    if (first && !timer) timer = clock.after(first.at - clock.monotonic(), ring)
  }
  const ring = (): void => {
    timer = undefined
    const now = clock.monotonic()
    const due: (() => void)[] = []
    for (const each of waiting) {
      if (each.at > now) break
      waiting.delete(each)
      due.push(each.run)
    }
    arm()
    if (due.length > 0) together(() => due.forEach((run) => run()))
  }
  return {
    add: (run) => {
      const each = { at: clock.monotonic() + ms, run }
      waiting.add(each)
      arm()
      return { cancel: () => void waiting.delete(each) }
    },
    stop: () => {
      waiting.clear()
      timer?.cancel()
      timer = undefined
    },
  }
}
