// Memory that a busy time left behind is given back once: the engine keeps pages that it may need again, half as much as is in use after a crowd of
// proxies has come, and a control plane is at rest for most of its life.
import type { Component } from '../lifecycle/index.ts'
import type { Logger } from '../log/index.ts'
import type { Clock, Timer } from '../time/index.ts'
import type { HeapEngine } from './heap-engine.ts'

export interface HeapTrimOptions {
  readonly clock: Clock
  readonly log: Logger
  readonly heap: HeapEngine
}

/** So long the process must have had little to do. */
export const quietMs = 5_000
/** Little: this share of a core. */
const quietShare = 0.05
/** Worth it: held so many times what was held after the last time. */
const worthShare = 1.5
/**
 * A collection stops everything, for about 4 ms for each MiB in use. Larger heaps are left to the engine, which collects them in small steps and
 * gives back less; what is free outside them is given back all the same.
 */
const largestUsed = 96 << 20

/** Looks only after the engine has collected something by itself, since nothing is allocated without that. */
export function createHeapTrim({ clock, log, heap }: HeapTrimOptions): Component {
  let floor = 0
  let timer: Timer | undefined
  let unsubscribe = (): void => {}

  const isWorthIt = (): boolean => heap.size().held > floor * worthShare
  const watch = (): void => {
    const before = heap.cpuMs()
    timer = clock.after(quietMs, () => {
      timer = undefined
      if (heap.cpuMs() - before > quietMs * quietShare) watch()
      else trim()
    })
  }
  const trim = (): void => {
    if (!isWorthIt()) return
    const before = heap.size()
    const from = clock.monotonic()
    if (before.used <= largestUsed) heap.collect()
    heap.releaseNative()
    floor = heap.size().held
    log.debug({ component: 'memory', before: before.held, after: floor, ms: Math.round(clock.monotonic() - from) }, 'gave memory back')
  }
  return {
    name: 'heap-trim',
    start: async () => {
      unsubscribe = heap.onCollected(() => {
        if (!timer && isWorthIt()) watch()
      })
    },
    stop: async () => {
      unsubscribe()
      timer?.cancel()
    },
  }
}
