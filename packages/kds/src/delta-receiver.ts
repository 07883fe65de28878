// The receiving half of one sync stream: a delta client that subscribes, applies and answers (contract/kds.md sections 5 and 9.6). Reading
// never waits for writing: types are applied independently, in order within a type. Deleting what a first list lacks needs a known
// incarnation of the origin; until then it waits.
import { AppError, messageOf } from '@weft/foundation/errors'
import { nameKey, type ResourceDescriptor, type ResourceKey } from '@weft/resources'
import { decodeIncoming } from './decode-incoming.ts'
import { createDigest, digestPart, digestsType } from './digest.ts'
import type { DeletionSource } from './explained-deletions.ts'
import { digestOffer, recalledVersion } from './features.ts'
import { followHoldings, type Holdings, noteApplied } from './holdings.ts'
import { describeFailure, type RefusedResource, splitWireName, writeClassOf } from './incoming.ts'
import { reconcile, type ReconcileOptions } from './reconcile.ts'
import type { ReceiverOptions } from './receiver-options.ts'
import { type DeltaResponse, decodeResponse, encodeRequest } from './wire.ts'

export type { AcceptedVersions, ReceiverOptions } from './receiver-options.ts'

interface ReceivingType {
  readonly kind: ResourceDescriptor
  readonly accepted: Map<string, string>
  resumed: boolean
  /** What is held, offered as a digest. */
  readonly offer: string | undefined
  holdings: Holdings | undefined
  /** The whole first list has come. */
  complete: boolean
  /** What the first list has, sent now or known from before. Kept until it is settled what is missing. */
  listed: Map<string, ResourceKey> | undefined
  /** Resumed: what the first response calls gone; kept until settled. */
  gone: ResourceKey[]
  /** Wire names that were refused out of the first list. */
  readonly refusedFirst: Set<string>
  tail: Promise<void>
}

const maxQueued = 64
/** Fewer versions are simply named. */
const offeredFrom = 200
const maxFailureText = 8 * 1024
const maxReasonText = 1024

/** The delta client of one stream. */
export class DeltaReceiver {
  readonly #options: ReceiverOptions
  readonly #types = new Map<string, ReceivingType>()
  readonly #abort = new AbortController()
  #queued = 0
  #paused = false
  #incarnation: string | undefined
  #admitted = false

