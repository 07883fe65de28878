// The last changes of a store that are of interest to sync, each with how far it has come at every place. Bounded: the oldest goes first.
import type { Change } from '@weft/store'
import { nameKey } from '@weft/resources'

/** When a change reached each stage at one place, in ms after its commit. */
export interface Marks {
  stored?: number
  pushed?: number
  acked?: number
  /** The place refuses it. */
  isRefused?: boolean
  /** Proxies that refused something when the last of them had answered. */
  refusing?: number
}

/** A change that is followed. */
export interface FollowedChange {
  readonly seq: number
  /** RFC 3339. */
  readonly time: string
  readonly op: Change['op']
  readonly actor: string
  readonly type: string
  readonly mesh: string
  readonly name: string
  /** `mesh/name`. */
  readonly key: string
  /** Monotonic ms of its commit. */
  readonly at: number
  /** Of what came from a peer: the change of the peer's store. */
  originSeq: number | undefined
  readonly marks: Map<string, Marks>
  /** False once newer changes took its place. */
  isKept: boolean
}

export interface RecentChanges {
  add(change: Change, at: number): FollowedChange
  /** Those of a type after `seq`, oldest first. */
  ofType(type: string, seq: number): readonly FollowedChange[]
  /** The newest of those that fit, newest first. */
  newest(limit: number, fits?: (change: FollowedChange) => boolean): readonly FollowedChange[]
  /** The newest change of a key. */
  latest(type: string, key: string): FollowedChange | undefined
}

export function createRecentChanges(capacity: number): RecentChanges {
  const all: FollowedChange[] = []
  const byType = new Map<string, FollowedChange[]>()
  const listOf = (type: string): FollowedChange[] => {
    const list = byType.get(type) ?? []
    byType.set(type, list)
    return list
  }
  return {
    add: ({ seq, time, op, actor, key: { type, mesh, name } }, at) => {
      const key = nameKey({ mesh, name })
      const change: FollowedChange = {
        seq,
        time,
        op,
        actor,
        type,
        mesh,
        name,
        key,
        at,
        originSeq: undefined,
        marks: new Map(),
        isKept: true,
      }
      all.push(change)
      listOf(type).push(change)
      const oldest = all.length > capacity ? all.shift() : undefined
      if (oldest) {
        oldest.isKept = false
        // the oldest of all is the oldest of its type
        listOf(oldest.type).shift()
      }
      return change
    },
    ofType: (type, seq) => {
      const list = byType.get(type) ?? []
      let from = list.length
      while (from > 0 && (list[from - 1]?.seq ?? 0) > seq) from--
      return list.slice(from)
    },
    newest: (limit, fits = () => true) => all.toReversed().filter(fits).slice(0, limit),
    latest: (type, key) => byType.get(type)?.findLast((change) => change.key === key),
  }
}
