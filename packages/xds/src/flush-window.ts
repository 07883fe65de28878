// When to send what changed: at once when the system was idle, in growing windows while changes keep coming.
import type { Clock, Timer } from '@weft/foundation/time'

export interface FlushWindow {
  /** Something changed. */
  mark(): void
  stop(): void
}

const firstWindowMs = 5

/**
 * Calls `flush` on the next turn after a mark that follows `maxMs` of rest. While marks keep coming, flushes keep a distance that doubles
 * with each of them, up to `maxMs`.
 */
export function createFlushWindow(clock: Clock, maxMs: number, flush: () => void): FlushWindow {
  let windowMs = firstWindowMs
  let last = Number.NEGATIVE_INFINITY
  let timer: Timer | undefined
  const fire = (): void => {
    timer = undefined
    last = clock.monotonic()
    flush()
  }
  return {
    mark: () => {
      if (timer !== undefined) return
      const rested = clock.monotonic() - last
      const idle = rested >= maxMs
      const waitMs = idle ? 0 : Math.max(0, windowMs - rested)
      windowMs = idle ? firstWindowMs : Math.min(maxMs, windowMs * 2)
      timer = clock.after(waitMs, fire)
    },
    stop: () => {
      timer?.cancel()
      timer = undefined
    },
  }
}
