// Time in which this process could hear others. It follows the monotonic clock but stands still while the event loop was stalled (a long
// step, a stopped process, a suspended machine): silence that nobody was there to break says nothing about a peer.
import type { Clock, Timer } from './index.ts'

/** How late a beat may be before the rest of the delay counts as a stall of ours. */
const toleranceMs = 250

/** Runs while it is started. */
export interface AwakeTime {
  /** Milliseconds; never goes back. */
  now(): number
  /** Begins to beat; does nothing while it does. */
  start(): void
  stop(): void
}

/** Standing still. `beat` is called after every `beatMs` of time that counts. */
export function createAwakeTime(options: { readonly clock: Clock; readonly beatMs: number; beat(): void }): AwakeTime {
  const { clock, beatMs } = options
  let counted = 0
  let since = 0
  let timer: Timer | undefined

  const now = (): number => (timer ? counted + Math.min(clock.monotonic() - since, beatMs + toleranceMs) : counted)
  const next = (): void => {
    since = clock.monotonic()
    timer = clock.after(beatMs, () => {
      counted = now()
      next()
      options.beat()
    })
  }
  return {
    now,
    start: () => {
      if (!timer) next()
    },
    stop: () => {
      counted = now()
      timer?.cancel()
      timer = undefined
    },
  }
}
