// Writes changes to SQLite in short steps. One write transaction at a time; a step never holds the event loop longer than a few
// milliseconds, so a large transaction is written over several turns and committed once.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { type Clock, type Timer, timestamp } from '@weft/foundation/time'
import { keyText, type Resource, type ResourceKey } from '@weft/resources'
import type { Change } from './contract.ts'
import type { Medium } from './core.ts'
import { createObservedRetention, type HistoryRetention, maxObservedEntries } from './retention.ts'
import type { Database } from './sqlite-database.ts'

export interface SqliteMediumOptions {
  readonly database: Database
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics | undefined
  readonly retention: HistoryRetention
}

const retryDelayMs = 1000
const stepMs = 5
const maxPruned = 2000

interface Lazy {
  /** Last value of each key; undefined: deleted. */
  readonly values: Map<string, { readonly key: ResourceKey; readonly after: Resource | undefined }>
  entries: Change[]
}

export interface SqliteMedium extends Medium {
  /** Keeps the epoch of a lease, after every write that was handed in before. */
  saveEpoch(name: string, epoch: number): Promise<void>
}

/** A medium over an open database; closing it closes the database. */
export function createSqliteMedium(options: SqliteMediumOptions): SqliteMedium {
  const { database, clock, log } = options
  let lazy: Lazy = { values: new Map(), entries: [] }
  let isClosed = false
  let retry: Timer | undefined
  let tail: Promise<void> = Promise.resolve()
  const due = createObservedRetention(clock)
  const seconds = options.metrics?.histogram('store_commit_duration_seconds', 'Time of one write to the database.', ['result'])

  const prune = (seq: number): void => {
    const upTo = due(seq)
    if (upTo === undefined) return
    if (upTo > 0) database.pruneObserved({ upTo, limit: maxPruned })
    const { maxEntries, maxAgeMs } = options.retention
    database.pruneDesired({
      keep: maxEntries,
      time: maxAgeMs > 0 ? timestamp(clock.now() - maxAgeMs) : undefined,
      limit: maxPruned,
    })
  }

  const write = async (changes: readonly Change[]): Promise<void> => {
    const taken = lazy
    if (changes.length === 0 && taken.entries.length === 0) return
    lazy = { values: new Map(), entries: [] }
    const values = new Map(taken.values)
    for (const change of changes) values.set(keyText(change.key), { key: change.key, after: change.after })
    const entries = [...taken.entries, ...changes]
    const started = clock.monotonic()
    let open = false
    try {
      const pause = pacer(clock)
      database.begin(changes.some((change) => change.class === 'desired'))
      open = true
      for (const { key, after } of values.values()) {
        if (after) database.put(after)
        else database.remove(key)
        const turn = pause()
        if (turn) await turn
      }
      for (const change of entries) {
        database.appendLog(change)
        const turn = pause()
        if (turn) await turn
      }
      const seq = entries.at(-1)?.seq ?? 0
      database.setSeq(seq)
      prune(seq)
      database.commit()
      seconds?.observe((clock.monotonic() - started) / 1000, { result: 'ok' })
    } catch (error) {
      seconds?.observe((clock.monotonic() - started) / 1000, { result: 'error' })
      if (open) rollback()
      // newer values of the same keys win over the ones that could not be written
      lazy = { values: new Map([...taken.values, ...lazy.values]), entries: [...taken.entries, ...lazy.entries].slice(-maxObservedEntries) }
      throw error
    }
  }

  const rollback = (): void => {
    try {
      database.rollback()
    } catch (error) {
      // SQLite rolls back by itself on some errors
      log.debug({ err: messageOf(error) }, 'store rollback failed')
    }
  }

  const writeEpoch = (name: string, epoch: number): void => {
    database.begin(true)
    try {
      database.setEpoch(name, epoch)
      database.commit()
    } catch (error) {
      rollback()
      throw new AppError('store/unavailable', `cannot write to the store: ${messageOf(error)}`, { cause: error, retryable: true })
    }
  }

  /** Runs writes one after another, whatever became of the one before. */
  const inTurn = (run: () => void | Promise<void>): Promise<void> => {
    const next = tail.then(run)
    tail = next.catch(() => {})
    return next
  }
  const enqueue = (changes: readonly Change[]): Promise<void> => inTurn(() => write(changes))

  const writeLazy = (): void => {
    enqueue([]).catch((error: unknown) => {
      if (isClosed) return
      log.warn({ err: messageOf(error) }, 'store could not write observed changes, trying again')
      retry ??= clock.after(retryDelayMs, () => {
        retry = undefined
        writeLazy()
      })
    })
  }

  return {
    commit: (changes) => enqueue(changes),
    saveEpoch: (name, epoch) => inTurn(() => writeEpoch(name, epoch)),
    later: (changes) => {
      // what waits already has its turn, or its retry
      const isFirst = lazy.entries.length === 0 && changes.length > 0
      for (const change of changes) {
        lazy.values.set(keyText(change.key), { key: change.key, after: change.after })
        lazy.entries.push(change)
      }
      // one write for all of this turn, before it can have come far: a process that is killed should have told nothing that it forgets
      if (isFirst) void nextTurn().then(writeLazy)
    },
    close: async () => {
      isClosed = true
      retry?.cancel()
      try {
        await enqueue([])
      } catch (error) {
        log.error({ err: messageOf(error) }, 'store could not write the last observed changes')
      }
      database.close()
    },
  }
}

/** Gives the event loop a turn whenever the current step got long. */
function pacer(clock: Clock): () => Promise<void> | undefined {
  let since = clock.monotonic()
  return () => {
    if (clock.monotonic() - since < stepMs) return undefined
    return nextTurn().then(() => {
      since = clock.monotonic()
    })
  }
}
