// What one proxy asked for, was sent and accepted, for one resource type. Pure state: no clock, no I/O, no knowledge of other types.
// Every decision is a difference between what should be and what the proxy ACKed, so nothing is lost by skipping or delaying a turn.
import type { EncodedResource, ResourceCell, XdsType } from './contract.ts'
import { SparseMap, SparseSet } from './sparse.ts'
import { isWildcardType } from './type-urls.ts'

/** A version the proxy holds. After a reconnect only its hash is known until the proxy accepts something newer. */
export type HeldResource = Pick<EncodedResource, 'version' | 'needs' | 'address'>

/** A version that was sent under its name. */
export type SentResource = HeldResource & Pick<EncodedResource, 'name'>

/** What has to happen to a name: nothing, send it, take it away, or say that it does not exist. */
export type Verdict = 'none' | 'send' | 'remove' | 'absent'

/** A response that was sent and neither ACKed nor NACKed yet. */
export interface SentResponse {
  readonly nonce: string
  readonly sentAt: number
  readonly updates: readonly SentResource[]
  readonly removed: readonly string[]
  /** True when it repeats resources of a NACKed response to find the one at fault. */
  readonly probe: boolean
}

export interface SubscriptionRequest {
  readonly subscribe: readonly string[]
  readonly unsubscribe: readonly string[]
  readonly initialVersions: ReadonlyMap<string, string>
}

/** What the proxy refused, after looking for the culprit. */
export interface Rejection {
  readonly response: SentResponse
  /** Names that are not sent again until their content changes. */
  readonly rejected: readonly string[]
}

export class Subscription {
  readonly type: XdsType
  wildcard = false
  /** Whether any request of this type arrived. */
  requested = false
  /** Whether any response was sent. */
  answered = false
  /** Names whose verdict may be other than `none`. */
  readonly dirty = new SparseSet<string>()
  readonly names = new Set<string>()
  readonly accepted = new Map<string, HeldResource>()
  /** Versions the proxy refused, by name. */
  readonly rejected = new SparseMap<string, string>()
  /** Sent in a NACKed response, so that it is not known whether the proxy runs it. */
  readonly uncertain = new SparseMap<string, HeldResource>()
  readonly outstanding = new SparseMap<string, SentResponse>()
  /** Names the proxy reported when it connected, until it accepts something newer under them. */
  readonly reported = new SparseSet<string>()
  /** Whether it reported any. */
  resumed = false
  /** How many uncertain resources a probe may hold. Halves with each NACK that names no culprit. */
  probeSize = Number.POSITIVE_INFINITY
  readonly #pending = new SparseMap<string, { readonly nonce: string; readonly held: HeldResource | undefined }>()
  readonly #forced = new SparseSet<string>()
  readonly #absent = new SparseSet<string>()
  /** Names to force as soon as the first request asks for them. */
  readonly #owed = new SparseSet<string>()

  constructor(type: XdsType) {
    this.type = type
  }

