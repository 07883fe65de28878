// The JavaScript heap of this process, as far as giving memory back needs it.
import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'

/** Bytes. */
export interface HeapSize {
  /** Taken from the system. */
  readonly held: number
  /** Of these, in use or not yet collected. */
  readonly used: number
}

export interface HeapEngine {
  size(): HeapSize
  /** CPU time this process has spent, ms. */
  cpuMs(): number
  /** Collects all there is to collect and gives free pages back. Nothing else runs meanwhile. */
  collect(): void
  /** Calls the listener after collections, some time later; returns what ends it. */
  onCollected(listener: () => void): () => void
}

/** The heap of this process; undefined unless the runtime was started with `--expose-gc`. */
export function ownHeap(): HeapEngine | undefined {
  const { gc } = globalThis
  if (!gc) return undefined
  return {
    size: () => {
      const { total_heap_size: held, used_heap_size: used } = getHeapStatistics()
      return { held, used }
    },
    cpuMs: () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1000
    },
    // the only flavor that also shrinks the young generation
    collect: () => gc({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
    onCollected: (listener) => {
      const observer = new PerformanceObserver(listener)
      observer.observe({ entryTypes: ['gc'] })
      return () => observer.disconnect()
    },
  }
}
