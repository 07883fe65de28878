// The sending half of one sync stream: a delta server for one peer (contract/kds.md sections 5 and 9.6). Invariants: the first response of
// a type is complete; afterwards only what changed goes, the latest value of each key; one response per type is outstanding; nothing is
// written while the transport is full.
import { randomUUID } from 'node:crypto'
import { messageOf } from '@weft/foundation/errors'
import type { Timer } from '@weft/foundation/time'
import { nameKey, type Resource, type ResourceKey } from '@weft/resources'
import type { Change } from '@weft/store'
import { isAccepted, isQuiet, type PlannedResponse, type SendingType, sendingType } from './sending-type.ts'
import type { Encoded } from './outgoing.ts'
import { composeDelta, stillGone } from './compose-delta.ts'
import { type Ahead, encodeAhead } from './encode-ahead.ts'
import { planFirstList } from './first-list.ts'
import { type DigestTelling, tellDigests } from './tell-digests.ts'
import type { SenderOptions } from './sender-options.ts'
import type { SyncCursor } from './sync-journal.ts'
import { traceSent } from './sending-trace.ts'
import { sizeOf, type TypeSize } from './type-size.ts'
import { tellSize } from './tell-size.ts'
import { composeResponse, type DeltaRequest } from './wire.ts'

const orderGraceMs = 250
const firstRetryMs = 5_000
const lastRetryMs = 300_000
const listingSlice = 256

/** The delta server of one stream. */
export class DeltaSender {
  readonly #options: SenderOptions
  readonly #types = new Map<string, SendingType>()
  readonly #ready = new Set<SendingType>()
  readonly #rank: ReadonlyMap<string, number>
  #scheduled = false
  #blocked = false
  #closed = false
  #ordered = true
  #orderTimer: Timer | undefined
  readonly #telling: DigestTelling | undefined
  readonly #ahead: Ahead

  constructor(options: SenderOptions) {
    this.#options = options
    this.#rank = new Map(options.outgoing.types.map((type, index) => [type, index]))
    this.#ahead = encodeAhead({ ...options, ready: (state) => this.#wake(state) })
    if (options.digests) this.#telling = tellDigests({ ...options, types: () => [...this.#types.values()], isQuiet })
  }

  /** Takes a subscribe, an ACK or a NACK; or that the peer asks again for a type, with what it holds. */
  request(request: DeltaRequest): void {
    const state = this.#types.get(request.type)
    if (state?.phase === 'live' && request.subscribes && request.nonce === '' && request.error === undefined) {
      state.resume = request.initialVersions
      state.phase = 'listing'
      this.#fallBehind(state, this.#options.store.seq)
      this.#startListing(state)
      return
    }
    if (!state) this.#subscribe(request)
    else if (state.pending && request.nonce === state.pending.nonce) this.#answered(state, request.error, request.initialVersions)
  }

  /** Looks again at these keys, because something their filter reads has changed. */
  mark(type: string, keys: readonly ResourceKey[]): void {
    const state = this.#types.get(type)
    if (!state || keys.length === 0) return
    this.#fallBehind(state, this.#options.store.seq)
    for (const key of keys) state.dirty.set(nameKey(key), key)
    this.#wake(state)
  }

  /** The transport takes bytes again. */
  drained(): void {
    this.#blocked = false
    this.#flush()
  }

