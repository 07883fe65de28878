// What one stream knows about one type it sends: what the peer has or is about to get, what waits, what was rejected. Pure bookkeeping.
import type { Timer } from '@weft/foundation/time'
import type { ResourceKey } from '@weft/resources'
import { inChunks } from './chunks.ts'
import { createDigest, type DigestPart, digestPart } from './digest.ts'
import { splitWireName } from './incoming.ts'
import type { Encoded } from './outgoing.ts'
import type { Quarantine } from './quarantine.ts'
import { type TypeSize, withoutTooLarge } from './type-size.ts'

/** A response that is ready to go. */
export interface PlannedResponse {
  readonly entries: readonly Encoded[]
  readonly removed: readonly string[]
  /** More of the same first list follows. */
  readonly partial: boolean
  /** A first list that is what the peer offered by digest. */
  readonly same?: boolean
}

/** State of one type on one stream. */
export interface SendingType {
  readonly type: string
  /** waiting: for its turn. listing: the first list is being encoded. live: deltas. withheld: the first list does not fit. */
  phase: 'waiting' | 'listing' | 'live' | 'withheld'
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
        /** The peer has everything up to here once it acknowledges, and lacks what comes later since `at`. */
        readonly seq: number
        readonly at: number | undefined
        /** The response completes the type up to this change. */
        readonly position: number | undefined
      }
    | undefined
  /** The peer has everything of this type up to here, in sequence numbers of the store; means something only while `behindSince` does. */
  acceptedSeq: number
  /** Since when the peer lacks something, monotonic ms; undefined when it has everything. */
  behindSince: number | undefined
  /** Wire names that the peer refuses. True: this very one; false: one or more of those that came with it. */
  readonly rejected: Map<string, boolean>
  retry: Timer | undefined
  /** Last back-off; 0 when nothing is rejected. */
  retryMs: number
  /** Text of the last NACK; undefined when nothing is rejected. */
  failure: string | undefined
  /** When deltas of a paced type may follow, monotonic ms; and the timer that waits for it. */
  notBefore: number
  pacing: Timer | undefined
  /** Keys (`mesh/name`) that were sent since the peer was last complete, and whether a list was. */
  readonly carried: Set<string>
  isListCarried: boolean
  unsubscribe: () => void
  /** Takes a wire name for a key. False when another key has it: the first one keeps it. */
  claim(key: string, encoded: Encoded): boolean
  /** Notes the new value of a key and tells what the peer has to learn. */
  replace(key: string, encoded: Encoded | undefined): { readonly entry?: Encoded; readonly removed?: string }
  accepted(response: PlannedResponse): void
  /** The peer refuses the resources that `reasons` names, or some of the response when it names none. */
  refused(response: PlannedResponse, failure: string, reasons: ReadonlyMap<string, string>): void
  /** A live resource goes under this wire name. */
  has(name: string): boolean
  /** The peer has the resource under this key, or is about to get it. */
  knows(key: string): boolean
  /** The peer refuses the present value of a key. */
  refuses(key: string): boolean
  /**
   * The rejected names as responses to try again: present values, or removals. Those of which it is not known which one the peer refuses go
   * in two halves, so that it becomes known.
   */
  takeRejected(): readonly PlannedResponse[]
  /** Of what the peer has, without what it refuses. */
  digest(): string
  /** Bytes and number of what the peer has or is about to get. */
  readonly bytes: number
  readonly count: number
  readonly isWithheld: boolean
  entries(): Iterable<Encoded>
  /** The state of the size that was logged last. */
  sizeTold: TypeSize['state'] | undefined
}