  constructor(options: ReceiverOptions) {
    this.#options = options
    for (const type of options.incoming.types) {
      const kind = options.registry.get(type)
      if (!kind) continue
      const accepted = new Map(options.resume ? this.#stillStored(kind, options.accepted.get(type)) : [])
      options.accepted.set(type, accepted)
      const offer = options.offersDigest && !options.recall && accepted.size >= offeredFrom ? offerOf(accepted) : undefined
      this.#types.set(type, {
        kind,
        accepted,
        resumed: accepted.size > 0 && offer === undefined,
        offer,
        holdings: undefined,
        complete: false,
        listed: offer === undefined ? this.#keysOf(type, accepted) : new Map(),
        gone: [],
        refusedFirst: new Set(),
        tail: Promise.resolve(),
      })
    }
  }

  /** Subscribes to every type but those that were asked for on this stream already, for all of them there is. */
  start(asked: ReadonlySet<string> = new Set()): void {
    for (const [type, state] of this.#types) {
      if (asked.has(type)) continue
      const held = state.offer === undefined ? state.accepted : new Map([[digestOffer, state.offer]])
      const subscribe = new Map([...(this.#options.recall ? this.#recalled(state.kind) : []), ...held])
      this.#options.write(encodeRequest({ type, node: this.#options.node, subscribe }))
    }
  }

  /** Tells which incarnation of the origin is at the other end. Only the first call counts. */
  identified(incarnation: string): void {
    if (this.#incarnation !== undefined) return
    this.#incarnation = incarnation
    for (const [type, state] of this.#types) this.#enqueue(type, state, () => this.#settle(state))
  }

  /** Takes a message. Throws kds/bad-message when it is not a response. */
  receive(bytes: Uint8Array): void {
    const response = decodeResponse(bytes)
    this.#options.incoming.heard?.(response.sender)
    if (response.type === digestsType) return this.#compare(response)
    const state = this.#types.get(response.type)
    if (!state) {
      const isKnown = this.#options.other?.(response) ?? false
      this.#answer(response, isKnown ? undefined : `unknown type ${JSON.stringify(response.type.slice(0, 100))}`)
      return
    }
    this.#enqueue(response.type, state, () => this.#apply(state, response))
  }

  /** All of what was received so far is applied. */
  async idle(): Promise<void> {
    await Promise.all([...this.#types.values()].map((state) => state.tail))
  }

  close(): void {
    this.#abort.abort()
    for (const state of this.#types.values()) state.holdings?.close()
  }

  /** Digests follow what they speak of, so they are looked at once that is applied. */
  #compare({ resources }: DeltaResponse): void {
    for (const { name: type, version: digest } of resources) {
      const state = this.#types.get(type)
      if (state)
        this.#enqueue(type, state, async () => {
          const { holdings } = state
          if (!state.complete || state.listed || !holdings || holdings.digest() === digest) return
          this.#askAgain(state, holdings.versions())
        })
    }
  }

  /** A list of this type only, of what is lacking or too much here. */
  #askAgain(state: ReceivingType, versions: ReadonlyMap<string, string>): void {
    const { type } = state.kind
    this.#options.log.warn({ type, count: versions.size }, 'kds drift found; the type is asked for again')
    this.#options.drifted?.(type)
    state.complete = false
    state.resumed = versions.size > 0
    state.listed = this.#keysOf(type, versions)
    state.refusedFirst.clear()
    this.#options.write(encodeRequest({ type, node: { id: this.#options.node.id, metadata: undefined }, subscribe: versions }))
  }

  /** From the first complete list on. */
  #follow(state: ReceivingType): void {
    const { feed, store, incoming, ledger, quarantine } = this.#options
    const { kind } = state
    if (!feed || state.holdings || this.#abort.signal.aborted) return
    state.holdings = followHoldings({
      kind,
      store,
      feed,
      keepsOwnStatus: incoming.keepsOwnStatus,
      owns: (stored) => incoming.owns(kind, stored),
      accepted: (wireName) => state.accepted.get(wireName),
      isExcepted: (key, wireName) => ledger.isHeld(key) || (quarantine?.has(kind.type, wireName) ?? false),
    })
  }

  /** By their names here, which are wire names of own peers. Only what control planes write themselves: of what a person wished, an origin that lost it cannot know whether it is gone. */
  #recalled(kind: ResourceDescriptor): [string, string][] {
    return this.#options.store
      .list(kind.type)
      .filter((stored) => this.#options.incoming.owns(kind, stored) && writeClassOf(kind.type, stored.labels) === 'observed')
      .map(({ name, mesh }) => [`${name}.${mesh}`, recalledVersion])
  }

  /** Resuming must not hide that a copy was lost here. */
  #stillStored(kind: ResourceDescriptor, accepted: ReadonlyMap<string, string> = new Map()): [string, string][] {
    const { incoming, store } = this.#options
    return [...accepted].filter(([wireName]) => {
      const key = this.#storedKey(kind.type, wireName)
      const stored = store.get(key)
      return stored !== undefined && incoming.owns(kind, stored)
    })
  }

  #keysOf(type: string, versions: ReadonlyMap<string, string>): Map<string, ResourceKey> {
    return new Map([...versions.keys()].map((name) => this.#storedKey(type, name)).map((key) => [nameKey(key), key]))
  }

  #storedKey(type: string, wireName: string): ResourceKey {
    const key = splitWireName(type, wireName)
    return { ...key, name: this.#options.incoming.storedName(key.name) }
  }

  #enqueue(type: string, state: ReceivingType, work: () => Promise<void>): void {
    this.#queued++
    if (this.#queued > maxQueued && !this.#paused) {
      this.#paused = true
      this.#options.pause()
    }
    state.tail = state.tail
      .then(() => (this.#abort.signal.aborted ? undefined : work()))
      .catch((error: unknown) => this.#failed(type, error))
      .finally(() => {
        this.#queued--
        if (this.#paused && this.#queued <= maxQueued / 2) {
          this.#paused = false
          this.#options.proceed()
        }
      })
  }

  #failed(type: string, error: unknown): void {
    if (this.#abort.signal.aborted) return
    this.#options.log.error({ type, err: messageOf(error) }, 'kds apply failed')
    this.#options.fail(
      error instanceof AppError
        ? error
        : new AppError('kds/bad-message', `${type} cannot be applied: ${messageOf(error)}`, { cause: error }),
    )
  }

  async #apply(state: ReceivingType, response: DeltaResponse): Promise<void> {
    const { clock, log } = this.#options
    const startedAt = clock.monotonic()
    const decoded = await decodeIncoming(response.resources, { kind: state.kind, incoming: this.#options.incoming })
    if (this.#abort.signal.aborted) return
    const received = new Map(decoded.keys.map((key) => [nameKey(key), key]))
    const removed = response.removed.map((name) => this.#storedKey(state.kind.type, name)).filter((key) => !received.has(nameKey(key)))
    const isFirst = !state.complete
    // what a resumed list calls gone may be gone only from another incarnation
    const gone = isFirst && state.resumed ? [] : removed.filter((key) => this.#owned(state.kind, key))
    for (const key of removed) this.#notOwned(state.kind, key)
    if (isFirst && state.resumed) state.gone.push(...removed)
    else this.#options.deleting?.(gone)
    const deletable = await this.#withoutHeld(state.kind, gone, isFirst ? 'list' : 'live')
    if (isFirst && response.same) state.listed = this.#keysOf(state.kind.type, state.accepted)
    for (const [name, key] of received) state.listed?.set(name, key)
    for (const key of removed) state.listed?.delete(nameKey(key))
    const reconciled = await reconcile(decoded.resources, deletable, this.#reconciling(state.kind))
    const names = this.#wireNames(state.kind.type, response)
    const refused = [
      ...decoded.refused,
      ...reconciled.refused.map(({ key, reason }) => ({ key, reason, wireName: names.get(nameKey(key)) ?? `${key.name}.${key.mesh}` })),
    ]
    this.#remember(state, response, refused)
    await this.#options.ledger.release([...decoded.keys, ...deletable])
    if (isFirst) for (const { wireName } of refused) state.refusedFirst.add(wireName)
    if (isFirst && !response.partial) {
      state.complete = true
      this.#options.quarantine?.keepOnly(state.kind.type, state.refusedFirst)
      await this.#settle(state)
      this.#follow(state)
      this.#options.listed?.(state.kind.type)
    }
    const problems = refused.map(describeFailure)
    const ms = clock.monotonic() - startedAt
    log.debug(
      { type: state.kind.type, count: response.resources.length, removed: removed.length, ms: Math.round(ms) },
      'kds response applied',
    )
    if (problems.length > 0) log.warn({ type: state.kind.type, reason: problems.join('\n').slice(0, 2000) }, 'kds resources refused')
    if (this.#abort.signal.aborted) return
    const { position } = response
    const deleted = position === undefined ? [] : deletable.map((key) => [nameKey(key), position] as const)
    this.#options.arrived?.(state.kind.type, { position, origins: new Map([...decoded.origins, ...deleted]) })
    this.#answer(response, problems.length === 0 ? undefined : problems.join('\n'), refused)
    this.#options.applied?.(state.kind.type, { ms, refused: problems.length })
  }

  /** Deletes what the complete first list lacks, once it is known that the list is evidence. */
  async #settle(state: ReceivingType): Promise<void> {
    const { ledger, log } = this.#options
    if (!state.complete || !state.listed || this.#incarnation === undefined) return
    await this.#admit(this.#incarnation)
    const { listed, gone } = state
    state.listed = undefined
    state.gone = []
    await ledger.release([...listed.values()])
    const owned = this.#ownedOf(state.kind)
    // resumed: the origin names what is gone, so there is nothing to guess
    const missing = state.resumed ? gone.filter((key) => this.#owned(state.kind, key)) : owned.filter((key) => !listed.has(nameKey(key)))
    const vanished = missing.filter((key) => !ledger.isHeld(key))
    if (vanished.length === 0) return
    const deletable = await this.#withoutHeld(state.kind, vanished, 'list')
    if (deletable.length === 0) return
    log.info({ type: state.kind.type, count: deletable.length }, 'kds resources vanished from the first list')
    await reconcile([], deletable, this.#reconciling(state.kind))
  }

  /** Those that may be deleted now; the others are held. */
  async #withoutHeld(kind: ResourceDescriptor, keys: readonly ResourceKey[], source: DeletionSource): Promise<readonly ResourceKey[]> {
    const { ledger, guard, log, store, explain, clock, incoming } = this.#options
    if (keys.length <= guard.atATime) return keys
    const unexplained = keys.filter((key) => {
      const stored = store.get(key)
      return stored !== undefined && !explain?.(stored, source) && !ledger.isHeld(key)
    })
    const owned = this.#ownedOf(kind).filter((key) => !ledger.isHeld(key)).length
    const attempt = { type: kind.type, count: unexplained.length, owned, now: clock.monotonic() }
    if (ledger.deletions.admits(attempt, guard)) return keys
    log.warn({ type: kind.type, count: unexplained.length, of: owned, origin: incoming.actor }, 'kds mass deletion held')
    await ledger.hold(unexplained, 'mass-deletion')
    const held = new Set(unexplained.map(nameKey))
    return keys.filter((key) => !held.has(nameKey(key)))
  }

  async #admit(incarnation: string): Promise<void> {
    if (this.#admitted) return
    this.#admitted = true
    // what was listed on this very stream belongs to the new incarnation already
    const fresh = new Set<string>()
    for (const state of this.#types.values()) {
      if (state.complete) for (const name of state.listed?.keys() ?? []) fresh.add(`${state.kind.type}/${name}`)
    }
    const owned = (): ResourceKey[] =>
      [...this.#types.values()].flatMap((state) => this.#ownedOf(state.kind).filter((key) => !fresh.has(`${key.type}/${nameKey(key)}`)))
    await this.#options.ledger.admit(incarnation, owned)
  }

  #reconciling(kind: ResourceDescriptor): ReconcileOptions {
    const { store, clock, incoming } = this.#options
    return { store, clock, incoming, kind, signal: this.#abort.signal }
  }

  #owned(kind: ResourceDescriptor, key: ResourceKey): boolean {
    const stored = this.#options.store.get(key)
    return stored !== undefined && this.#options.incoming.owns(kind, stored)
  }

  /** The removal of what is someone else's does nothing. */
  #notOwned(kind: ResourceDescriptor, key: ResourceKey): void {
    const stored = this.#options.store.get(key)
    if (stored && !this.#options.incoming.owns(kind, stored)) this.#options.incoming.trespassed?.(stored, 'delete')
  }

  #ownedOf(kind: ResourceDescriptor): ResourceKey[] {
    return this.#options.store
      .list(kind.type)
      .filter((stored) => this.#options.incoming.owns(kind, stored))
      .map(({ type, mesh, name }) => ({ type, mesh, name }))
  }

  /** The names of a response by the keys under which its resources are stored. */
  #wireNames(type: string, response: DeltaResponse): ReadonlyMap<string, string> {
    const names = [...response.removed, ...response.resources.map(({ name }) => name)]
    return new Map(names.map((name) => [nameKey(this.#storedKey(type, name)), name]))
  }

  #remember(state: ReceivingType, response: DeltaResponse, refused: readonly RefusedResource[]): void {
    const { quarantine } = this.#options
    const { type } = state.kind
    const bad = new Set(refused.map(({ wireName }) => wireName))
    for (const name of response.removed) {
      state.accepted.delete(name)
      if (!bad.has(name)) quarantine?.release(type, name)
    }
    for (const { name, version } of response.resources) {
      if (bad.has(name)) state.accepted.delete(name)
      else {
        state.accepted.set(name, version)
        noteApplied(this.#options.store.get(this.#storedKey(type, name)), version)
        quarantine?.release(type, name)
      }
    }
    for (const { key, wireName, reason } of refused) quarantine?.add({ ...key, wireName, reason, certain: true })
    state.holdings?.touch([...response.removed, ...response.resources.map(({ name }) => name)].map((name) => this.#storedKey(type, name)))
  }

  #answer(response: DeltaResponse, failure: string | undefined, refused: readonly RefusedResource[] = []): void {
    const isNamed = failure !== undefined && refused.length > 0 && (this.#options.namesRefusals?.() ?? false)
    const refusals = isNamed ? new Map(refused.map(({ wireName, reason }) => [wireName, reason.slice(0, maxReasonText)])) : undefined
    this.#options.write(
      encodeRequest({
        type: response.type,
        node: { id: this.#options.node.id, metadata: undefined },
        nonce: response.nonce,
        error: failure?.slice(0, maxFailureText),
        ...(refusals ? { refusals } : {}),
      }),
    )
  }
}

function offerOf(accepted: ReadonlyMap<string, string>): string {
  const digest = createDigest()
  for (const [name, version] of accepted) digest.add(digestPart(name, version))
  return digest.text()
}
