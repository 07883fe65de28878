// The time a database is away: since when, why, and when to look again.
import type { Clock, Timer } from '@weft/foundation/time'

const retryMs = { first: 100, last: 5000 } as const

export interface Outage {
  /** Why, when it is away. */
  readonly reason: string | undefined
  /** Notes a failure; true when the database was there before. `again` is called after the back-off, once. */
  failed(reason: string, again: () => void): boolean
  /** The database answers; what follows may still fail, and then the back-off goes on from where it was. */
  answered(): void
  /** Everything works; milliseconds it was away. */
  over(): number
  stop(): void
}

/** Nothing is away at the start. */
export function createOutage(clock: Clock): Outage {
  let reason: string | undefined
  let since: number | undefined
  let attempts = 0
  let timer: Timer | undefined
  return {
    get reason() {
      return reason
    },
    failed: (why, again) => {
      const isNew = since === undefined
      reason = why
      since ??= clock.monotonic()
      timer?.cancel()
      timer = clock.after(Math.min(retryMs.last, retryMs.first * 2 ** attempts), again)
      attempts += 1
      return isNew
    },
    answered: () => {
      reason = undefined
    },
    over: () => {
      const ms = clock.monotonic() - (since ?? clock.monotonic())
      reason = undefined
      since = undefined
      attempts = 0
      return ms
    },
    stop: () => timer?.cancel(),
  }
}
