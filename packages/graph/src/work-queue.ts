// Keyed work behind the graph: one pending entry and one run at a time per key, merged reasons, latest wins. Never holds the event loop longer than
// its budget, and first-time builds never starve updates.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { type Clock, type Timer, systemClock } from '@weft/foundation/time'

/** `update`: a change for someone who is served already. `first`: a first build, for example after many proxies reconnect. */
export type WorkLane = 'update' | 'first'

export interface WorkQueueOptions<K> {
  /** For metrics and logs: a dot path such as `xds.assembly`. */
  readonly name: string
  readonly log: Logger
  readonly clock?: Clock
  readonly metrics?: Metrics
  /** Runs in flight at once; first-time builds take at most half of them. Default 1. */
  readonly concurrency?: number
  /** Synchronous work between two turns of the event loop. Default 5. */
  readonly budgetMs?: number
  /** Of so many starts, one is a first-time build while both lanes wait. Default 4. */
  readonly firstShare?: number
  /** Delay before the next try of a failed run, undefined to give up. The default gives up: the key runs again when marked. */
  readonly retryMs?: (error: unknown, attempt: number) => number | undefined
  /** Does the work of one key. `signal` aborts when the queue stops. */
  run(key: K, reasons: ReadonlySet<string>, signal: AbortSignal): void | Promise<void>
}

export interface WorkQueue<K> {
  /** Asks for a run of `key` that starts after this call. A pending key keeps its place and lane. */
  mark(key: K, reason: string, lane?: WorkLane): void
  markMany(keys: Iterable<K>, reason: string, lane?: WorkLane): void
  /** Takes a key out: drops pending work and retries; a run in flight goes on but is not repeated. */
  drop(key: K): void
  /** Keys that wait, by lane, and runs in flight. */
  depth(): { readonly update: number; readonly first: number; readonly running: number }
  /** Resolves when nothing waits, runs or is to be retried. */
  idle(): Promise<void>
  /** Drops pending work, aborts the signal and resolves when the runs in flight have ended. */
  stop(): Promise<void>
}

interface Entry<K> {
  readonly key: K
  readonly lane: WorkLane
  reasons: Set<string>
  attempt: number
  markedAt: number
}

/** A queue that starts working on the first mark. */
export function createWorkQueue<K>(options: WorkQueueOptions<K>): WorkQueue<K> {
  return new KeyedWorkQueue(options)
}

class KeyedWorkQueue<K> implements WorkQueue<K> {
  readonly #options: WorkQueueOptions<K>
  readonly #clock: Clock
  readonly #lanes: { readonly [L in WorkLane]: Map<K, Entry<K>> } = { update: new Map(), first: new Map() }
  readonly #running = new Map<K, Entry<K> | undefined>()
  readonly #retries = new Map<K, { readonly timer: Timer; readonly attempt: number }>()
  readonly #abort = new AbortController()
  readonly #observeWait: (seconds: number) => void
  readonly #countFailure: () => void
  #firstRunning = 0
  #sinceFirst = 0
  #scheduled = false
  #waiters: (() => void)[] = []

