// Writes what probes found into the Dataplane: only when it changes, one write at a time for each proxy, the latest result wins.
import { hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import type { DataplaneSpec, ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import { probeName } from './health-specifier.ts'
import { setInboundReady } from './registration.ts'

export interface ProbeWriter {
  /** By checked name, whether the workload is healthy; names that are not of an inbound are ignored. */
  report(proxy: { readonly mesh: string; readonly name: string }, healthy: ReadonlyMap<string, boolean>): void
  /** Resolves when nothing is being written. */
  idle(): Promise<void>
  stop(): void
}

interface Job {
  readonly key: ResourceKey
  latest: ReadonlyMap<string, boolean>
  isRunning: boolean
  isDirty: boolean
  timer: Timer | undefined
}

const retryMs = 1000

export function createProbeWriter(options: { readonly store: Store; readonly clock: Clock; readonly log: Logger }): ProbeWriter {
  const { store, clock, log } = options
  const jobs = new Map<string, Job>()
  const work = new Set<Promise<void>>()
  let isStopped = false

  const write = async (job: Job): Promise<void> => {
    const stored = store.get(job.key)
    // stored Dataplanes passed the codec of their kind
    const spec = stored && withProbes(stored.spec as DataplaneSpec, job.latest)
    if (!stored || !spec) return
    const resource = { ...job.key, labels: stored.labels, spec }
    await store.transact([{ op: 'put', resource, expect: stored.version }], { actor: 'proxy', reason: 'health', class: 'observed' })
  }
  const run = (id: string, job: Job): void => {
    if (isStopped) return
    if (job.isRunning) {
      job.isDirty = true
      return
    }
    job.timer?.cancel()
    job.isRunning = true
    job.isDirty = false
    const running = write(job)
      .catch((error: unknown) => {
        if (hasCode(error, 'store/conflict')) {
          job.isDirty = true
          return
        }
        log.warn({ mesh: job.key.mesh, proxy: job.key.name, err: messageOf(error) }, 'health could not be stored')
        job.timer = clock.after(retryMs, () => run(id, job))
      })
      .finally(() => {
        job.isRunning = false
        work.delete(running)
        if (job.isDirty) run(id, job)
        else if (!job.timer) jobs.delete(id)
      })
    work.add(running)
  }
  return {
    report: (proxy, healthy) => {
      const id = `${proxy.mesh}/${proxy.name}`
      let job = jobs.get(id)
      if (!job) {
        const key = { type: 'Dataplane', mesh: proxy.mesh, name: proxy.name }
        job = { key, latest: healthy, isRunning: false, isDirty: false, timer: undefined }
        jobs.set(id, job)
      }
      job.latest = healthy
      run(id, job)
    },
    idle: async () => {
      while (work.size > 0) await Promise.allSettled(work)
    },
    stop: () => {
      isStopped = true
      for (const job of jobs.values()) job.timer?.cancel()
    },
  }
}

/** The spec with the reported readiness; undefined when nothing changes. */
export function withProbes(spec: DataplaneSpec, healthy: ReadonlyMap<string, boolean>): DataplaneSpec | undefined {
  let isChanged = false
  const inbound = spec.networking?.inbound?.map((each) => {
    const isReady = each.serviceProbe ? healthy.get(probeName(each)) : undefined
    if (isReady === undefined || each.state === 'Ignored' || isReady === (each.state !== 'NotReady' && each.health?.ready === true))
      return each
    isChanged = true
    return setInboundReady(each, isReady)
  })
  return isChanged && inbound ? { ...spec, networking: { ...spec.networking, inbound } } : undefined
}
