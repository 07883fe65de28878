// One proxy's discovery stream: takes requests and changes as they come and turns them into turns of its sender. Knows no transport.
// Invariant: every name whose state may differ from the snapshot is dirty, and every dirty name has an event coming that leads to a turn.
import { AppError } from '@weft/foundation/errors'
import type { Clock, Timer } from '@weft/foundation/time'
import { type CellWatcher, unwatchCell, watchCell } from './cell.ts'
import type { ProxySnapshot, ResourceCell, XdsType } from './contract.ts'
import type { DeltaRequest } from './delta-request.ts'
import { backlogOf } from './backlog.ts'
import type { StreamDelivery } from './delivery.ts'
import { createFlushWindow, type FlushWindow } from './flush-window.ts'
import { createLanes, type Lane, type Lanes } from './lane.ts'
import { Sender } from './sender.ts'
import type { CloseReason, StreamEvents, TypeCounters } from './stream-events.ts'
import { defaultStreamLimits, type StreamLimits } from './stream-limits.ts'
import type { TurnQueue } from './turn-queue.ts'
import { xdsTypeOf, xdsTypes } from './type-urls.ts'

export interface DeltaStreamOptions {
  /** Writes one response. False: no more until `drained` is called. */
  readonly send: (response: Buffer) => boolean
  /** Called when a turn throws; the stream is closed by then. */
  readonly fail?: (error: unknown) => void
  readonly clock: Clock
  readonly queue: TurnQueue
  /** Shown by Envoy as control_plane.identifier. */
  readonly controlPlane: string
  /** Starts in recovery: a proxy that reports what it holds keeps all of it as it is, until `relaxRecovery` and `endRecovery`. */
  readonly retain?: boolean
  readonly limits?: Partial<StreamLimits>
  readonly events?: StreamEvents
  /** Told what is due, sent and answered. */
  readonly delivery?: StreamDelivery | undefined
}

/** Types that are not served are answered once per request, for at most this many type URLs. */
const maxForeignTypes = 16

/** Created by the discovery service, or by a test with any transport. Closed exactly once. */
export class DeltaStream implements CellWatcher {
  readonly #options: DeltaStreamOptions
  readonly #limits: StreamLimits
  readonly #lanes: Lanes = createLanes()
  readonly #sender: Sender
  readonly #window: FlushWindow
  /** Names asked for of types that are not served, by type URL. */
  readonly #foreign = new Map<string, Set<string>>()
  readonly #job = (): void => this.#guardedTurn()
  #events: StreamEvents
  readonly #delivery: StreamDelivery | undefined
  #snapshot: ProxySnapshot | undefined
  #retain: boolean
  /** In recovery, of what the proxy reported: what may be replaced all the same. */
  #mayChange: (type: XdsType, name: string) => boolean = () => false
  #caughtUpWaiters: (() => void)[] = []
  #askedWaiters: (() => void)[] = []
  #closed = false
  /** Whether clusters and listeners go in the next turn. */
  #mainDue = false
  #alarm: { readonly at: number; readonly timer: Timer } | undefined

