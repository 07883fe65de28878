// First lists for a stock global. Such a global takes what a first list lacks for deleted, and cannot say what it has of an earlier life of this
// zone; so a zone that starts without its former state lists nothing before it has recovered. A zone that is new has nothing to wait for: it is told
// apart by its work folder, and by proxies that come back with what they were served.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface FirstListHold {
  /** Resolves when lists may go. */
  readonly released: Promise<void>
  /** A proxy came back with what an earlier life of this zone served. */
  recognised(): void
  start(): void
  stop(): void
}

export interface FirstListHoldOptions {
  /** False when the store kept its state. */
  readonly needed: boolean
  /** An earlier life of this zone served proxies. */
  readonly servedBefore: boolean
  /** Resolves when recovery is over. */
  readonly over: Promise<void>
  readonly clock: Clock
  readonly log: Logger
}

/** Proxies that lost their control plane for a short while are back by then. */
export const newZoneMs = 3_000
/** Recovery that has no end, such as one without any mesh, must not keep what is new from global for ever. */
export const holdLimitMs = 120_000

export function createFirstListHold({ needed, servedBefore, over, clock, log }: FirstListHoldOptions): FirstListHold {
  const { promise: released, resolve } = Promise.withResolvers<void>()
  const timers: Timer[] = []
  let isKnown = servedBefore
  const release = (): void => {
    for (const timer of timers.splice(0)) timer.cancel()
    resolve()
  }
  if (!needed) resolve()
  else void over.then(release)
  return {
    released,
    recognised: () => {
      isKnown = true
    },
    start: () => {
      if (!needed) return
      timers.push(
        clock.after(newZoneMs, () => {
          if (!isKnown) release()
        }),
        clock.after(holdLimitMs, () => {
          log.warn({ component: 'recovery', ms: holdLimitMs }, 'recovery takes long, first lists go to global as they are')
          release()
        }),
      )
    },
    stop: () => {
      for (const timer of timers) timer.cancel()
    },
  }
}

const fileName = 'served-proxies'

/** Whether a zone with this work folder ever served proxies. */
export function servedBefore(workDir: string): boolean {
  return existsSync(join(workDir, fileName))
}

/** Remembers that it did. A failure is logged: the price is a hold that ends early. */
export function rememberServed(workDir: string, log: Logger): void {
  try {
    mkdirSync(workDir, { recursive: true })
    writeFileSync(join(workDir, fileName), '')
  } catch (error) {
    log.warn({ component: 'recovery', err: messageOf(error) }, 'served proxies not remembered')
  }
}
