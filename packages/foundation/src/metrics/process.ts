// What a process uses, under the names that dashboards expect of every Prometheus client. Read when somebody asks, never by a timer.
import { readdirSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { memoryUsage, resourceUsage } from 'node:process'
import { Counter, Gauge, type Registry } from 'prom-client'

const openFiles = '/proc/self/fd'

/** Adds `process_*` and `nodejs_*`: CPU and start time in seconds, memory in bytes, the share of time that the event loop was busy. */
export function addProcessMetrics(registry: Registry): void {
  const registers = [registry]
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'CPU time spent by this process, user and system.',
    registers,
    collect() {
      const { userCPUTime, systemCPUTime } = resourceUsage()
      this.reset()
      this.inc((userCPUTime + systemCPUTime) / 1e6)
    },
  })
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  }
  const started = performance.timeOrigin / 1000
  gauge('process_start_time_seconds', 'When this process started, in seconds since the epoch.', () => started)
  gauge('process_resident_memory_bytes', 'Memory of this process that is in RAM.', () => memoryUsage.rss())
  gauge('nodejs_heap_size_used_bytes', 'Heap in use.', () => memoryUsage().heapUsed)
  gauge('nodejs_heap_size_total_bytes', 'Heap that the engine holds.', () => memoryUsage().heapTotal)
  // only Linux tells
  gauge('process_open_fds', 'Open files and sockets; 0 where the system does not tell.', () => countOf(openFiles))
  let before = performance.eventLoopUtilization()
  gauge('nodejs_eventloop_utilization', 'Share of the time since the last reading in which the event loop was busy.', () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    return utilization
  })
}

function countOf(folder: string): number {
  try {
    return readdirSync(folder).length
  } catch {
    return 0
  }
}