  constructor(options: DeltaStreamOptions) {
    this.#options = options
    this.#limits = { ...defaultStreamLimits, ...options.limits }
    this.#events = options.events ?? {}
    this.#retain = options.retain ?? false
    this.#sender = new Sender({
      lanes: this.#lanes,
      limits: this.#limits,
      clock: options.clock,
      controlPlane: options.controlPlane,
      send: options.send,
      events: () => this.#events,
      wake: (ms) => this.#wake(ms),
    })
    this.#delivery = options.delivery
    this.#window = createFlushWindow(options.clock, this.#limits.maxWindowMs, () => this.#mainTurn())
  }

  /** Replaces the handlers. */
  listen(events: StreamEvents): void {
    this.#events = events
  }

  get closed(): boolean {
    return this.#closed
  }

  /** False until the first snapshot was assigned; nothing is sent before. */
  get assigned(): boolean {
    return this.#snapshot !== undefined
  }

  /** Whether the proxy reported anything when it connected: it was served before. */
  get resumed(): boolean {
    return xdsTypes.some((type) => this.#lanes[type].subscription.resumed)
  }

  /** Whether the proxy runs exactly the snapshot as far as it asked for it: nothing waits, nothing is on its way, nothing was refused. */
  get settled(): boolean {
    return (
      this.#snapshot !== undefined &&
      xdsTypes.every((type) => {
        const { subscription } = this.#lanes[type]
        if (subscription.requested && !subscription.answered && subscription.wildcard) return false
        if (subscription.outstanding.size > 0 || subscription.rejected.size > 0) return false
        for (const name of subscription.dirty) {
          const cell = this.#snapshot?.[type].get(name)
          if (cell?.awaited !== true && subscription.verdict(name, cell?.current) !== 'none') return false
        }
        return true
      })
    )
  }

  /** Name to version of everything the proxy accepted or reported when it connected. A copy. */
  ackedVersions(type: XdsType): ReadonlyMap<string, string> {
    return new Map([...this.#lanes[type].subscription.accepted].map(([name, held]) => [name, held.version]))
  }

  /** The version of one resource that the proxy runs, if it does. */
  ackedVersion(type: XdsType, name: string): string | undefined {
    return this.#lanes[type].subscription.accepted.get(name)?.version
  }

  /** Name to version of what the proxy refused and still should have. A copy. */
  rejectedVersions(type: XdsType): ReadonlyMap<string, string> {
    return new Map(this.#lanes[type].subscription.rejected)
  }

  counters(type: XdsType): TypeCounters {
    const { sent, acknowledged, rejected } = this.#lanes[type]
    return { responsesSent: sent, responsesAcknowledged: acknowledged, responsesRejected: rejected }
  }

  /** From now on the proxy should have exactly this. Cells that stay are not looked at again. */
  assign(snapshot: ProxySnapshot): void {
    if (this.#closed || snapshot === this.#snapshot) return
    const before = this.#snapshot
    this.#snapshot = snapshot
    for (const type of xdsTypes) {
      const { dirty } = this.#lanes[type].subscription
      const old = before?.[type]
      const cells = snapshot[type]
      if (cells === old) continue
      // forEach: nothing is allocated for each cell, of which most stay
      cells.forEach((cell, name) => {
        const previous = old?.get(name)
        if (previous === cell) return
        if (previous !== undefined) unwatchCell(previous, this)
        watchCell(cell, this)
        dirty.add(name)
      })
      old?.forEach((cell, name) => {
        if (cells.has(name)) return
        unwatchCell(cell, this)
        dirty.add(name)
      })
      if (before === undefined) this.#lanes[type].subscription.markAll(cells)
    }
    this.#delivery?.due()
    // the window first: when it opens at once, everything goes in one turn
    this.#window.mark()
    this.#options.queue(this.#job)
  }

  /** Whether the proxy runs the present content of a name; undefined when it did not ask for the name or there is no content. */
  runs(type: XdsType, name: string): boolean | undefined {
    const { subscription } = this.#lanes[type]
    const target = this.#snapshot?.[type].get(name)?.current
    if (target === undefined || !subscription.wants(name)) return undefined
    return subscription.accepted.get(name)?.version === target.version
  }

  /** Resolves with the first request, when it is known whether the proxy was served before; also when the stream is closed. */
  asked(): Promise<void> {
    if (this.#closed || xdsTypes.some((type) => this.#lanes[type].subscription.requested)) return Promise.resolve()
    return new Promise((resolve) => {
      this.#askedWaiters.push(resolve)
    })
  }

  /** Resolves once the proxy has accepted or refused all that it may have now; also when the stream is closed. */
  caughtUp(): Promise<void> {
    if (this.#closed || this.#isCaughtUp()) return Promise.resolve()
    return new Promise((resolve) => {
      this.#caughtUpWaiters.push(resolve)
    })
  }

  /** In recovery, lets what the proxy reported be replaced where `mayChange` says so. Nothing is removed yet. */
  relaxRecovery(mayChange: (type: XdsType, name: string) => boolean): void {
    if (!this.#retain) return
    this.#mayChange = mayChange
    this.#mainTurn()
  }

  /** Ends the time in which nothing is taken away. */
  endRecovery(): void {
    if (!this.#retain) return
    this.#retain = false
    this.#mainTurn()
  }

  /** One request of the proxy. Throws `xds/bad-request` when it exceeds a limit; the stream then has to be closed. */
  handle(request: DeltaRequest): void {
    if (this.#closed) return
    const type = xdsTypeOf(request.typeUrl)
    if (type === undefined) {
      this.#handleForeign(request)
      return
    }
    const lane = this.#lanes[type]
    const { subscription } = lane
    const wasWildcard = subscription.wildcard
    if (!subscription.request(request, this.#limits.maxNames)) {
      throw new AppError('xds/bad-request', `more than ${this.#limits.maxNames} names of type ${type}`)
    }
    for (const resolve of this.#askedWaiters.splice(0)) resolve()
    if (subscription.wildcard && !wasWildcard && this.#snapshot !== undefined) subscription.markAll(this.#snapshot[type])
    if (request.responseNonce !== '') {
      if (request.error === undefined) this.#acknowledge(type, lane, request.responseNonce)
      else this.#refuse(type, lane, request.responseNonce, request.error)
    }
    if (subscription.dirty.size > 0 || !subscription.answered || request.responseNonce !== '') this.#answerSoon(type)
  }

  /** The transport takes responses again. */
  drained(): void {
    if (!this.#sender.blocked) return
    this.#sender.unblock()
    this.#options.queue(this.#job)
  }

  cellChanged(cell: ResourceCell): void {
    this.#delivery?.due()
    this.#lanes[cell.type].subscription.dirty.add(cell.name)
    if (cell.type === 'endpoint' || cell.type === 'secret') this.#options.queue(this.#job)
    else this.#window.mark()
  }

  /** Ends everything the stream holds. Closing twice is harmless. */
  close(reason: CloseReason): void {
    if (this.#closed) return
    this.#closed = true
    this.#window.stop()
    this.#alarm?.timer.cancel()
    for (const type of xdsTypes) for (const cell of this.#snapshot?.[type].values() ?? []) unwatchCell(cell, this)
    for (const resolve of [...this.#askedWaiters.splice(0), ...this.#caughtUpWaiters.splice(0)]) resolve()
    this.#delivery?.closed()
    this.#events.onClosed?.(reason)
  }

  #acknowledge(type: XdsType, lane: Lane, nonce: string): void {
    const { accepted, outstanding } = lane.subscription
    const updates = type === 'cluster' ? outstanding.get(nonce)?.updates.filter(({ name }) => !accepted.has(name)) : undefined
    const response = lane.subscription.acknowledge(nonce)
    if (response === undefined) return
    lane.acknowledged++
    if (response.probe) lane.retry.succeeded()
    // a listener may have been refused for want of a cluster that exists now, or for an address that is free now
    if (updates !== undefined && updates.length > 0) {
      const fresh = new Set(updates.map(({ name }) => name))
      const { listener } = this.#snapshot ?? {}
      this.#lanes.listener.subscription.forgive((name) =>
        (listener?.get(name)?.current?.needs?.clusters ?? []).some((cluster) => fresh.has(cluster)),
      )
    }
    if (type === 'listener' && response.removed.length > 0) lane.subscription.forgive()
    this.#events.onAck?.({ type, nonce, removed: response.removed })
  }

  #refuse(type: XdsType, lane: Lane, nonce: string, error: string): void {
    const rejection = lane.subscription.refuse(nonce, error)
    if (rejection === undefined) return
    lane.rejected++
    lane.retry.refused(this.#options.clock.monotonic())
    const names = rejection.response.updates.map(({ name }) => name)
    this.#events.onNack?.({ type, nonce, error, names, rejected: rejection.rejected })
  }

  #handleForeign(request: DeltaRequest): void {
    if (request.responseNonce !== '' && request.subscribe.length === 0) return
    const names = this.#foreign.get(request.typeUrl) ?? new Set()
    if (this.#foreign.size >= maxForeignTypes && names.size === 0) return
    for (const name of request.subscribe) if (name !== '*' && names.size < this.#limits.maxNames) names.add(name)
    this.#foreign.set(request.typeUrl, names)
    this.#options.queue(this.#job)
  }

  #answerSoon(type: XdsType): void {
    // what waits for this answer is not held up by changes that are being gathered
    if (type === 'cluster' || type === 'listener') this.#mainDue = true
    this.#options.queue(this.#job)
  }

  #mainTurn(): void {
    this.#mainDue = true
    this.#options.queue(this.#job)
  }

  #guardedTurn(): void {
    try {
      this.#turn()
    } catch (error) {
      // turns run from a queue that other streams share
      this.close('failed')
      this.#options.fail?.(error)
    }
  }

  #turn(): void {
    if (this.#closed || this.#sender.blocked || this.#snapshot === undefined) return
    const main = this.#mainDue
    this.#sender.turn({ snapshot: this.#snapshot, main, retain: this.#retains(), keeps: (type, name) => this.#keeps(type, name) })
    for (const [typeUrl, names] of this.#foreign) {
      if (this.#sender.blocked) return
      this.#foreign.delete(typeUrl)
      this.#sender.answerForeign(typeUrl, [...names])
    }
    // a turn cut short is taken up again as it was
    if (!this.#sender.blocked) this.#mainDue = false
    this.#delivery?.turned(
      backlogOf({ snapshot: this.#snapshot, lanes: this.#lanes, retains: this.#retains(), keeps: (type, name) => this.#keeps(type, name) }),
      this.#sender.lastNonce,
    )
    if (this.#caughtUpWaiters.length > 0 && this.#isCaughtUp()) for (const resolve of this.#caughtUpWaiters.splice(0)) resolve()
  }

  /** A proxy that reported nothing is new: it has nothing to lose and is served as always. */
  #retains(): boolean {
    return this.#retain && this.resumed
  }

  #keeps(type: XdsType, name: string): boolean {
    const { subscription } = this.#lanes[type]
    return this.#retain && subscription.reported.has(name) && !subscription.isForced(name) && !this.#mayChange(type, name)
  }

  #isCaughtUp(): boolean {
    const snapshot = this.#snapshot
    if (snapshot === undefined) return false
    const retains = this.#retains()
    return xdsTypes.every((type) => {
      const { subscription } = this.#lanes[type]
      if (subscription.outstanding.size > 0 || (subscription.wildcard && !subscription.answered)) return false
      for (const name of subscription.dirty) {
        const cell = snapshot[type].get(name)
        if (cell?.awaited === true) continue
        const verdict = subscription.verdict(name, cell?.current)
        if (verdict === 'send' ? !this.#keeps(type, name) : verdict !== 'none' && !retains) return false
      }
      return true
    })
  }

  #wake(ms: number): void {
    const at = this.#options.clock.monotonic() + ms
    if (this.#closed || (this.#alarm !== undefined && this.#alarm.at <= at)) return
    this.#alarm?.timer.cancel()
    const timer = this.#options.clock.after(ms, () => {
      this.#alarm = undefined
      this.#mainTurn()
    })
    this.#alarm = { at, timer }
  }
}
