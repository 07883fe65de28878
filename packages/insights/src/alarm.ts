// A deadline that several wait for: it rings once, at the earliest time that was asked for.
import type { Clock, Timer } from '@weft/foundation/time'

export interface Alarm {
  /** Rings after `ms` at the latest. */
  within(ms: number): void
  cancel(): void
}

/** An alarm that is not set. `ring` may set it again. */
export function createAlarm(clock: Clock, ring: () => void): Alarm {
  let set: { readonly due: number; readonly timer: Timer } | undefined
  return {
    within: (ms) => {
      const due = clock.monotonic() + ms
      if (set && set.due <= due) return
      set?.timer.cancel()
      set = {
        due,
        timer: clock.after(ms, () => {
          set = undefined
          ring()
        }),
      }
    },
    cancel: () => {
      set?.timer.cancel()
      set = undefined
    },
  }
}

/** An alarm for work that others come first of. */
export interface YieldingAlarm extends Alarm {
  /** Something that comes first has just been done; more of it may follow. */
  busy(): void
}

export interface YieldingOptions {
  readonly clock: Clock
  /** It rings when so long nothing came first. */
  readonly restedMs: number
  /** It waits no longer than this for that. */
  readonly patienceMs: number
  ring(): void
}

/** Rings when it is due and nothing has come first for a while. */
export function createYieldingAlarm({ clock, restedMs, patienceMs, ring }: YieldingOptions): YieldingAlarm {
  let lastBusy = Number.NEGATIVE_INFINITY
  let waitsUntil: number | undefined
  const alarm = createAlarm(clock, () => {
    const now = clock.monotonic()
    waitsUntil ??= now + patienceMs
    const restMs = Math.min(lastBusy + restedMs, waitsUntil) - now
    if (restMs > 0) {
      alarm.within(restMs)
      return
    }
    waitsUntil = undefined
    ring()
  })
  return { ...alarm, busy: () => void (lastBusy = clock.monotonic()) }
}
