// One store behind every driver: a queue of transactions, the state in memory, the change log and the watchers. A medium makes changes
// durable. Invariant: state, seq and watchers only ever see transactions in order, whole, and (desired ones) after the medium has them.
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { type Clock, timestamp } from '@weft/foundation/time'
import type { Resource } from '@weft/resources'
import { createChangeLog } from './change-log.ts'
import type { Change, Store, StoreOp, WriteContext } from './contract.ts'
import { createStoreMetrics } from './metrics.ts'
import { createOverlay, planTransaction } from './plan.ts'
import { createState } from './state.ts'

/** Where changes become durable. Calls never overlap: `commit` is called again only after its promise settled. */
export interface Medium {
  /** Makes these changes, and all handed to `later` before, durable in one step. A rejection means none of these changes is kept. */
  commit(changes: readonly Change[]): Promise<void>
  /** Takes observed changes that are applied already and become durable soon. Must not throw. */
  later(changes: readonly Change[]): void
  /** Makes everything durable and lets go of the medium. */
  close(): Promise<void>
}

export interface CoreOptions {
  readonly id: string
  readonly seq: number
  readonly resources: Iterable<Resource>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics | undefined
  readonly medium?: Medium
  /** Bounds of the log in memory. */
  readonly maxLogEntries?: number
  readonly maxLogAgeMs?: number
}

interface Pending {
  readonly ops: readonly StoreOp[]
  readonly context: WriteContext
  readonly since: number
  resolve(seq: number): void
  reject(error: unknown): void
}

interface Watcher {
  seen: number
  readonly listener: (changes: readonly Change[]) => void
}

/** Changes of one group commit: enough to share an fsync, few enough to stay short on the event loop. */
const maxBatchChanges = 512