/** The state of a type at its subscription. */
export function sendingType(
  type: string,
  { resume, quarantine }: { readonly resume: ReadonlyMap<string, string>; readonly quarantine?: Quarantine | undefined },
): SendingType {
  // what an earlier stream was told does not count for this one
  quarantine?.keepOnly(type, new Set())
  const known = new Map<string, Encoded>()
  let bytes = 0
  const digest = createDigest()
  /** Which key a wire name stands for: display names may coincide, and two keys must not fight over one name. */
  const owners = new Map<string, string>()
  const dirty = new Map<string, ResourceKey>()
  /** Keys whose wire name is taken, to look at again when it is free. */
  const displaced = new Map<string, ResourceKey>()

  const forget = (key: string): string | undefined => {
    const before = known.get(key)
    if (!before) return undefined
    known.delete(key)
    bytes -= before.frame.length
    digest.remove(partOf(before))
    owners.delete(before.name)
    for (const [other, resource] of displaced) dirty.set(other, resource)
    displaced.clear()
    return before.name
  }
  const keep = (key: string, encoded: Encoded): void => {
    const before = known.get(key)
    if (before === encoded) return
    if (before) digest.remove(partOf(before))
    digest.add(partOf(encoded))
    bytes += encoded.frame.length - (before?.frame.length ?? 0)
    known.set(key, encoded)
  }
  const claim = (key: string, encoded: Encoded): boolean => {
    const owner = owners.get(encoded.name)
    if (owner !== undefined && owner !== key) {
      displaced.set(key, keyOf(type, key))
      return false
    }
    owners.set(encoded.name, key)
    keep(key, encoded)
    return true
  }

  const settle = (name: string): void => {
    if (state.rejected.delete(name)) quarantine?.release(type, name)
  }
  const refuse = (name: string, reason: string, certain: boolean): void => {
    state.rejected.set(name, certain)
    const owner = owners.get(name)
    const key = owner === undefined ? splitWireName(type, name) : keyOf(type, owner)
    quarantine?.add({ ...key, wireName: name, reason, certain })
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
    rejected: new Map(),
    retry: undefined,
    retryMs: 0,
    failure: undefined,
    notBefore: 0,
    pacing: undefined,
    carried: new Set(),
    isListCarried: false,
    unsubscribe: () => {},
    claim,
    has: (name) => owners.has(name),
    knows: (key) => known.has(key),
    refuses: (key) => state.rejected.size > 0 && state.rejected.has(known.get(key)?.name ?? ''),
    replace: (key, encoded) => {
      const before = known.get(key)
      if (!encoded) {
        displaced.delete(key)
        const removed = forget(key)
        return removed === undefined ? {} : { removed }
      }
      if (before?.name === encoded.name) {
        keep(key, encoded)
        return before.version === encoded.version ? {} : { entry: encoded }
      }
      const removed = forget(key)
      return { ...(claim(key, encoded) ? { entry: encoded } : {}), ...(removed === undefined ? {} : { removed }) }
    },
    accepted: (response) => {
      for (const name of namesOf(response)) settle(name)
      if (state.rejected.size > 0) return
      state.retry?.cancel()
      state.retry = undefined
      state.retryMs = 0
      state.failure = undefined
    },
    refused: (response, failure, reasons) => {
      const names = namesOf(response)
      const isNamed = reasons.size > 0
      for (const name of names) {
        const reason = isNamed ? reasons.get(name) : failure
        if (reason === undefined) settle(name)
        else refuse(name, reason, isNamed || names.length === 1)
      }
    },
    takeRejected: () => {
      const again = (isCertain: boolean): PlannedResponse => {
        const entries: Encoded[] = []
        const removed: string[] = []
        for (const [name, certain] of state.rejected) {
          const owner = owners.get(name)
          const encoded = owner === undefined ? undefined : known.get(owner)
          // what is dirty goes by itself with its new value
          if (certain !== isCertain || (owner !== undefined && dirty.has(owner))) continue
          if (encoded) entries.push(encoded)
          else removed.push(name)
        }
        return { entries, removed, partial: false }
      }
      return [...inParts(again(true)), ...inHalves(again(false)).flatMap(inParts)]
    },
    digest: () => {
      const refused = [...state.rejected.keys()].flatMap((name) => known.get(owners.get(name) ?? '') ?? [])
      return digest.text(refused.map(partOf))
    },
    get bytes() {
      return bytes
    },
    get count() {
      return known.size
    },
    get isWithheld() {
      return state.phase === 'withheld'
    },
    entries: () => known.values(),
    sizeTold: undefined,
  }
  return state
}

function keyOf(type: string, key: string): ResourceKey {
  const slash = key.indexOf('/')
  return { type, mesh: key.slice(0, slash), name: key.slice(slash + 1) }
}

/** Nothing of a type is on its way or waits. */
export function isQuiet(state: SendingType): boolean {
  return state.phase === 'live' && !state.pending && state.queue.length === 0 && state.dirty.size === 0
}

/** The peer has what there is of a type. */
export function isAccepted(state: SendingType): boolean {
  return isQuiet(state) && state.rejected.size === 0
}

const parts = new WeakMap<Encoded, DigestPart>()

/** Shared by all streams that send the resource. */
function partOf(encoded: Encoded): DigestPart {
  let part = parts.get(encoded)
  if (!part) parts.set(encoded, (part = digestPart(encoded.name, encoded.version)))
  return part
}

function namesOf({ entries, removed }: PlannedResponse): readonly string[] {
  return [...entries.map((entry) => entry.name), ...removed]
}

/** A response of any size as responses that may be sent; none when there is nothing to say. */
function inParts({ entries, removed }: PlannedResponse): readonly PlannedResponse[] {
  if (entries.length + removed.length === 0) return []
  return inChunks(withoutTooLarge(entries)).map((chunk, index) => ({ entries: chunk, removed: index === 0 ? removed : [], partial: false }))
}

function inHalves({ entries, removed, partial }: PlannedResponse): readonly PlannedResponse[] {
  const [a, b] = [Math.ceil(entries.length / 2), Math.ceil(removed.length / 2)]
  return [
    { entries: entries.slice(0, a), removed: removed.slice(b), partial },
    { entries: entries.slice(a), removed: removed.slice(0, b), partial },
  ]
}
