// One store behind every driver: a queue of transactions, the state in memory, the change log and the watchers. A medium makes changes
// durable. Invariant: state, seq and watchers only ever see transactions in order, whole, and (desired ones) after the medium has them.
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Metrics } from '@weft/foundation/metrics'
import { timestamp } from '@weft/foundation/time'
import type { Change, Store } from './contract.ts'
import { createImage, type ImageOptions } from './image.ts'
import { createStoreMetrics, resultOf } from './metrics.ts'
import type { LocalLeases } from './local-leases.ts'
import { createOverlay } from './plan.ts'
import { maxBatchChanges, type Outcome, type Pending, planOne } from './plan-batch.ts'

/** Where changes become durable. Calls never overlap: `commit` is called again only after its promise settled. */
export interface Medium {
  /** Makes these changes, and all handed to `later` before, durable in one step. A rejection means none of these changes is kept. */
  commit(changes: readonly Change[]): Promise<void>
  /** Takes observed changes that are applied already and become durable soon. Must not throw. */
  later(changes: readonly Change[]): void
  /** Makes everything durable and lets go of the medium. */
  close(): Promise<void>
}

export interface CoreOptions extends ImageOptions {
  readonly id: string
  readonly metrics?: Metrics | undefined
  readonly medium?: Medium
  readonly leases: LocalLeases
}

/** A store over a state that was loaded by the caller. */
export function createStoreCore(options: CoreOptions): Store {
  const { clock, log, medium, leases } = options
  const image = createImage(options)
  let queue: Pending[] = []
  /** True while a listener runs or the medium writes: new transactions wait in the queue. */
  let busy = false
  let scheduled = false
  let closed = false
  let idle: (() => void) | undefined
  const measure = createStoreMetrics(options.metrics, {
    clock,
    resources: image.size,
    logEntries: image.logEntries,
    queued: () => queue.length,
  })

  const settle = (pending: Pending, outcome: Outcome): void => {
    if ('error' in outcome) {
      measure.finished(pending.context, pending.since, resultOf(outcome.error))
      pending.reject(outcome.error)
      return
    }
    if (outcome.length > 0) image.apply(outcome)
    measure.changes(outcome)
    measure.finished(pending.context, pending.since, 'ok')
    pending.resolve(image.seq)
  }

  const time = (): string => timestamp(clock.now())

  /** Plans transactions from the head of the queue until the batch is full. */
  const takeBatch = (): { readonly pending: Pending; readonly outcome: Outcome }[] => {
    const overlay = createOverlay(image)
    const batch: { pending: Pending; outcome: Outcome }[] = []
    let planned = image.seq
    while (queue.length > 0 && planned - image.seq < maxBatchChanges) {
      const pending = queue.shift()
      if (!pending) break
      const outcome = planOne(pending, { view: overlay, seq: planned, time: time(), holds: leases.holds })
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
      const outcome = planOne(pending, { view: image, seq: image.seq, time: time(), holds: leases.holds })
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
      return image.seq
    },
    get: image.get,
    list: image.list,
    transact: (ops, context) => {
      if (closed) return Promise.reject(new AppError('store/closed', 'the store is closed'))
      return new Promise((resolve, reject) => {
        queue.push({ ops, context, since: clock.monotonic(), resolve, reject })
        drain()
      })
    },
    watch: (fromSeq, listener) => {
      if (closed) throw new AppError('store/closed', 'the store is closed')
      // a listener that writes while it catches up must get its own change after what it missed
      const wasBusy = busy
      busy = true
      try {
        return image.watch(fromSeq, listener)
      } finally {
        busy = wasBusy
        if (!wasBusy) drain()
      }
    },
    leases,
    close: async () => {
      if (closed) return
      closed = true
      if (queue.length > 0 || busy) await new Promise<void>((resolve) => (idle = resolve))
      image.forgetWatchers()
      queue = []
      await medium?.close()
    },
  }
}
