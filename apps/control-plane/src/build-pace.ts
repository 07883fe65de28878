// How often a proxy is built while changes keep coming: the more proxies each change is for, the more changes are gathered for one build of each.
import type { Clock, Timer } from '@weft/foundation/time'

export interface BuildPace {
  /** A proxy is there that was not before. */
  joined(): void
  /** True: build it now. False: the change is remembered, and `again` is called for the proxy soon. */
  mayGo(key: string): boolean
  drop(key: string): void
  /** Lets everything that waits go at once. */
  release(): void
  stop(): void
}

/** Share of each proxy in the time between two builds of all that wait. */
const eachMs = 8
const shortestMs = 10
const longestMs = 200
/** The most as long as nothing had to wait lately, and the first while proxies join: a change is often followed by others that belong to it. */
const restedMs = 50
/** After so long without a build that had to wait, it is a time of rest again. */
const restMs = 500

/** Nothing waits yet. `again` is called once for each proxy that waits, for all in one turn. */
export function createBuildPace(clock: Clock, again: (key: string) => void): BuildPace {
  const last = new Map<string, number>()
  const waiting = new Set<string>()
  let timer: Timer | undefined
  let joinedAt = Number.NEGATIVE_INFINITY
  let releasedAt = Number.NEGATIVE_INFINITY
  /** How many waited for the last release. */
  let waited = 0
  /** Doubles while proxies join: each is news for those before it, and more are to come. */
  let joiningMs = restedMs
  const release = (): void => {
    timer = undefined
    releasedAt = clock.monotonic()
    const keys = [...waiting]
    waited = keys.length
    joiningMs = Math.min(joiningMs * 2, longestMs)
    waiting.clear()
    for (const key of keys) {
      last.set(key, releasedAt)
      again(key)
    }
  }
  const gapAt = (now: number): number => {
    const isRested = timer === undefined && now - releasedAt >= restMs
    if (isRested) joiningMs = restedMs
    if (now - joinedAt < longestMs) return joiningMs
    return isRested ? Math.min(restedMs, gapFor(last.size)) : gapFor(waited)
  }
  return {
    joined: () => {
      joinedAt = clock.monotonic()
    },
    mayGo: (key) => {
      const now = clock.monotonic()
      const gapMs = gapAt(now)
      if (!waiting.has(key) && now - (last.get(key) ?? Number.NEGATIVE_INFINITY) >= gapMs) {
        last.set(key, now)
        return true
      }
      waiting.add(key)
      timer ??= clock.after(gapMs, release)
      return false
    },
    drop: (key) => {
      last.delete(key)
      waiting.delete(key)
    },
    release: () => {
      if (timer === undefined) return
      timer.cancel()
      release()
    },
    stop: () => timer?.cancel(),
  }
}

function gapFor(proxies: number): number {
  return Math.min(longestMs, Math.max(shortestMs, proxies * eachMs))
}
