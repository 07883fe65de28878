// The end of sync at a zone control plane: dials its global and keeps dialling. Start-up never waits for the global; what was received
// before stays in force while it is away (contract/kds.md section 17.B).
import { status } from '@grpc/grpc-js'
import { AppError, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { type Clock, timestamp, type Timer } from '@weft/foundation/time'
import type { Registry } from '@weft/resources'
import type { Store } from '@weft/store'
import { createBackoff } from './backoff.ts'
import { createChangeFeed } from './change-feed.ts'
import { compareWithGlobal } from './compare-global.ts'
import type { SessionMemory, StreamContext } from './client-context.ts'
import { consumedTypes } from './client-receiving.ts'
import { type ClientSession, retryRangeOf, type SessionOutcome, startSession } from './client-session.ts'
import type { EnvoyAdmin, GlobalConnection, KdsClient, ZoneStatusRecorder } from './contract.ts'
import type { MassDeleteGuard } from './mass-delete-guard.ts'
import { createGlobalGate } from './global-gate.ts'
import { type GlobalIdentity, openPinMemory } from './global-pin.ts'
import { type ChannelTls, type GlobalChannel, openGlobalChannel, parseGlobalAddress } from './global-channel.ts'
import { approveHeld, rejectHeld } from './held.ts'
import { isLoopbackTarget } from './loopback.ts'
import { openOriginLedger } from './origin-ledger.ts'
import { createZoneOutgoing } from './outgoing-to-global.ts'
import type { OwnChanges } from './own-changes.ts'
import type { Self } from './peer.ts'
import { createReceivedProgress, type Delivery } from './received-progress.ts'
import { createOtherGlobal, type OtherGlobal } from './other-global.ts'
import { createRecallMemory } from './returned-dataplanes.ts'
import { explainOutcome, reportOutcome } from './session-report.ts'
import { createSyncJournal, refusalsOf } from './sync-journal.ts'
import { defaultReaderLimits, type ReaderLimits } from './reader-watch.ts'
import { createSyncMetrics } from './sync-metrics.ts'
import { createStoreLease, type ZoneLease } from './zone-lease.ts'
import type { GlobalComparison, ReachabilityEntry } from './sync-status.ts'

/** What a zone needs to sync. */
export interface KdsClientOptions {
  readonly store: Store
  readonly registry: Registry
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  /** Keeps the zone's own ZoneInsight: its subscription is the stream on which it sends. */
  readonly recorder: ZoneStatusRecorder
  readonly envoyAdmin: EnvoyAdmin
  readonly self: Omit<Self, 'storeId'>
  /** Name of this zone. */
  readonly zone: string
  /** `grpcs://host:port` or `grpc://host:port`. */
  readonly globalAddress: string
  /** Read at every connection, so that rotated files are used without a restart. */
  credentials(): ZoneCredentials
  /** Sanitised configuration of this control plane as JSON text; global shows it and reads `store.type` from it. */
  config(): string
  readonly systemNamespace: string
  /** Label prefixes that are not sent to global. */
  readonly skipPrefixes: readonly string[]
  readonly massDelete: MassDeleteGuard
  /** What a global that reads slowly, or not at all, may cost before it is cut off. */
  readonly readers?: ReaderLimits
  /**
   * Resolves when this zone has recovered from a start without its former state. Until then an own global keeps what this zone does not
   * list; afterwards it is told that it is gone. Never told when absent.
   */
  readonly recovered?: Promise<void>
  /**
   * Resolves when this zone has again what it had at global, as far as it will. A stock global takes what a first list lacks for deleted, so
   * it gets none before. At once when absent.
   */
  readonly listable?: Promise<void>
  /** Where this process has its right to act for the zone from; its store by default. */
  readonly lease?: ZoneLease
  /** What is known here of the way to the other zones; told to an own global. */
  reachability?(): readonly ReachabilityEntry[]
  /** How far the proxies here are; told to an own global. Without it global learns only what is stored. */
  readonly delivery?: Delivery
  /** Told which changes of global made what is received, and what of this zone global has. */
  readonly changes?: Pick<OwnChanges, 'originated' | 'trace'>
  /** Cluster id of a global that this zone may belong to from now on, though it belonged to another. */
  readonly adopts?: string
  /** 0 (inclusive) to 1 (exclusive), for jitter. */
  random?(): number
}

/** What a zone verifies global by, and proves itself with. */
export interface ZoneCredentials extends ChannelTls {
  readonly token?: string | undefined
}

const connectLimitMs = 10_000
const stockKeepaliveMs = 20_000
const ownKeepaliveMs = 5_000
/** Between looks at a global that is another one. */
const otherRange = { firstMs: 1_000, lastMs: 10_000 }

/** Makes the client. Throws config/invalid for an address it cannot dial; dials at `start`. */
export function createKdsClient(options: KdsClientOptions): KdsClient {
  const { store, clock, registry } = options
  const address = parseGlobalAddress(options.globalAddress)
  const log = options.log.child({ component: 'kds.client' })
  const self: Self = { ...options.self, storeId: store.id }
  const outgoing = createZoneOutgoing({
    registry,
    log,
    zone: options.zone,
    systemNamespace: options.systemNamespace,
    skipPrefixes: options.skipPrefixes,
  })
  const recall = createRecallMemory({ store, outgoing: outgoing.stamped })
  const memory: SessionMemory = {
    accepted: new Map(),
    ledger: openOriginLedger({ store, log, origin: 'global' }),
    listed: new Set(),
    deletedMeshes: new Set(),
    peer: 'unknown',
    storeId: undefined,
    recall,
    progress: createReceivedProgress(store, options.delivery),
    pin: openPinMemory({ store, log }),
    trusted: undefined,
    trustedElsewhere: new Set(),
    lastPing: undefined,
    tellTrusted: () => {},
  }
  const consumed = consumedTypes(registry)
  const metrics = createSyncMetrics(options.metrics, (type) => registry.get(type) !== undefined)
  const journal = createSyncJournal(clock)
  const backoff = createBackoff()
  const otherBackoff = createBackoff()
  const other: OtherGlobal = createOtherGlobal({
    store,
    registry,
    clock,
    log,
    address: address.target,
    pin: memory.pin,
    ...(options.metrics ? { metrics: options.metrics } : {}),
  })
  const listeners = new Set<(connection: GlobalConnection) => void>()
  let state: GlobalConnection['state'] = 'stopped'
  let since = timestamp(clock.now())
  let lastError: string | undefined
  let session: ClientSession | undefined
  let retry: Timer | undefined
  let feed: ReturnType<typeof createChangeFeed> | undefined
  let shownError: string | undefined
  const lease = options.lease ?? createStoreLease(store)
  let epoch = 0
  let newerEpoch: number | undefined
  let joins = 0
  let comparing: GlobalChannel | undefined
  let stopLease = (): void => {}

  const connection = (): GlobalConnection => ({
    state,
    peer: memory.peer,
    since,
    lastError,
    listed: [...memory.listed].sort(),
    complete: consumed.every((type) => memory.listed.has(type)),
  })
  const changed = (next = state): void => {
    if (next !== state) {
      state = next
      since = timestamp(clock.now())
    }
    const now = connection()
    for (const listener of listeners) {
      try {
        listener(now)
      } catch (error) {
        log.error({ err: messageOf(error) }, 'kds connection listener failed')
      }
    }
  }
  const lost = (outcome: SessionOutcome): void => {
    session = undefined
    if (outcome.other) return refused(outcome.other)
    if (outcome.code === status.FAILED_PRECONDITION && memory.peer !== 'stock') return standBack(outcome)
    const wasConnected = state === 'connected'
    if (wasConnected) backoff.reset()
    const waitMs = backoff.next({ ...retryRangeOf(memory.peer), random: options.random ?? Math.random })
    lastError = explainOutcome(outcome, address)
    journal.failed(outcome.stream, lastError)
    reportOutcome(log, { outcome, text: lastError, retryMs: waitMs, isNews: wasConnected || lastError !== shownError })
    shownError = lastError
    changed('waiting')
    retry = clock.after(waitMs, () => dial(wasConnected))
  }
  /** Nothing of another global is taken and nothing told to it; it is looked at again, because the right one may be back. */
  const refused = (found: GlobalIdentity): void => {
    lastError = other.refused(found)
    journal.failed('identity', lastError)
    shownError = undefined
    changed('other-global')
    retry = clock.after(otherBackoff.next({ ...otherRange, random: options.random ?? Math.random }), () => dial(false))
  }
  const adopted = (): void => {
    other.clear()
    // what was held of the former global says nothing about this one
    memory.accepted.clear()
    memory.deletedMeshes.clear()
  }
  /** Another process of this zone has the right now: until this one is given it again, it does not dial. */
  const standBack = ({ details, stream }: SessionOutcome): void => {
    lastError = `another process of zone ${options.zone} took over: ${details}; "weft sync rejoin" at this control plane takes it back`
    journal.failed(stream, lastError)
    log.error({ stream, reason: details, error: 'kds/fenced' }, 'kds zone is run by another process; standing back')
    changed('fenced')
  }
  const join = async (): Promise<void> => {
    const turn = ++joins
    retry?.cancel()
    try {
      epoch = await lease.acquire(newerEpoch)
    } catch (error) {
      if (turn !== joins || !feed) return
      lastError = `the right to act for this zone cannot be written: ${messageOf(error)}`
      log.warn({ err: messageOf(error) }, 'kds epoch cannot be raised, trying again')
      changed('waiting')
      retry = clock.after(backoff.next({ ...retryRangeOf('own'), random: options.random ?? Math.random }), () => void join())
      return
    }
    if (turn === joins && feed) dial(false)
  }
  const rejoin = async (): Promise<void> => {
    if (state === 'fenced') await join()
  }
  /** With the credentials of now. Throws when they cannot be used. */
  const openChannel = (): GlobalChannel => {
    const credentials = options.credentials()
    if (credentials.token !== undefined && !address.tls && !isLoopbackTarget(address.target))
      throw new AppError('config/invalid', 'a zone token must not travel in clear: use grpcs:// in multizone.zone.globalAddress')
    return openGlobalChannel({
      clock,
      address,
      tls: credentials,
      zone: options.zone,
      version: options.self.version.version,
      storeId: store.id,
      instanceId: options.self.instanceId,
      epoch,
      token: credentials.token,
      readers: options.readers ?? defaultReaderLimits,
      cutOff: (path, cutOff) => {
        metrics.cutOff(cutOff.reason)
        log.warn({ error: cutOff.error.code, reason: cutOff.error.message }, 'kds global is cut off: it does not read')
        journal.cutOff(path.slice(path.lastIndexOf('/') + 1), cutOff)
      },
      keepaliveMs: memory.peer === 'own' ? ownKeepaliveMs : stockKeepaliveMs,
    })
  }
  const dial = (afterLoss: boolean): void => {
    if (!feed) return
    let channel: GlobalChannel
    try {
      channel = openChannel()
    } catch (error) {
      // looked at again at the next attempt
      lost({ code: status.UNAUTHENTICATED, details: messageOf(error), stream: 'credentials' })
      return
    }
    if (state !== 'other-global') changed('connecting')
    const established = (): void => {
      if (session !== current || state === 'connected') return
      lastError = undefined
      shownError = undefined
      other.clear()
      otherBackoff.reset()
      log.info({ address: address.target, tls: address.tls }, 'kds connected to global')
      changed('connected')
    }
    const gate = createGlobalGate({
      memory: memory.pin,
      address: address.target,
      clock,
      log,
      adopts: options.adopts,
      adopted,
      refuse: (found) => current.refuse(found),
    })
    const shared = { client: options, log, self, channel, memory, gate, outgoing, feed, metrics, journal }
    const context: StreamContext = { ...shared, established, changed: () => changed() }
    const current = startSession({
      context,
      afterLoss,
      lost: (outcome) => {
        newerEpoch = channel.newerEpoch ?? newerEpoch
        lost(outcome)
      },
    })
    session = current
    channel.ready(connectLimitMs).catch((error: unknown) => {
      if (session !== current || state === 'connected') return
      current.close()
      lost({ code: status.UNAVAILABLE, details: messageOf(error), stream: 'connection' })
    })
  }
  /** Looking for the right global rests meanwhile: two connections of one zone would take each other's place. */
  const compare = async (): Promise<GlobalComparison> => {
    const view = other.view
    if (!feed || !view || state !== 'other-global' || comparing)
      throw new AppError('kds/other-global', comparing ? 'it is being compared already' : `no other global answers at ${address.target}`)
    const channel = openChannel()
    comparing = channel
    retry?.cancel()
    session?.close()
    session = undefined
    try {
      const { clusterId } = view
      return await compareWithGlobal({ ...options, log, channel, self, types: consumed, clusterId })
    } finally {
      comparing = undefined
      channel.close()
      if (feed && !session) {
        retry?.cancel()
        retry = clock.after(otherRange.firstMs, () => dial(false))
      }
    }
  }
  return {
    name: 'kds-client',
    start: async () => {
      // another process may have received other versions since
      memory.accepted.clear()
      memory.deletedMeshes.clear()
      feed = createChangeFeed(store, log)
      recall.follow(feed)
      stopLease = lease.onGranted(() => void rejoin())
      await join()
    },
    stop: async () => {
      joins++
      stopLease()
      retry?.cancel()
      session?.close()
      session = undefined
      comparing?.close()
      feed?.close()
      feed = undefined
      changed('stopped')
    },
    connection,
    rejoin,
    adoption: () => ({ ...(memory.pin.pin ? { pin: memory.pin.pin } : {}), ...(other.view ? { otherGlobal: other.view } : {}) }),
    compare,
    adopt: async (clusterId, actor) => {
      if (memory.pin.pin?.clusterId === clusterId) return
      await other.adopt(clusterId, actor)
      adopted()
      if (!feed) return
      retry?.cancel()
      session?.close()
      session = undefined
      otherBackoff.reset()
      dial(false)
    },
    status: () => ({
      address: address.target,
      peer: memory.peer,
      state,
      since,
      ...(memory.lastPing ? { lastPing: memory.lastPing.time, pingAgeMs: Math.round(clock.monotonic() - memory.lastPing.monotonic) } : {}),
      ...(memory.pin.pin ? { pin: memory.pin.pin } : {}),
      ...(other.view ? { otherGlobal: other.view } : {}),
      unlisted: consumed.filter((type) => !memory.listed.has(type)),
      ...journal.progress(),
    }),
    refusals: () => refusalsOf('global', journal),
    onConnection: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    returned: () => recall.returned,
    reportTrusted: (names) => {
      memory.trusted = names
      memory.tellTrusted()
    },
    isTrustedElsewhere: (name) => memory.peer === 'stock' || (state === 'connected' && memory.trustedElsewhere.has(name)),
    held: () => memory.ledger.held(),
    approveRemoval: (which = {}) => approveHeld({ store, ledger: memory.ledger, which, actor: 'global' }),
    rejectRemoval: (which = {}) => rejectHeld({ ledger: memory.ledger, which }),
  }
}
