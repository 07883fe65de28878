// The state in memory, the recent change log and the watchers of one store. Invariant: readers and watchers see changes in order, one
// transaction at a time, and a watcher is called in the turn in which they become readable.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import type { Resource, ResourceKey } from '@weft/resources'
import { createChangeLog } from './change-log.ts'
import type { Change } from './contract.ts'
import { createState } from './state.ts'

export interface ImageOptions {
  readonly seq: number
  readonly resources: Iterable<Resource>
  readonly clock: Clock
  readonly log: Logger
  /** Bounds of the log in memory. */
  readonly maxLogEntries?: number
  readonly maxLogAgeMs?: number
}

export interface Image {
  readonly seq: number
  get(key: ResourceKey): Resource | undefined
  list(type: string, mesh?: string): readonly Resource[]
  entries(): IterableIterator<Resource>
  size(): number
  logEntries(): number
  /** Makes one transaction visible and calls every watcher. `upTo` is its last number where the last changes were left out. */
  apply(changes: readonly Change[], upTo?: number): void
  /** Makes changes visible that have no number of their own yet: seq stays, and nobody can ask for them again. */
  applyAside(changes: readonly Change[]): void
  /** Makes a difference visible that was not read from the log; the log starts anew at `seq`. */
  leapTo(seq: number, changes: readonly Change[]): void
  /** As `Store.watch`. */
  watch(fromSeq: number, listener: (changes: readonly Change[]) => void): () => void
  /** Forgets all watchers. */
  forgetWatchers(): void
}

interface Watcher {
  /** The last delivery it had or did not need. */
  seen: number
  readonly listener: (changes: readonly Change[]) => void
}

/** An image of a state that was loaded by the caller. */
export function createImage(options: ImageOptions): Image {
  const { clock, log } = options
  const state = createState(options.resources)
  const changeLog = createChangeLog({
    clock,
    seq: options.seq,
    maxEntries: options.maxLogEntries ?? 4096,
    maxAgeMs: options.maxLogAgeMs ?? 300_000,
  })
  const watchers = new Set<Watcher>()
  let seq = options.seq
  /** Counts what was told to watchers, so that one that is added meanwhile gets nothing twice. */
  let delivery = 0

  const deliver = (watcher: Watcher, changes: readonly Change[]): void => {
    try {
      watcher.listener(changes)
    } catch (error) {
      log.error({ err: messageOf(error), seq }, 'store listener failed')
    }
  }
  const show = (changes: readonly Change[]): void => {
    for (const change of changes) {
      if (change.after) state.put(change.after)
      else state.remove(change.key)
    }
  }
  const tell = (changes: readonly Change[]): void => {
    if (changes.length === 0) return
    delivery += 1
    const current = delivery
    for (const watcher of watchers) {
      if (!watchers.has(watcher) || watcher.seen >= current) continue
      watcher.seen = current
      deliver(watcher, changes)
    }
  }

  return {
    get seq() {
      return seq
    },
    get: state.get,
    list: state.list,
    entries: state.entries,
    size: state.size,
    logEntries: changeLog.size,
    apply: (changes, upTo) => {
      show(changes)
      seq = upTo ?? changes.at(-1)?.seq ?? seq
      changeLog.append(changes, seq)
      tell(changes)
    },
    applyAside: (changes) => {
      show(changes)
      tell(changes)
    },
    leapTo: (to, changes) => {
      show(changes)
      seq = to
      changeLog.restart(to)
      tell(changes)
    },
    watch: (fromSeq, listener) => {
      const missed = changeLog.after(fromSeq)
      const watcher: Watcher = { seen: delivery, listener }
      watchers.add(watcher)
      for (const changes of missed) deliver(watcher, changes)
      return () => void watchers.delete(watcher)
    },
    forgetWatchers: () => watchers.clear(),
  }
}
