// What one turn of a stream sends: the difference between the snapshot and what the proxy ACKed, as far as the order of make before break
// allows now. Whatever has to wait stays dirty; what it waits for leads to another turn.
import type { Clock } from '@weft/foundation/time'
import type { EncodedResource, ProxySnapshot, XdsType } from './contract.ts'
import type { Lane, Lanes } from './lane.ts'
import { endpointsOf, missingClusters, removableClusters, removableNames } from './make-before-break.ts'
import { chunkBySize, controlPlaneFrame, encodeResponse } from './response.ts'
import type { StreamEvents } from './stream-events.ts'
import type { StreamLimits } from './stream-limits.ts'
import { typeUrls } from './type-urls.ts'

export interface SenderOptions {
  readonly lanes: Lanes
  readonly limits: StreamLimits
  readonly clock: Clock
  readonly controlPlane: string
  readonly send: (response: Buffer) => boolean
  readonly events: () => StreamEvents
  /** Asks for another full turn after `ms`. */
  readonly wake: (ms: number) => void
}

export interface TurnScope {
  readonly snapshot: ProxySnapshot
  /** Whether clusters and listeners go too; endpoints and secrets always do. */
  readonly main: boolean
  /** Nothing is taken away from the proxy. */
  readonly retain: boolean
  /** What the proxy reported under this name when it connected stays as it is for now. */
  readonly keeps: (type: XdsType, name: string) => boolean
}

interface Due {
  readonly updates: EncodedResource[]
  /** Resources of a refused response that are tried again, few at a time. */
  readonly probes: EncodedResource[]
  readonly removals: string[]
  /** Names asked for that do not exist. */
  readonly absent: string[]
  /** Whether refused resources still wait for their next try. */
  readonly undecided: boolean
}

interface Gated {
  readonly ready: readonly EncodedResource[]
  /** Whether some listener is held back. */
  readonly waiting: boolean
  /** Of the ready ones those that waited long enough, with the clusters that are still missing. */
  readonly forced: ReadonlyMap<string, readonly string[]>
}

/** Endpoints and secrets follow each other without waiting for ACKs up to this depth; beyond it changes are coalesced. */
const maxPipelined = 4
/** Clusters and listeners that a proxy never ACKs end the same way. */
const maxUnanswered = 16

const nothing: ReadonlyMap<string, number> = new Map()

export class Sender {
  readonly #options: SenderOptions
  readonly #controlPlane: Uint8Array
  readonly #openedAt: number
  #waitingSince: ReadonlyMap<string, number> = nothing
  #drainingSince: ReadonlyMap<string, number> = nothing
  #nonce = 0
  #blocked = false

  constructor(options: SenderOptions) {
    this.#options = options
    this.#controlPlane = controlPlaneFrame(options.controlPlane)
    this.#openedAt = options.clock.monotonic()
  }

  /** True while the transport takes nothing. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** Number of the last response; 0 before the first. */
  get lastNonce(): number {
    return this.#nonce
  }

  unblock(): void {
    this.#blocked = false
  }