  /** Every subscribed type is accepted in its present state. */
  get inSync(): boolean {
    return [...this.#types.values()].every(isAccepted)
  }

  /** Types that are near the limit of a message, or over it. */
  get sizes(): readonly TypeSize[] {
    return [...this.#types.values()].flatMap((state) => sizeOf(state, this.#options.chunked) ?? [])
  }

  /** How far the peer is. */
  get cursor(): SyncCursor {
    const head = this.#options.store.seq
    const late = [...this.#types.values()].filter((state) => !isAccepted(state))
    const since = Math.min(...late.map((state) => state.behindSince ?? Number.POSITIVE_INFINITY))
    return {
      head,
      accepted: Math.min(head, ...late.map((state) => state.acceptedSeq)),
      lagMs: since === Number.POSITIVE_INFINITY ? 0 : Math.max(0, this.#options.clock.monotonic() - since),
    }
  }

  close(): void {
    this.#closed = true
    this.#orderTimer?.cancel()
    this.#telling?.close()
    this.#ahead.close()
    for (const state of this.#types.values()) {
      state.unsubscribe()
      state.retry?.cancel()
      state.pacing?.cancel()
    }
  }

  #subscribe(request: DeltaRequest): void {
    const { type } = request
    const state = sendingType(type, { resume: request.initialVersions, quarantine: this.#options.quarantine })
    this.#types.set(type, state)
    this.#fallBehind(state, 0)
    if (this.#rank.has(type)) state.unsubscribe = this.#options.feed.on(type, (changes) => this.#changed(state, changes))
    this.#orderTimer ??= this.#options.clock.after(orderGraceMs, () => {
      this.#ordered = false
      for (const waiting of this.#types.values()) if (waiting.phase === 'waiting') this.#ready.add(waiting)
      this.#flush()
    })
    this.#ready.add(state)
    // subscribes arrive in any order but close together: look at all that came in this turn before answering
    setImmediate(() => this.#flush())
  }

  #changed(state: SendingType, changes: readonly Change[]): void {
    if (state.phase === 'waiting') return
    this.#fallBehind(state, (changes[0]?.seq ?? 1) - 1)
    for (const { key, before } of changes) {
      state.dirty.set(nameKey(key), key)
      // the log of changes keeps values for minutes, and with them all that hangs on them
      if (before) this.#options.outgoing.forget(before)
    }
    this.#wake(state)
  }

  /** The peer has everything of a type up to `accepted`, but not what comes now. */
  #fallBehind(state: SendingType, accepted: number): void {
    if (state.behindSince !== undefined) return
    state.behindSince = this.#options.clock.monotonic()
    state.acceptedSeq = accepted
  }

  #wake(state: SendingType): void {
    this.#ready.add(state)
    if (this.#scheduled) return
    this.#scheduled = true
    // generators complete what they just created in the same turn: both values go as one
    setImmediate(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#closed) return
    const ready = [...this.#ready].sort((a, b) => this.#rankOf(a) - this.#rankOf(b))
    for (const state of ready) {
      if (this.#blocked || this.#closed) return
      if (this.#advance(state)) this.#ready.delete(state)
    }
  }

  #rankOf(state: SendingType): number {
    return this.#rank.get(state.type) ?? this.#rank.size
  }

  /** Does what can be done for a type now. False: it stays ready, waiting for its turn. */
  #advance(state: SendingType): boolean {
    if (state.phase === 'waiting') {
      if (this.#mustWait(state.type)) return false
      state.phase = 'listing'
      this.#startListing(state)
    }
    if (state.phase === 'withheld' && state.dirty.size > 0) this.#reconsider(state)
    if (state.phase === 'live' && !state.pending && !this.#mustPace(state) && this.#ahead.isReady(state)) this.#sendNext(state)
    return true
  }

  /** A delta that would follow the last one too closely is looked at again when it may go. */
  #mustPace(state: SendingType): boolean {
    const waitMs = state.notBefore - this.#options.clock.monotonic()
    if (waitMs <= 0 || state.queue.length > 0 || state.dirty.size === 0) return false
    state.pacing ??= this.#options.clock.after(waitMs, () => {
      state.pacing = undefined
      this.#wake(state)
    })
    return true
  }

  #mustWait(type: string): boolean {
    const before = this.#options.outgoing.after(type)
    if (!this.#ordered || before === undefined) return false
    return !this.#types.get(before)?.listed
  }

  #startListing(state: SendingType): void {
    const resources = this.#rank.has(state.type) ? this.#options.store.list(state.type) : []
    this.#listSlice(state, { resources, from: 0, entries: [] })
  }

  /** Encodes a slice of the first list; the next one after other events had their turn. */
  #listSlice(
    state: SendingType,
    listing: { readonly resources: readonly Resource[]; readonly from: number; readonly entries: Encoded[] },
  ): void {
    if (this.#closed) return
    const { resources, from, entries } = listing
    for (const resource of resources.slice(from, from + listingSlice)) {
      const encoded = this.#options.outgoing.encode(resource)
      if (encoded && state.claim(nameKey(resource), encoded)) entries.push(encoded)
    }
    const next = from + listingSlice
    if (next < resources.length) {
      setImmediate(() => this.#listSlice(state, { resources, from: next, entries }))
      return
    }
    this.#listComplete(state, entries)
  }

  #listComplete(state: SendingType, entries: readonly Encoded[]): void {
    const { responses, recalledGone } = planFirstList({
      entries,
      resume: state.resume,
      chunked: this.#options.chunked,
      digest: state.digest,
    })
    state.resume = new Map()
    state.isListCarried = true
    this.#removeLater(state, recalledGone)
    if (responses) {
      state.queue.push(...responses)
      state.phase = 'live'
    } else {
      state.phase = 'withheld'
      // other types must not wait for one that does not come
      state.listed = true
    }
    tellSize(state, this.#options)
    this.#ready.add(state)
    this.#flush()
  }

  /** A list that was too large goes once it fits; until then the peer keeps what it has. */
  #reconsider(state: SendingType): void {
    const { outgoing, store } = this.#options
    for (const [key, { mesh, name }] of state.dirty) {
      const resource = store.get({ type: state.type, mesh, name })
      state.replace(key, resource && outgoing.encode(resource))
    }
    state.dirty.clear()
    const { responses } = planFirstList({ entries: [...state.entries()], resume: new Map(), chunked: false, digest: state.digest })
    if (!responses) return
    this.#options.log.info({ type: state.type, bytes: state.bytes, count: state.count }, 'kds list fits again and is sent')
    state.queue.push(...responses)
    state.phase = 'live'
  }

  /** What the peer has of an earlier life of this side, once it is certain that it will not come back. */
  #removeLater(state: SendingType, names: readonly string[]): void {
    if (names.length === 0) return
    void this.#options.recovered?.then(() => {
      const gone = stillGone(state, names, this.#options)
      if (this.#closed || gone.length === 0) return
      state.queue.push({ entries: [], removed: gone, partial: false })
      this.#wake(state)
    })
  }

  #sendNext(state: SendingType): void {
    const planned = state.queue.shift()
    // it may have waited for an answer, and things come back meanwhile
    const next = planned ? { ...planned, removed: stillGone(state, planned.removed, this.#options) } : this.#composeDelta(state)
    const { clock, store, trace, positions } = this.#options
    const position = state.queue.length === 0 && state.dirty.size === 0 ? store.seq : undefined
    if (position !== undefined) traceSent(trace, state, position)
    if (!next) {
      if (isAccepted(state)) state.behindSince = undefined
      return
    }
    const nonce = randomUUID()
    state.pending = {
      nonce,
      response: next,
      seq: position ?? state.acceptedSeq,
      at: position === undefined ? state.behindSince : clock.monotonic(),
      position,
    }
    if (state.queue.length === 0) state.listed = true
    state.notBefore = clock.monotonic() + (this.#options.paceMs?.(state.type) ?? 0)
    const bytes = composeResponse({
      type: state.type,
      nonce,
      sender: this.#options.identifier,
      frames: next.entries.map((entry) => entry.frame),
      removed: next.removed,
      partial: next.partial,
      same: next.same ?? false,
      position: positions ? position : undefined,
    })
    this.#options.count(state.type, 'sent')
    this.#options.reader.asked(state.type, bytes.length)
    this.#options.log.debug(
      { type: state.type, count: next.entries.length, removed: next.removed.length, bytes: bytes.length },
      'kds response sent',
    )
    if (!this.#options.write(bytes)) this.#blocked = true
  }

  #composeDelta(state: SendingType): PlannedResponse | undefined {
    const isOpen = state.carried.size > 0
    const delta = composeDelta(state, this.#options)
    if (state.dirty.size > 0) this.#ready.add(state)
    tellSize(state, this.#options)
    // what was cut off turned out to be nothing: the peer still learns that it has all
    return delta ?? (isOpen && this.#options.positions ? { entries: [], removed: [], partial: false } : undefined)
  }

  #answered(state: SendingType, failure: string | undefined, reasons: ReadonlyMap<string, string>): void {
    const { response, seq, at, position } = state.pending ?? {}
    this.#options.reader.answered(state.type)
    state.pending = undefined
    if (failure === undefined) {
      this.#options.count(state.type, 'acknowledged')
      if (response) state.accepted(response)
      if (isAccepted(state)) state.behindSince = undefined
      else if (state.rejected.size === 0) {
        state.acceptedSeq = seq ?? state.acceptedSeq
        state.behindSince = at
      }
    } else {
      this.#options.count(state.type, 'rejected', failure)
      if (response) this.#rejected(state, response, { failure, reasons })
    }
    if (position !== undefined) this.#options.trace?.answered(state.type, { upTo: position, isRefused: (key) => state.refuses(key) })
    this.#ready.add(state)
    this.#flush()
    this.#telling?.quiet()
  }

  #rejected(
    state: SendingType,
    response: PlannedResponse,
    { failure, reasons }: { readonly failure: string; readonly reasons: ReadonlyMap<string, string> },
  ): void {
    state.refused(response, failure, reasons)
    state.retryMs = state.retryMs === 0 ? firstRetryMs : Math.min(state.retryMs * 2, lastRetryMs)
    const fields = { type: state.type, reason: failure.slice(0, 1000), retryMs: state.retryMs }
    if (failure === state.failure) this.#options.log.debug(fields, 'kds response rejected again')
    else this.#options.log.warn(fields, 'kds response rejected')
    state.failure = failure
    state.retry?.cancel()
    state.retry = this.#options.clock.after(state.retryMs, () => this.#retry(state))
  }

  /** Sends again what was rejected and has not changed since. */
  #retry(state: SendingType): void {
    try {
      state.queue.push(...state.takeRejected())
      this.#ready.add(state)
      this.#flush()
    } catch (error) {
      this.#options.log.error({ type: state.type, err: messageOf(error) }, 'kds retry failed')
    }
  }
}
