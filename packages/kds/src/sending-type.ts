// What one stream knows about one type it sends: what the peer has or is about to get, what waits, what was rejected. Pure bookkeeping.
import type { Timer } from '@weft/foundation/time'
import type { ResourceKey } from '@weft/resources'
import type { Encoded } from './outgoing.ts'

/** A response that is ready to go. */
export interface PlannedResponse {
  readonly entries: readonly Encoded[]
  readonly removed: readonly string[]
  /** More of the same first list follows. */
  readonly partial: boolean
}

/** State of one type on one stream. */
export interface SendingType {
  readonly type: string
  /** waiting: for its turn. listing: the first list is being encoded. live: deltas. */
  phase: 'waiting' | 'listing' | 'live'
  /** The whole first list was handed to the transport. */
  listed: boolean
  /** Versions the peer said it has; empty once the first list is made. */
  resume: ReadonlyMap<string, string>
  /** Keys to look at, by `mesh/name`. */
  readonly dirty: Map<string, ResourceKey>
  /** Responses that go before the next delta. */
  readonly queue: PlannedResponse[]
  pending:
    | {
        readonly nonce: string
        readonly response: PlannedResponse
        readonly stall: Timer
        /** The peer has everything up to here once it acknowledges, and lacks what comes later since `at`. */
        readonly seq: number
        readonly at: number | undefined
      }
    | undefined
  /** The peer has everything of this type up to here, in sequence numbers of the store; means something only while `behindSince` does. */
  acceptedSeq: number
  /** Since when the peer lacks something, monotonic ms; undefined when it has everything. */
  behindSince: number | undefined
  /** Wire names in rejected responses. */
  readonly rejected: Set<string>
  retry: Timer | undefined
  /** Last back-off; 0 when nothing is rejected. */
  retryMs: number
  /** Text of the last NACK; undefined when nothing is rejected. */
  failure: string | undefined
  /** When deltas of a paced type may follow, monotonic ms; and the timer that waits for it. */
  notBefore: number
  pacing: Timer | undefined
  unsubscribe: () => void
  /** Takes a wire name for a key. False when another key has it: the first one keeps it. */
  claim(key: string, encoded: Encoded): boolean
  /** Notes the new value of a key and tells what the peer has to learn. */
  replace(key: string, encoded: Encoded | undefined): { readonly entry?: Encoded; readonly removed?: string }
  accepted(response: PlannedResponse): void
  /** A live resource goes under this wire name. */
  has(name: string): boolean
  /** The rejected names as a response to try again: present values, or removals. Undefined when there is nothing left to say. */
  takeRejected(): { readonly entries: readonly Encoded[]; readonly removed: readonly string[] } | undefined
}

/** The state of a type at its subscription. */
export function sendingType(type: string, resume: ReadonlyMap<string, string>): SendingType {
  const known = new Map<string, Encoded>()
  /** Which key a wire name stands for: display names may coincide, and two keys must not fight over one name. */
  const owners = new Map<string, string>()
  const dirty = new Map<string, ResourceKey>()
  /** Keys whose wire name is taken, to look at again when it is free. */
  const displaced = new Map<string, ResourceKey>()

  const forget = (key: string): string | undefined => {
    const before = known.get(key)
    if (!before) return undefined
    known.delete(key)
    owners.delete(before.name)
    for (const [other, resource] of displaced) dirty.set(other, resource)
    displaced.clear()
    return before.name
  }
  const claim = (key: string, encoded: Encoded): boolean => {
    const owner = owners.get(encoded.name)
    if (owner !== undefined && owner !== key) {
      displaced.set(key, keyOf(type, key))
      return false
    }
    owners.set(encoded.name, key)
    known.set(key, encoded)
    return true
  }

  const state: SendingType = {
    type,
    phase: 'waiting',
    listed: false,
    resume,
    dirty,
    queue: [],
    pending: undefined,
    acceptedSeq: 0,
    behindSince: undefined,
    rejected: new Set(),
    retry: undefined,
    retryMs: 0,
    failure: undefined,
    notBefore: 0,
    pacing: undefined,
    unsubscribe: () => {},
    claim,
    has: (name) => owners.has(name),
    replace: (key, encoded) => {
      const before = known.get(key)
      if (!encoded) {
        displaced.delete(key)
        const removed = forget(key)
        return removed === undefined ? {} : { removed }
      }
      if (before?.name === encoded.name) {
        known.set(key, encoded)
        return before.version === encoded.version ? {} : { entry: encoded }
      }
      const removed = forget(key)
      return { ...(claim(key, encoded) ? { entry: encoded } : {}), ...(removed === undefined ? {} : { removed }) }
    },
    accepted: (response) => {
      for (const entry of response.entries) state.rejected.delete(entry.name)
      for (const name of response.removed) state.rejected.delete(name)
      if (state.rejected.size > 0) return
      state.retry?.cancel()
      state.retry = undefined
      state.retryMs = 0
      state.failure = undefined
    },
    takeRejected: () => {
      const entries: Encoded[] = []
      const removed: string[] = []
      for (const name of state.rejected) {
        const owner = owners.get(name)
        const encoded = owner === undefined ? undefined : known.get(owner)
        // what is dirty goes by itself with its new value
        if (owner !== undefined && dirty.has(owner)) continue
        if (encoded) entries.push(encoded)
        else removed.push(name)
      }
      return entries.length + removed.length === 0 ? undefined : { entries, removed }
    },
  }
  return state
}

function keyOf(type: string, key: string): ResourceKey {
  const slash = key.indexOf('/')
  return { type, mesh: key.slice(0, slash), name: key.slice(slash + 1) }
}
