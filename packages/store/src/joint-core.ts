// The store of an instance that shares its change log with others. Reads and watchers as everywhere; a write is planned on what this
// instance has read and takes effect only if nobody wrote in between. Invariant: memory shows transactions in the order of the journal.
// While the database is away reads go on, desired writes are refused, observed ones are held (tentative.ts) and written later.
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Metrics } from '@weft/foundation/metrics'
import { timestamp } from '@weft/foundation/time'
import { keyText, type ResourceKey } from '@weft/resources'
import type { Change, Store } from './contract.ts'
import { createImage, type ImageOptions } from './image.ts'
import { type Journal, type JournalPart, JournalRefusal } from './journal.ts'
import type { LeaseTable, WriteLease } from './lease-table.ts'
import { difference, materialise } from './materialise.ts'
import { createStoreMetrics, resultOf } from './metrics.ts'
import { createOutage } from './outage.ts'
import { createOverlay } from './plan.ts'
import { keyOf, leasesOf, maxBatchChanges, type Outcome, type Pending, planAll, planOne, transactionsOf } from './plan-batch.ts'
import { createTentative } from './tentative.ts'

export interface JointCoreOptions extends ImageOptions {
  readonly id: string
  readonly metrics?: Metrics | undefined
  /** Closed with the store. */
  readonly journal: Journal
  readonly leases: LeaseTable
  /** Called after a commit with the last number. */
  readonly onCommitted?: (seq: number) => void
}

export interface JointStore extends Store {
  /** Tells that the journal has grown to `seq`, by whatever was heard of it. A hint: the journal itself is asked. */
  heard(seq: number): void
  /** Has the database asked for its last number, because something may have been missed: after a connection was lost or made. */
  check(): void
}

interface JointPending extends Pending {
  /** The write of a value that memory shows already. */
  readonly isHeld?: boolean
}