  constructor(options: WorkQueueOptions<K>) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    const labels = { queue: options.name }
    const wait = options.metrics?.histogram('work_queue_wait_seconds', 'Time from the first mark of a key to its run.', ['queue'])
    const failures = options.metrics?.counter('work_queue_failures_total', 'Runs that failed.', ['queue'])
    this.#observeWait = (seconds) => wait?.observe(seconds, labels)
    this.#countFailure = () => failures?.inc(labels)
  }

  mark(key: K, reason: string, lane: WorkLane = 'update'): void {
    if (this.#abort.signal.aborted) return
    this.#enqueue(key, [reason], lane, 0)
    this.#schedule()
  }

  markMany(keys: Iterable<K>, reason: string, lane: WorkLane = 'update'): void {
    for (const key of keys) this.mark(key, reason, lane)
  }

  drop(key: K): void {
    this.#lanes.update.delete(key)
    this.#lanes.first.delete(key)
    if (this.#running.has(key)) this.#running.set(key, undefined)
    this.#cancelRetry(key)
    this.#settleWaiters()
  }

  depth(): { readonly update: number; readonly first: number; readonly running: number } {
    return { update: this.#lanes.update.size, first: this.#lanes.first.size, running: this.#running.size }
  }

  idle(): Promise<void> {
    return this.#quiet ? Promise.resolve() : new Promise((resolve) => this.#waiters.push(resolve))
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    this.#lanes.update.clear()
    this.#lanes.first.clear()
    for (const key of this.#running.keys()) this.#running.set(key, undefined)
    for (const key of this.#retries.keys()) this.#cancelRetry(key)
    this.#settleWaiters()
    await this.idle()
  }

  get #quiet(): boolean {
    return this.#lanes.update.size + this.#lanes.first.size + this.#running.size + this.#retries.size === 0
  }

  #enqueue(key: K, reasons: Iterable<string>, lane: WorkLane, attempt: number): void {
    const pending = this.#lanes.update.get(key) ?? this.#lanes.first.get(key) ?? this.#running.get(key)
    if (pending) {
      for (const reason of reasons) pending.reasons.add(reason)
      return
    }
    const retry = this.#cancelRetry(key)
    const entry: Entry<K> = {
      key,
      lane,
      reasons: new Set(reasons),
      attempt: attempt || (retry?.attempt ?? 0),
      markedAt: this.#clock.monotonic(),
    }
    if (this.#running.has(key)) this.#running.set(key, entry)
    else this.#lanes[lane].set(key, entry)
  }

  #cancelRetry(key: K): { readonly attempt: number } | undefined {
    const retry = this.#retries.get(key)
    retry?.timer.cancel()
    this.#retries.delete(key)
    return retry
  }

  #schedule(): void {
    if (this.#scheduled || this.#lanes.update.size + this.#lanes.first.size === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#work()
    })
  }

  #work(): void {
    const end = this.#clock.monotonic() + (this.#options.budgetMs ?? 5)
    for (let entry = this.#next(); entry; entry = this.#next()) {
      this.#start(entry)
      if (this.#clock.monotonic() >= end) {
        this.#schedule()
        return
      }
    }
    this.#settleWaiters()
  }

  #next(): Entry<K> | undefined {
    const concurrency = this.#options.concurrency ?? 1
    if (this.#running.size >= concurrency) return undefined
    const firstAllowed = this.#lanes.first.size > 0 && this.#firstRunning < Math.max(1, Math.floor(concurrency / 2))
    const takeFirst = firstAllowed && (this.#lanes.update.size === 0 || this.#sinceFirst + 1 >= (this.#options.firstShare ?? 4))
    const lane = this.#lanes[takeFirst ? 'first' : 'update']
    const [entry] = lane.values()
    if (!entry) return undefined
    lane.delete(entry.key)
    this.#sinceFirst = takeFirst ? 0 : this.#sinceFirst + 1
    return entry
  }

  #start(entry: Entry<K>): void {
    this.#running.set(entry.key, undefined)
    if (entry.lane === 'first') this.#firstRunning++
    this.#observeWait((this.#clock.monotonic() - entry.markedAt) / 1000)
    let result: void | Promise<void>
    try {
      result = this.#options.run(entry.key, entry.reasons, this.#abort.signal)
    } catch (error) {
      this.#end(entry, error)
      return
    }
    if (result === undefined) this.#end(entry)
    else
      result.then(
        () => this.#end(entry),
        (error: unknown) => this.#end(entry, error),
      )
  }

  #end(entry: Entry<K>, ...failure: readonly [unknown?]): void {
    const again = this.#running.get(entry.key)
    this.#running.delete(entry.key)
    if (entry.lane === 'first') this.#firstRunning--
    if (failure.length > 0) this.#failed(entry, again, failure[0])
    if (again) this.#lanes[again.lane].set(entry.key, again)
    this.#schedule()
    this.#settleWaiters()
  }

  #failed(entry: Entry<K>, again: Entry<K> | undefined, error: unknown): void {
    if (this.#abort.signal.aborted) return
    this.#countFailure()
    const attempt = entry.attempt + 1
    const delay = again ? undefined : this.#options.retryMs?.(error, attempt)
    this.#options.log.warn(
      { queue: this.#options.name, key: String(entry.key), err: messageOf(error), retryMs: delay },
      'queued work failed',
    )
    if (again) again.attempt = attempt
    if (delay === undefined) return
    const timer = this.#clock.after(delay, () => {
      this.#retries.delete(entry.key)
      this.#enqueue(entry.key, entry.reasons, entry.lane, attempt)
      this.#schedule()
    })
    this.#retries.set(entry.key, { timer, attempt })
  }

  #settleWaiters(): void {
    if (!this.#quiet || this.#waiters.length === 0) return
    for (const resolve of this.#waiters.splice(0)) resolve()
  }
}
