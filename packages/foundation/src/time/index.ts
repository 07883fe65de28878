// Time as a dependency: production code never touches Date or setTimeout directly, so tests can drive it.
export { type AwakeTime, createAwakeTime } from './awake-time.ts'
export { formatDuration, parseDuration } from './duration.ts'
export { FakeClock, turns } from './fake-clock.ts'

/** A pending timer. Cancelling twice, or after it fired, is harmless. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** Monotonic milliseconds, for measuring. */
  monotonic(): number
  /** Runs `fn` once after `ms`. Timers never keep the process alive by themselves. */
  after(ms: number, fn: () => void): Timer
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, fn) => {
    // setTimeout overflows above 2^31-1 ms and would fire at once
    const handle = setTimeout(fn, Math.min(ms, 0x7fffffff))
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}

/** RFC 3339 with milliseconds in UTC. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString()
}