/** A store over a state that was loaded by the caller. */
export function createJointCore(options: JointCoreOptions): JointStore {
  const { clock, log, journal } = options
  const image = createImage(options)
  const tentative = createTentative()
  /** The state without what waits for the database: what writes are planned on. */
  const committed = tentative.committed(image)
  const outage = createOutage(clock)
  let queue: JointPending[] = []
  let announced = options.seq
  /** Changes may have been missed: only the database knows its last number. */
  let isInDoubt = false
  let isWorking = false
  let isScheduled = false
  /** True while listeners run: what they write waits. */
  let isTelling = false
  let isClosed = false
  let idle: (() => void) | undefined
  const measure = createStoreMetrics(options.metrics, {
    clock,
    resources: image.size,
    logEntries: image.logEntries,
    queued: () => queue.length,
  })
  const now = (): string => timestamp(clock.now())

  const telling = (tell: () => void): void => {
    const was = isTelling
    isTelling = true
    try {
      tell()
    } finally {
      isTelling = was
    }
  }
  const settle = (pending: JointPending, outcome: Outcome): void => {
    if ('error' in outcome) {
      measure.finished(pending.context, pending.since, resultOf(outcome.error))
      if (pending.isHeld) for (const key of pending.ops.map(keyOf)) letGo(key)
      pending.reject(outcome.error)
      return
    }
    // of a held value, memory shows the content already: only its number is new
    const changes = pending.isHeld ? outcome.map((change) => withBefore(change, image.get(change.key))) : outcome
    if (pending.isHeld) {
      for (const key of pending.ops.map(keyOf)) {
        if (outcome.length === 0 && tentative.has(key)) showCommitted(key)
        tentative.drop(key)
      }
    }
    if (changes.length > 0) telling(() => image.apply(changes))
    measure.changes(changes)
    measure.finished(pending.context, pending.since, 'ok')
    pending.resolve(image.seq)
  }
  /** A held value turned out to be what the database has: memory goes back to that one, with its number and times. */
  const showCommitted = ({ type, mesh, name }: ResourceKey): void => {
    const key = { type, mesh, name }
    const [before, after] = [image.get(key), committed.get(key)]
    if (!after && !before) return
    const stamp = { ...resyncStamp, seq: image.seq, key }
    const change: Change = after ? { ...stamp, time: after.modificationTime, op: 'put', after } : { ...stamp, time: now(), op: 'delete' }
    telling(() => image.applyAside([withBefore(change, before)]))
  }
  /** A held value whose writer has lost its right is no fact any more. */
  const letGo = (key: ResourceKey): void => {
    if (!tentative.has(key)) return
    showCommitted(key)
    tentative.drop(key)
  }

  /** Makes visible what others wrote. Their change of a held key comes first: the fact held is dropped, and comes again if it is still one. */
  const show = (part: JournalPart): void => {
    for (const { changes, last } of materialise(part.transactions, image)) {
      for (const change of changes) tentative.drop(change.key)
      telling(() => image.apply(changes, last))
    }
  }
  const reload = async (): Promise<void> => {
    const { seq, resources } = await journal.load()
    if (seq < image.seq) throw setBack(seq, image.seq)
    const from = [...image.entries()].filter((resource) => !tentative.has(resource))
    from.push(...tentative.keys().flatMap((key) => committed.get(key) ?? []))
    const changes = difference(from, resources, { ...resyncStamp, seq, time: now() })
    for (const change of changes) tentative.drop(change.key)
    log.warn(
      { from: image.seq, seq, count: changes.length },
      'the change log no longer reaches back to what was read last, all was read anew',
    )
    const visible = changes.map((change) => withBefore(change, image.get(change.key)))
    telling(() => image.leapTo(seq, visible))
  }
  const catchUp = async (): Promise<void> => {
    const hint = announced
    // what was heard is a hint only: before everything is read anew, the database itself says where it ends
    const part = (await journal.read(image.seq, hint)) ?? (await journal.read(image.seq, await headOf()))
    if (part) show(part)
    else await reload()
    if (announced === hint) announced = image.seq
  }
  /** The last number in the database, which is never below what was read from it. */
  const headOf = async (): Promise<number> => {
    const head = await journal.head()
    if (head < image.seq) throw setBack(head, image.seq)
    return head
  }

  const askHead = async (): Promise<void> => {
    isInDoubt = false
    const head = await headOf()
    // what was heard during the question counts as well
    announced = Math.max(announced, head)
  }

  const takeBatch = (): readonly JointPending[] => {
    let size = 0
    let count = 0
    for (const pending of queue) {
      if (size >= maxBatchChanges) break
      size += Math.max(1, pending.ops.length)
      count += 1
    }
    return queue.splice(0, count).filter((pending) => !pending.isHeld || pending.ops.every((op) => tentative.has(keyOf(op))))
  }
  const commit = async (batch: readonly JointPending[]): Promise<void> => {
    let outcomes = planAll(batch, { view: committed, seq: image.seq, time: now() })
    const transactions = transactionsOf(outcomes)
    const leases = leasesOf(batch, outcomes)
    // also that nothing changes, or that it must fail, holds only if nobody else wrote
    const isUpToDate =
      transactions.length > 0
        ? await journal.append(image.seq, transactions, leases)
        : (await headOf()) === image.seq && (leases.length === 0 || (await journal.holds(leases)))
    if (!isUpToDate) {
      let others: JournalPart | undefined
      const isWritten = await journal.appendInTurn(
        image.seq,
        (part, holds) => {
          others = part
          outcomes = planAfter(part, batch, holds)
          return transactionsOf(outcomes)
        },
        batch.flatMap(({ context }) => context.lease ?? []),
      )
      if (!isWritten) {
        queue.unshift(...batch)
        await reload()
        return
      }
      if (others) show(others)
    }
    for (const [index, pending] of batch.entries()) settle(pending, outcomes[index] ?? [])
    announced = Math.max(announced, image.seq)
    options.onCommitted?.(image.seq)
  }
  const planAfter = (part: JournalPart, batch: readonly JointPending[], holds: (lease: WriteLease) => boolean): readonly Outcome[] => {
    const view = createOverlay(committed)
    const foreign = new Set<string>()
    for (const { changes } of materialise(part.transactions, committed)) {
      view.add(changes)
      for (const { key } of changes) foreign.add(keyText(key))
    }
    // a held value gives way to what others made of the resource meanwhile
    const givesWay = (pending: JointPending): boolean =>
      pending.isHeld === true && pending.ops.some((op) => foreign.has(keyText(keyOf(op))))
    const planned = batch.map((pending) => (givesWay(pending) ? { ...pending, ops: [] } : pending))
    return planAll(planned, { view, seq: part.head, time: now(), holds })
  }
  const commitBatch = async (batch: readonly JointPending[]): Promise<void> => {
    if (batch.length === 0) return
    try {
      await commit(batch)
    } catch (error) {
      const [first] = batch
      if (!(error instanceof JournalRefusal) || !first) {
        queue.unshift(...batch)
        throw error
      }
      // one transaction that the database does not take must not take the others of its batch with it
      if (batch.length > 1) queue.unshift(...batch.slice(1))
      await (batch.length > 1 ? commitBatch([first]) : refuse(first, error))
    }
  }
  const refuse = async (pending: JointPending, error: JournalRefusal): Promise<void> => {
    if (pending.isHeld) for (const op of pending.ops) tentative.drop(keyOf(op))
    settle(pending, { error: new AppError('store/invalid', `the database does not take this: ${error.message}`, { cause: error }) })
  }

  const queueHeld = (): void => {
    if (tentative.size === 0 || queue.some((pending) => pending.isHeld)) return
    const held = tentative.keys().flatMap((key) => tentative.writeOf(key) ?? [])
    const rest = { isHeld: true, since: clock.monotonic(), resolve: () => {}, reject: () => {} }
    queue.unshift(...held.map(({ op, context }) => ({ ...rest, ops: [op], context })))
  }
  const work = async (): Promise<void> => {
    isScheduled = false
    if (isWorking || outage.reason !== undefined || (isClosed && queue.length === 0)) return
    isWorking = true
    try {
      while (isInDoubt || queue.length > 0 || announced > image.seq || tentative.size > 0) {
        if (isInDoubt) await askHead()
        if (announced > image.seq) await catchUp()
        queueHeld()
        await commitBatch(takeBatch())
      }
    } catch (error) {
      goAway(error)
    }
    isWorking = false
    if (queue.length === 0) idle?.()
  }
  const wake = (): void => {
    if (isScheduled || isWorking || outage.reason !== undefined) return
    isScheduled = true
    // after the I/O callbacks of this turn, so that transactions of several requests share one commit
    setImmediate(() => void work())
  }

  const goAway = (error: unknown): void => {
    const reason = messageOf(error)
    if (outage.failed(reason, () => void comeBack()))
      log.error({ err: reason }, 'the database is away: reads go on from memory, desired writes are refused, observed ones wait')
    if (isClosed) outage.stop()
    queue = queue.filter((pending) => !pending.isHeld)
    answerWhileAway()
  }
  const comeBack = async (): Promise<void> => {
    if (isClosed) return
    try {
      await askHead()
      outage.answered()
      await work()
      if (outage.reason !== undefined) return
      const ms = outage.over()
      if (ms !== undefined) log.info({ ms: Math.round(ms) }, 'the database is back')
    } catch (error) {
      goAway(error)
    }
  }
  const answerWhileAway = (): void => {
    if (outage.reason === undefined || isTelling) return
    for (let pending = queue.shift(); pending; pending = queue.shift()) {
      if (pending.context.class === 'observed') hold(pending)
      else settle(pending, { error: unavailable(outage.reason) })
    }
    idle?.()
  }
  const hold = (pending: JointPending): void => {
    const outcome = planOne(pending, { view: image, seq: image.seq, time: now() })
    if ('error' in outcome) {
      settle(pending, outcome)
      return
    }
    try {
      const held = tentative.hold(
        outcome.map((change) => ({ ...change, seq: image.seq })),
        pending.context,
      )
      telling(() => image.applyAside(held))
      settle(pending, [])
    } catch (error) {
      settle(pending, { error })
    }
  }

  return {
    id: options.id,
    get seq() {
      return image.seq
    },
    get: image.get,
    list: image.list,
    transact: (ops, context) => {
      if (isClosed) return Promise.reject(new AppError('store/closed', 'the store is closed'))
      return new Promise((resolve, reject) => {
        queue.push({ ops, context, since: clock.monotonic(), resolve, reject })
        if (outage.reason === undefined) wake()
        else answerWhileAway()
      })
    },
    watch: (fromSeq, listener) => {
      if (isClosed) throw new AppError('store/closed', 'the store is closed')
      let stop = (): void => {}
      telling(() => (stop = image.watch(fromSeq, listener)))
      answerWhileAway()
      return stop
    },
    leases: options.leases,
    heard: (seq) => {
      if (isClosed || seq <= announced) return
      announced = seq
      wake()
    },
    check: () => {
      if (isClosed || outage.reason !== undefined) return
      isInDoubt = true
      wake()
    },
    close: async () => {
      if (isClosed) return
      isClosed = true
      outage.stop()
      if (queue.length > 0 || isWorking) await new Promise<void>((resolve) => (idle = resolve))
      if (tentative.size > 0) log.error({ count: tentative.size }, 'observed changes are lost: the database did not come back')
      image.forgetWatchers()
      await journal.close()
    },
  }
}

const resyncStamp = { class: 'observed', actor: 'store', reason: 'resync' } as const

function withBefore(change: Change, before: Change['before']): Change {
  const { before: _, ...rest } = change
  return { ...rest, ...(before ? { before } : {}) }
}

function setBack(head: number, read: number): Error {
  return new Error(
    `the database ends at change ${head} but ${read} was read from it: it was set back. Start this process anew to take its state`,
  )
}

function unavailable(reason: string): AppError {
  return new AppError('store/unavailable', `cannot write to the store: ${reason}`, { retryable: true })
}
