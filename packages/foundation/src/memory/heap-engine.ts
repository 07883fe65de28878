// The JavaScript heap of this process, as far as giving memory back needs it.
import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { nativeHeapTrim } from './native-heap.ts'

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
  /** Gives free pages outside the JavaScript heap back, where the system has a way to. Nothing else runs meanwhile. */
  releaseNative(): void
  /** Calls the listener after collections, some time later; returns what ends it. */
  onCollected(listener: () => void): () => void
}

/** The heap of this process. */
export function ownHeap(): HeapEngine {
  let gc: NodeJS.GCFunction | undefined
  let trimNative: (() => void) | undefined
  return {
    size: () => {
      const { total_heap_size: held, used_heap_size: used } = getHeapStatistics()
      return { held, used }
    },
    cpuMs: () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1000
    },
    collect: () => {
      gc ??= collector()
      // the only flavor that also shrinks the young generation
      gc({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    },
    releaseNative: () => {
      trimNative ??= nativeHeapTrim() ?? (() => {})
      trimNative()
    },
    onCollected: (listener) => {
      const observer = new PerformanceObserver(listener)
      observer.observe({ entryTypes: ['gc'] })
      return () => observer.disconnect()
    },
  }
}

/**
 * Asked of the engine at the first collection and not by flags of the command line: code that was compiled ahead, the runtime's own included, is thrown
 * away at a start with other flags than it was compiled with, which costs some 70 ms.
 */
function collector(): NodeJS.GCFunction {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as NodeJS.GCFunction
  setFlagsFromString('--no-expose-gc')
  // such a collection would also throw away the bytecode of what has not run for a while
  setFlagsFromString('--no-flush-bytecode')
  return gc
}
