// What a process does at its start waits for a database that is away, says so, and goes on by itself. What waiting cannot mend ends it.
import { AppError } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import { createOutage } from './outage.ts'

/** That the wait goes on is told again after this long. */
const remindMs = 60_000

export interface WhenReachableOptions {
  readonly clock: Clock
  readonly log: Logger
  /** Ends the wait. */
  readonly signal?: AbortSignal
}

/**
 * Carries out what needs the store, again and again while it fails with a retryable error (0.1 to 5 s between attempts). Throws every other
 * one, and the last one when `signal` is aborted. The timers keep no process alive.
 */
export async function whenReachable<T>(act: () => Promise<T>, { clock, log, signal }: WhenReachableOptions): Promise<T> {
  const outage = createOutage(clock)
  const begun = clock.monotonic()
  const isOver = (): boolean => signal?.aborted === true
  let told: { readonly reason: string; readonly at: number } | undefined
  for (;;) {
    try {
      const result = await act()
      if (told) log.info({ ms: Math.round(clock.monotonic() - begun) }, 'the database is there, the start goes on')
      return result
    } catch (error) {
      if (!(error instanceof AppError && error.retryable) || isOver()) throw error
      const reason = error.message
      if (told?.reason !== reason || clock.monotonic() - told.at >= remindMs) {
        told = { reason, at: clock.monotonic() }
        log.warn({ err: reason }, 'the database is away: the start waits for it')
      }
      await new Promise<void>((again) => {
        outage.failed(reason, again)
        signal?.addEventListener('abort', () => again(), { once: true })
      })
      outage.stop()
      if (isOver()) throw error
    }
  }
}
