// The time a database is away: since when, why, and when to look again.
import type { Clock, Timer } from '@weft/foundation/time'

const retryMs = { first: 100, last: 5000 } as const
/** Who is away again so soon was not really back: the back-off goes on. */
const relapseMs = 2000
/** The same reason is told again after this long. */
const remindMs = 60_000

export interface Outage {
  /** Why, when it is away. */
  readonly reason: string | undefined
  /**
   * Notes a failure; true when it is to be told: the database was there before, and the reason is not one that was told within a minute (a
   * full disk answers every question and fails every write). `again` is called after the back-off, once.
   */
  failed(reason: string, again: () => void): boolean
  /** The database answers; what follows may still fail, and then the back-off goes on from where it was. */
  answered(): void
  /** Everything works; milliseconds it was away, undefined when that it was away has not been told. */
  over(): number | undefined
  stop(): void
}

/** Nothing is away at the start. */
export function createOutage(clock: Clock): Outage {
  let reason: string | undefined
  let since: number | undefined
  let endedAt: number | undefined
  let told: { readonly reason: string; readonly at: number } | undefined
  let isTold = false
  let attempts = 0
  let timer: Timer | undefined
  return {
    get reason() {
      return reason
    },
    failed: (why, again) => {
      const now = clock.monotonic()
      const isNew = since === undefined
      if (isNew) {
        since = now
        if (endedAt === undefined || now - endedAt >= relapseMs) attempts = 0
        isTold = told?.reason !== why || now - told.at >= remindMs
        if (isTold) told = { reason: why, at: now }
      }
      reason = why
      timer?.cancel()
      timer = clock.after(Math.min(retryMs.last, retryMs.first * 2 ** attempts), again)
      attempts += 1
      return isNew && isTold
    },
    answered: () => {
      reason = undefined
    },
    over: () => {
      const now = clock.monotonic()
      const ms = isTold ? now - (since ?? now) : undefined
      reason = undefined
      since = undefined
      endedAt = now
      isTold = false
      return ms
    },
    stop: () => timer?.cancel(),
  }
}
