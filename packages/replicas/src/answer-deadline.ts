// Deadlines for answers that may lie in the socket unread: a process that stood still must not blame the other end for it.
import type { Clock, Timer } from '@weft/foundation/time'

/** Runs `fn` after `ms`, and after what has arrived until then was read. */
export function afterReading(clock: Clock, ms: number, fn: () => void): Timer {
  let isCancelled = false
  const timer = clock.after(ms, () => {
    // timers run before sockets are read, and what is read is handled in two turns at most: parsed in the first, told in the second
    setImmediate(() =>
      setImmediate(() => {
        if (!isCancelled) fn()
      }),
    )
  })
  return {
    cancel: () => {
      isCancelled = true
      timer.cancel()
    },
  }
}

/** True when the promise is fulfilled within `ms`; false when it is rejected or late. */
export function isFulfilledWithin(clock: Clock, ms: number, promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = afterReading(clock, ms, () => resolve(false))
    const settle = (isFulfilled: boolean): void => {
      timer.cancel()
      resolve(isFulfilled)
    }
    promise.then(
      () => settle(true),
      () => settle(false),
    )
  })
}

/** Milliseconds before the attempt of this number (from 0 on): doubling up to `lastMs`, less up to a half by chance. */
export function backOffMs(attempt: number, { firstMs, lastMs }: { readonly firstMs: number; readonly lastMs: number }): number {
  return Math.min(lastMs, firstMs * 2 ** Math.min(attempt, 30)) * (0.5 + Math.random() / 2)
}