  /** Takes over what a request asks for. Returns false when that makes more than `maxNames` names. */
  request(request: SubscriptionRequest, maxNames: number): boolean {
    const first = !this.requested
    this.requested = true
    if (first) {
      for (const [name, version] of request.initialVersions) this.accepted.set(name, { version })
      if (request.subscribe.length === 0 && isWildcardType(this.type)) this.wildcard = true
    }
    for (const name of request.subscribe) {
      if (name === '*') {
        this.wildcard = true
        continue
      }
      this.names.add(name)
      this.#absent.delete(name)
      // a client that asks again for what it has must get it again; after a reconnect it says which version it has
      if (!(first && request.initialVersions.has(name)) || this.#owed.has(name)) this.#forced.add(name)
      this.dirty.add(name)
    }
    this.#owed.clear()
    for (const name of request.unsubscribe) {
      if (name === '*') this.wildcard = false
      this.names.delete(name)
      if (!this.wildcard) this.#forget(name)
    }
    if (first) {
      for (const name of this.accepted.keys()) {
        if (this.wants(name)) {
          this.dirty.add(name)
          this.reported.add(name)
        } else this.accepted.delete(name)
      }
      this.resumed = this.reported.size > 0
    }
    return this.names.size <= maxNames && this.accepted.size <= maxNames
  }

  wants(name: string): boolean {
    return this.wildcard || this.names.has(name)
  }

  /** Whether the proxy certainly runs some version and is not being told to drop it. */
  has(name: string): boolean {
    const pending = this.#pending.get(name)
    return this.accepted.has(name) && (pending === undefined || pending.held !== undefined)
  }

  /** Monotonic time at which the last unanswered response left, if there is one. */
  lastSentAt(): number | undefined {
    let last: number | undefined
    for (const response of this.outstanding.values()) last = response.sentAt
    return last
  }

  /** Every version of every resource that the proxy may be running. */
  *held(): Generator<readonly [name: string, held: HeldResource]> {
    yield* this.accepted
    yield* this.uncertain
    for (const response of this.outstanding.values()) for (const update of response.updates) yield [update.name, update]
  }

  /** Whether a response that looks for a culprit is unanswered. */
  isProbing(): boolean {
    for (const response of this.outstanding.values()) if (response.probe) return true
    return false
  }

  /** The proxy gets this name once more even though it did not change. */
  force(name: string): void {
    if (this.names.has(name)) {
      this.#forced.add(name)
      this.dirty.add(name)
    } else if (!this.requested) this.#owed.add(name)
  }

  /** Whether the name has to go now, whatever happened to it before. */
  isForced(name: string): boolean {
    return this.#forced.has(name)
  }

  verdict(name: string, target: EncodedResource | undefined): Verdict {
    const pending = this.#pending.get(name)
    if (target === undefined) {
      if (pending !== undefined) return pending.held === undefined ? 'none' : 'remove'
      if (this.accepted.has(name) || this.uncertain.has(name)) return 'remove'
      return this.names.has(name) && !this.#absent.has(name) ? 'absent' : 'none'
    }
    if (!this.wants(name)) return 'none'
    if (this.#forced.has(name)) return 'send'
    if (pending !== undefined) return pending.held?.version === target.version ? 'none' : 'send'
    if (this.rejected.get(name) === target.version) return 'none'
    if (this.uncertain.has(name)) return 'send'
    return this.accepted.get(name)?.version === target.version ? 'none' : 'send'
  }

  /** Notes that a response left with these updates and removals. */
  sent(response: SentResponse): void {
    this.answered = true
    this.outstanding.set(response.nonce, response)
    for (const held of response.updates) {
      const { name } = held
      this.#pending.set(name, { nonce: response.nonce, held })
      this.#forced.delete(name)
      this.#absent.delete(name)
      this.dirty.delete(name)
    }
    for (const name of response.removed) {
      this.#pending.set(name, { nonce: response.nonce, held: undefined })
      this.#forced.delete(name)
      this.dirty.delete(name)
    }
  }

  /** The proxy runs what the response holds. Undefined when no such response is outstanding. */
  acknowledge(nonce: string): SentResponse | undefined {
    const response = this.outstanding.get(nonce)
    if (response === undefined) return undefined
    this.outstanding.delete(nonce)
    for (const held of response.updates) {
      const { name } = held
      this.#settle(name, nonce)
      if (!this.wants(name)) continue
      this.reported.delete(name)
      this.accepted.set(name, held)
      this.#absent.delete(name)
      this.uncertain.delete(name)
      this.rejected.delete(name)
    }
    for (const name of response.removed) this.#removed(name, nonce)
    if (this.uncertain.size === 0) this.probeSize = Number.POSITIVE_INFINITY
    return response
  }

  /**
   * The proxy refused the response. What it holds is then unknown for the names in it, except that the culprit, once it is found, is
   * left alone until its content changes: by `text` naming it, or because the response held nothing else.
   */
  refuse(nonce: string, text: string): Rejection | undefined {
    const response = this.outstanding.get(nonce)
    if (response === undefined) return undefined
    this.outstanding.delete(nonce)
    for (const name of response.removed) this.#removed(name, nonce)
    const names = response.updates.map(({ name }) => name)
    const named = names.length === 1 ? names : names.filter((name) => isNamedIn(name, text))
    for (const held of response.updates) {
      const { name } = held
      this.#settle(name, nonce)
      if (!this.wants(name)) continue
      const before = this.uncertain.get(name)
      // a culprit was certainly not applied; of the others the proxy may run any version it was sent since its last ACK
      if (named.includes(name)) {
        this.rejected.set(name, held.version)
        this.uncertain.set(name, before ?? { version: held.version, needs: {} })
      } else this.uncertain.set(name, before === undefined ? held : eitherOf(before, held))
      this.dirty.add(name)
    }
    if (named.length === 0) this.probeSize = Math.max(1, Math.floor(names.length / 2))
    return { response, rejected: named }
  }

  /** Refused resources get another chance because something they may have depended on changed. */
  forgive(which: (name: string) => boolean = () => true): void {
    for (const name of this.rejected.keys()) {
      if (!which(name)) continue
      this.rejected.delete(name)
      this.dirty.add(name)
    }
  }

  /** Names the proxy may have that `snapshot` lacks, plus every name of `snapshot`: all that a new wildcard has to look at. */
  markAll(snapshot: ReadonlyMap<string, ResourceCell>): void {
    for (const name of snapshot.keys()) this.dirty.add(name)
    for (const name of this.accepted.keys()) this.dirty.add(name)
    for (const name of this.names) this.dirty.add(name)
  }

  #settle(name: string, nonce: string): void {
    if (this.#pending.get(name)?.nonce === nonce) this.#pending.delete(name)
  }

  #removed(name: string, nonce: string): void {
    this.#settle(name, nonce)
    this.reported.delete(name)
    this.accepted.delete(name)
    this.uncertain.delete(name)
    this.rejected.delete(name)
    if (this.names.has(name)) this.#absent.add(name)
  }

  #forget(name: string): void {
    this.#pending.delete(name)
    this.#forced.delete(name)
    this.#absent.delete(name)
    this.reported.delete(name)
    this.accepted.delete(name)
    this.uncertain.delete(name)
    this.rejected.delete(name)
    this.dirty.delete(name)
  }
}

/** Stands for two versions of which the proxy runs one. */
function eitherOf(a: HeldResource, b: HeldResource): HeldResource {
  const both = (x: readonly string[] = [], y: readonly string[] = []): readonly string[] => [...new Set([...x, ...y])]
  if (a.needs === undefined || b.needs === undefined) return { version: b.version }
  return {
    version: b.version,
    needs: {
      clusters: both(a.needs.clusters, b.needs.clusters),
      endpoints: both(a.needs.endpoints, b.needs.endpoints),
      secrets: both(a.needs.secrets, b.needs.secrets),
    },
  }
}

/** Envoy lists the culprits as `name: reason`. */
function isNamedIn(name: string, text: string): boolean {
  for (let at = text.indexOf(`${name}: `); at >= 0; at = text.indexOf(`${name}: `, at + 1)) {
    if (at === 0 || /[\s,;(]/.test(text.charAt(at - 1))) return true
  }
  return false
}
