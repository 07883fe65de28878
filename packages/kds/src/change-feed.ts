// One watch of the store, handed out by type: a change costs work only on streams that carry its type.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Change, Store } from '@weft/store'

/** Gets the changes of one type of one transaction. */
export type TypeListener = (changes: readonly Change[]) => void

/** Changes of a store by type, in order, in the turn in which they become visible. */
export interface ChangeFeed {
  /** Returns the unsubscriber. */
  on(type: string, listener: TypeListener): () => void
  close(): void
}

/** Starts watching at the present state. */
export function createChangeFeed(store: Store, log: Logger): ChangeFeed {
  const listeners = new Map<string, Set<TypeListener>>()
  // one stream's trouble must not keep a change from the others
  const call = (listener: TypeListener, changes: readonly Change[]): void => {
    try {
      listener(changes)
    } catch (error) {
      log.error({ err: messageOf(error) }, 'kds change listener failed')
    }
  }
  const stop = store.watch(store.seq, (changes) => {
    for (const [type, group] of byType(changes, listeners)) {
      for (const listener of listeners.get(type) ?? []) call(listener, group)
    }
  })
  return {
    on: (type, listener) => {
      const set = listeners.get(type) ?? new Set()
      listeners.set(type, set)
      set.add(listener)
      return () => void set.delete(listener)
    },
    close: () => {
      stop()
      listeners.clear()
    },
  }
}

function byType(changes: readonly Change[], wanted: ReadonlyMap<string, unknown>): Map<string, Change[]> {
  const groups = new Map<string, Change[]>()
  for (const change of changes) {
    const { type } = change.key
    if (!wanted.has(type)) continue
    const group = groups.get(type)
    if (group) group.push(change)
    else groups.set(type, [change])
  }
  return groups
}