  /** Sends all that may go now. Stops in the middle when the transport blocks. */
  turn(scope: TurnScope): void {
    const { endpoint, secret } = this.#options.lanes
    if (scope.main) this.#sendClusters(scope)
    if (!this.#blocked) this.#sendNamed(endpoint, 'endpoint', scope)
    if (!this.#blocked) this.#sendNamed(secret, 'secret', scope)
    if (!scope.main) return
    if (!this.#blocked) this.#sendListeners(scope)
    if (!this.#blocked) this.#removeClusters(scope)
  }

  /** Answers a request for a type that is not served: none of the names exists. */
  answerForeign(typeUrl: string, names: readonly string[]): void {
    this.#write(typeUrl, [], names)
  }

  #sendClusters(scope: TurnScope): void {
    const lane = this.#options.lanes.cluster
    if (!this.#mayDiffer(lane) || this.#awaitsAck(lane)) return
    const due = this.#due(lane, scope)
    const probe = due.updates.length === 0 && due.probes.length > 0
    const updates = probe ? due.probes : due.updates
    if (updates.length === 0 && !this.#owesFirst(lane)) return
    this.#sendUpdates(lane, updates, [], probe)
  }

  #sendListeners(scope: TurnScope): void {
    const { snapshot, retain } = scope
    const lane = this.#options.lanes.listener
    if (!this.#mayDiffer(lane)) {
      this.#waitingSince = nothing
      return
    }
    if (this.#awaitsAck(lane)) return
    const due = this.#due(lane, scope)
    const probe = due.updates.length === 0 && due.probes.length > 0
    const { ready, waiting, forced } = this.#gate(probe ? due.probes : due.updates, snapshot)
    // a starting proxy counts as ready once it has its first listeners, so they come together
    if (this.#owesFirst(lane) && waiting && forced.size === 0) return
    for (const [name, missing] of forced) this.#options.events().onListenerForced?.(name, missing)
    if (ready.length > 0 || this.#owesFirst(lane)) {
      const takenOver = retain ? [] : this.#takenOver(lane, due.removals, ready)
      this.#sendUpdates(lane, ready, takenOver, probe)
    } else if (!waiting && !due.undecided && !retain && due.removals.length + due.absent.length > 0) {
      this.#sendRemovals(lane, [...due.removals, ...due.absent])
    }
  }

  #removeClusters(scope: TurnScope): void {
    const { snapshot, retain } = scope
    const { listener, cluster } = this.#options.lanes
    if (retain || !this.#mayDiffer(cluster) || this.#awaitsAck(cluster)) return
    const { removals, absent } = this.#due(cluster, scope)
    if (removals.length + absent.length === 0) return
    const silentFor = this.#options.clock.monotonic() - this.#openedAt
    if (!listener.subscription.requested && silentFor < this.#options.limits.patienceMs) {
      // after a reconnect the proxy still has to say which listeners it runs
      this.#options.wake(this.#options.limits.patienceMs - silentFor)
      return
    }
    const { dirty, outstanding, uncertain } = listener.subscription
    const removable = removableClusters(removals, {
      snapshot,
      clusters: cluster.subscription,
      listeners: listener.subscription,
      listenersSettled: dirty.size + outstanding.size + uncertain.size === 0,
    })
    this.#sendRemovals(cluster, [...this.#drained(removable), ...absent])
  }

  /** Of the clusters no listener names any more, those whose last connections had time to end. */
  #drained(removable: readonly string[]): readonly string[] {
    const now = this.#options.clock.monotonic()
    const { drainMs } = this.#options.limits
    this.#drainingSince = new Map(removable.map((name) => [name, this.#drainingSince.get(name) ?? now]))
    const isOver = (name: string): boolean => now - (this.#drainingSince.get(name) ?? now) >= drainMs
    const next = Math.min(...removable.filter((name) => !isOver(name)).map((name) => this.#drainingSince.get(name) ?? now))
    if (Number.isFinite(next)) this.#options.wake(next + drainMs - now)
    return removable.filter(isOver)
  }

  #sendNamed(lane: Lane, kind: 'endpoint' | 'secret', scope: TurnScope): void {
    const { snapshot, retain } = scope
    const { subscription } = lane
    if (!subscription.requested || subscription.dirty.size === 0 || subscription.outstanding.size >= maxPipelined) return
    const due = this.#due(lane, scope)
    if (due.updates.length > 0) this.#sendUpdates(lane, due.updates, [], false)
    if (due.probes.length > 0 && !this.#blocked) this.#sendUpdates(lane, due.probes, [], true)
    if (retain || this.#blocked) return
    const { cluster, listener } = this.#options.lanes
    const context = { snapshot, clusters: cluster.subscription, listeners: listener.subscription }
    this.#sendRemovals(lane, [...due.absent, ...removableNames(due.removals, kind, context)])
  }

  /** Sorts the dirty names of a type into what is due; names that need nothing are dirty no longer. */
  #due({ type, subscription, retry }: Lane, { snapshot, keeps }: TurnScope): Due {
    const updates: EncodedResource[] = []
    const uncertain: EncodedResource[] = []
    const removals: string[] = []
    const absent: string[] = []
    for (const name of subscription.dirty) {
      const cell = snapshot[type].get(name)
      const target = cell?.current
      const verdict = subscription.verdict(name, target)
      // its content will mark the name again
      if (cell?.awaited === true) continue
      if (verdict === 'send' && keeps(type, name)) continue
      if (verdict === 'none') subscription.dirty.delete(name)
      else if (verdict === 'remove') removals.push(name)
      else if (verdict === 'absent') absent.push(name)
      else if (target !== undefined) {
        const tryLater = subscription.uncertain.has(name) && !subscription.isForced(name)
        ;(tryLater ? uncertain : updates).push(target)
      }
    }
    const delay = uncertain.length > 0 ? retry.remaining(this.#options.clock.monotonic()) : 0
    if (delay > 0) this.#options.wake(delay)
    const probes = uncertain.length === 0 || delay > 0 || subscription.isProbing() ? [] : uncertain.slice(0, subscription.probeSize)
    return { updates, probes, removals, absent, undecided: uncertain.length > 0 }
  }

  /** Holds back listeners that name clusters the proxy has not accepted yet, for a bounded time. */
  #gate(listeners: readonly EncodedResource[], snapshot: ProxySnapshot): Gated {
    const { cluster, listener: lane } = this.#options.lanes
    const subscriptions = { clusters: cluster.subscription, listeners: lane.subscription }
    const { patienceMs } = this.#options.limits
    const now = this.#options.clock.monotonic()
    const since = new Map<string, number>()
    const ready: EncodedResource[] = []
    const forced = new Map<string, readonly string[]>()
    let waiting = false
    for (const listener of listeners) {
      const missing = missingClusters(listener, snapshot, subscriptions)
      if (missing.length > 0) {
        const start = this.#waitingSince.get(listener.name) ?? now
        since.set(listener.name, start)
        if (now - start < patienceMs) {
          waiting = true
          this.#options.wake(patienceMs - (now - start))
          continue
        }
        forced.set(listener.name, missing)
      }
      ready.push(listener)
    }
    this.#waitingSince = since
    return { ready, waiting, forced }
  }

  /** Listeners to be removed whose address one of `updates` binds: Envoy refuses the newcomer unless both come in one response. */
  #takenOver({ subscription }: Lane, removals: readonly string[], updates: readonly EncodedResource[]): readonly string[] {
    const addresses = new Set(updates.flatMap(({ address }) => (address === undefined ? [] : [address])))
    if (addresses.size === 0 || removals.length === 0) return []
    const bound = new Set<string>()
    for (const [name, { address }] of subscription.held()) if (address !== undefined && addresses.has(address)) bound.add(name)
    return removals.filter((name) => bound.has(name))
  }

  /** Whether a turn may find something to send; false for most turns, which follow an ACK. */
  #mayDiffer(lane: Lane): boolean {
    const { subscription } = lane
    return subscription.requested && (subscription.dirty.size > 0 || this.#owesFirst(lane))
  }

  #owesFirst({ subscription }: Lane): boolean {
    return subscription.wildcard && !subscription.answered
  }

  /** Clusters and listeners go one response after the other; a proxy that is late with its ACK is not waited for for ever. */
  #awaitsAck({ subscription }: Lane): boolean {
    const last = subscription.lastSentAt()
    if (last === undefined) return false
    const waitMs = last + this.#options.limits.patienceMs - this.#options.clock.monotonic()
    if (waitMs > 0) this.#options.wake(waitMs)
    return waitMs > 0 || subscription.outstanding.size >= maxUnanswered
  }

  #sendUpdates(lane: Lane, updates: readonly EncodedResource[], removed: readonly string[], probe: boolean): void {
    let first = true
    for (const chunk of chunkBySize(updates, this.#options.limits.maxResponseBytes)) {
      this.#respond(lane, chunk, first ? removed : [], probe)
      first = false
      if (this.#blocked) return
    }
  }

  #sendRemovals(lane: Lane, removed: readonly string[]): void {
    if (removed.length > 0) this.#respond(lane, [], removed, false)
  }

  #respond(lane: Lane, resources: readonly EncodedResource[], removed: readonly string[], probe: boolean): void {
    const { type, subscription } = lane
    const { nonce, sizeBytes } = this.#write(typeUrls[type], resources, removed)
    lane.sent++
    subscription.sent({ nonce, sentAt: this.#options.clock.monotonic(), updates: resources, removed, probe })
    if (type === 'cluster') {
      // Envoy warms a cluster it gets again and waits for its load assignment, although it has asked for that before
      const endpoints = this.#options.lanes.endpoint.subscription
      for (const resource of resources) for (const endpoint of endpointsOf(resource.name, resource)) endpoints.force(endpoint)
    }
    this.#options.events().onSent?.({ type, nonce, updates: resources, removed, sizeBytes })
  }

  #write(
    typeUrl: string,
    resources: readonly EncodedResource[],
    removed: readonly string[],
  ): { readonly nonce: string; readonly sizeBytes: number } {
    this.#nonce += 1
    const nonce = String(this.#nonce)
    const response = encodeResponse({ typeUrl, nonce, resources, removed, controlPlane: this.#controlPlane })
    this.#blocked = !this.#options.send(response)
    return { nonce, sizeBytes: response.length }
  }
}