/** A store over a state that was loaded by the caller. */
export function createStoreCore(options: CoreOptions): Store {
  const { clock, log, medium } = options
  const state = createState()
  for (const resource of options.resources) state.put(resource)
  const changeLog = createChangeLog({
    clock,
    seq: options.seq,
    maxEntries: options.maxLogEntries ?? 4096,
    maxAgeMs: options.maxLogAgeMs ?? 300_000,
  })
  const watchers = new Set<Watcher>()
  let queue: Pending[] = []
  let seq = options.seq
  /** True while a listener runs or the medium writes: new transactions wait in the queue. */
  let busy = false
  let scheduled = false
  let closed = false
  let idle: (() => void) | undefined
  const measure = createStoreMetrics(options.metrics, {
    clock,
    resources: state.size,
    logEntries: changeLog.size,
    queued: () => queue.length,
  })

  const notify = (changes: readonly Change[]): void => {
    for (const watcher of watchers) {
      if (!watchers.has(watcher) || watcher.seen >= seq) continue
      watcher.seen = seq
      deliver(watcher, changes)
    }
  }
  const deliver = (watcher: Watcher, changes: readonly Change[]): void => {
    try {
      watcher.listener(changes)
    } catch (error) {
      log.error({ err: messageOf(error), seq }, 'store listener failed')
    }
  }
  const apply = (changes: readonly Change[]): void => {
    if (changes.length === 0) return
    for (const change of changes) {
      if (change.after) state.put(change.after)
      else state.remove(change.key)
    }
    seq = changes.at(-1)?.seq ?? seq
    changeLog.append(changes)
    notify(changes)
  }
  const settle = (pending: Pending, outcome: readonly Change[] | { readonly error: unknown }): void => {
    if ('error' in outcome) {
      measure.finished(pending.context, pending.since, resultOf(outcome.error))
      pending.reject(outcome.error)
      return
    }
    apply(outcome)
    measure.changes(outcome)
    measure.finished(pending.context, pending.since, 'ok')
    pending.resolve(seq)
  }

  const plan = (
    pending: Pending,
    view: Parameters<typeof planTransaction>[0]['view'],
    from: number,
  ): readonly Change[] | { readonly error: unknown } => {
    try {
      return planTransaction({ ops: pending.ops, context: pending.context, view, seq: from, time: timestamp(clock.now()) })
    } catch (error) {
      return { error }
    }
  }

  /** Plans transactions from the head of the queue until the batch is full. */
  const takeBatch = (): { readonly pending: Pending; readonly outcome: ReturnType<typeof plan> }[] => {
    const overlay = createOverlay(state)
    const batch: { pending: Pending; outcome: ReturnType<typeof plan> }[] = []
    let planned = seq
    while (queue.length > 0 && planned - seq < maxBatchChanges) {
      const pending = queue.shift()
      if (!pending) break
      const outcome = plan(pending, overlay, planned)
      if (!('error' in outcome)) {
        overlay.add(outcome)
        planned += outcome.length
      }
      batch.push({ pending, outcome })
    }
    return batch
  }

  const commitBatch = async (to: Medium): Promise<void> => {
    const batch = takeBatch()
    try {
      await to.commit(batch.flatMap(({ outcome }) => ('error' in outcome ? [] : outcome)))
    } catch (error) {
      // outcomes planned on top of a lost transaction mean nothing: all of the batch is told the same
      const failure = new AppError('store/unavailable', `cannot write to the store: ${messageOf(error)}`, { cause: error, retryable: true })
      log.error({ err: messageOf(error), transactions: batch.length }, 'store write failed')
      for (const { pending } of batch) settle(pending, { error: failure })
      return
    }
    for (const { pending, outcome } of batch) settle(pending, outcome)
  }

  const run = async (): Promise<void> => {
    scheduled = false
    if (busy || !medium) return
    busy = true
    while (queue.length > 0) await commitBatch(medium)
    busy = false
    idle?.()
  }

  /** Applies what needs no waiting: everything without a medium, observed transactions as long as no desired one is ahead of them. */
  const drain = (): void => {
    if (busy) return
    busy = true
    while (queue[0] && (!medium || queue[0].context.class === 'observed')) {
      const pending = queue.shift()
      if (!pending) break
      const outcome = plan(pending, state, seq)
      if (!('error' in outcome)) medium?.later(outcome)
      settle(pending, outcome)
    }
    busy = false
    if (queue.length > 0 && !scheduled) {
      scheduled = true
      // after the I/O callbacks of this turn, so that transactions of several requests share one commit
      setImmediate(() => void run())
    } else if (queue.length === 0) idle?.()
  }

  return {
    id: options.id,
    get seq() {
      return seq
    },
    get: (key) => state.get(key),
    list: (type, mesh) => state.list(type, mesh),
    transact: (ops, context) => {
      if (closed) return Promise.reject(new AppError('store/closed', 'the store is closed'))
      return new Promise((resolve, reject) => {
        queue.push({ ops, context, since: clock.monotonic(), resolve, reject })
        drain()
      })
    },
    watch: (fromSeq, listener) => {
      if (closed) throw new AppError('store/closed', 'the store is closed')
      const missed = changeLog.after(fromSeq)
      const watcher: Watcher = { seen: seq, listener }
      watchers.add(watcher)
      // a listener that writes while it catches up must get its own change after what it missed
      const wasBusy = busy
      busy = true
      for (const changes of missed) deliver(watcher, changes)
      busy = wasBusy
      if (!wasBusy) drain()
      return () => void watchers.delete(watcher)
    },
    close: async () => {
      if (closed) return
      closed = true
      if (queue.length > 0 || busy) await new Promise<void>((resolve) => (idle = resolve))
      watchers.clear()
      queue = []
      await medium?.close()
    },
  }
}

function resultOf(error: unknown): string {
  if (hasCode(error, 'store/conflict') || hasCode(error, 'store/already-exists')) return 'conflict'
  return hasCode(error, 'store/unavailable') ? 'unavailable' : 'refused'
}
