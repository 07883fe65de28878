// Everything global knows of how its zones are: alive or not, how far sync is, what went wrong, and what they say of the way to each other.
// The streams of a zone tell it here; views are computed when they are read.
import { field } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { type Clock, timestamp } from '@weft/foundation/time'
import type { Resource } from '@weft/resources'
import type { Store } from '@weft/store'
import type { DuplicateZone, ConnectedZone, ZoneStatusRecorder, ZoneStream } from './contract.ts'
import { headerFeatures } from './features.ts'
import type { ServerStream, StreamHandler } from './server-stream.ts'
import { createSyncJournal, refusalsOf, type SyncJournal, type SyncProgress, type SyncRefusal } from './sync-journal.ts'
import type { ReachabilityEntry, ZoneLivenessView, ZoneState, ZoneSync } from './sync-status.ts'
import { createZoneLiveness, type LivenessSettings, type ZoneLiveness } from './zone-liveness.ts'

/** Something not acknowledged for longer than this makes a zone Degraded. */
const lagLimitMs = 10_000
/** So does one missing sync stream, once it has had time to open. */
const streamGraceMs = 5_000

export interface ZoneBoardOptions {
  readonly store: Pick<Store, 'get' | 'list' | 'seq'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  readonly recorder: ZoneStatusRecorder
  readonly settings: LivenessSettings
  /** Zones with open streams, for the rest of what is shown. */
  /** Another control plane that says it is this zone. */
  duplicate?(zone: string): DuplicateZone | undefined
  /** Whether another replica of this global has the session of a zone, and lives; undefined when none has. */
  isLivingElsewhere?(zone: string): boolean | undefined
  connected(): readonly ConnectedZone[]
}

export interface ZoneBoard {
  readonly liveness: ZoneLiveness
  /** What an admitted stream brings and when it ends; returns the handler to run. */
  follow(stream: ServerStream, name: ZoneStream | 'ping', handler: StreamHandler): StreamHandler
  journal(zone: string): SyncJournal
  refusals(): readonly SyncRefusal[]
  /** The subscription that stands for a zone's connection; returns what to call when its stream ends. */
  subscribed(zone: string, subscription: string): () => void
  roundTrip(zone: string, ms: number): void
  reachability(zone: string, row: readonly ReachabilityEntry[]): void
  /** The state of every Zone, and of those that connect without one. */
  status(): readonly ZoneSync[]
  livenessOf(zone: string): ZoneLivenessView
  rows(): ReadonlyMap<string, readonly ReachabilityEntry[]>
  close(): void
}

interface Entry {
  readonly journal: SyncJournal
  readonly subscriptions: Set<string>
  readonly streams: Map<string, number>
  since: number | undefined
  roundTripMs: number | undefined
  row: readonly ReachabilityEntry[] | undefined
}

const states: readonly ZoneState[] = ['Online', 'Degraded', 'Unknown', 'Offline', 'Disabled']

/** An empty board. */
export function createZoneBoard(options: ZoneBoardOptions): ZoneBoard {
  const { store, clock, log, recorder, settings } = options
  const entries = new Map<string, Entry>()
  const entryOf = (zone: string): Entry => {
    let entry = entries.get(zone)
    if (!entry) {
      entry = {
        journal: createSyncJournal(clock),
        subscriptions: new Set(),
        streams: new Map(),
        since: undefined,
        roundTripMs: undefined,
        row: undefined,
      }
      entries.set(zone, entry)
    }
    return entry
  }
  const liveness = createZoneLiveness({
    clock,
    log,
    settings,
    listener: {
      silent: (zone) => {
        for (const id of entryOf(zone).subscriptions) recorder.subscriptionClosed(zone, id, timestamp(clock.now()))
      },
      back: (zone) => {
        for (const id of entryOf(zone).subscriptions) recorder.subscriptionReopened(zone, id)
      },
    },
  })
  const zonesKnown = (): readonly string[] => [
    ...new Set([...store.list('Zone').map(({ name }) => name), ...liveness.zones().filter((zone) => entries.get(zone)?.streams.size)]),
  ]
  const livenessOf = (zone: string): ZoneLivenessView => {
    const { contact, heardAt, ageMs } = liveness.contact(zone)
    const entry = entries.get(zone)
    const duplicate = options.duplicate?.(zone)
    const reasons = contact === 'connected' && entry ? [...duplicates(duplicate), ...degradations(entry, clock.monotonic())] : []
    const insight = store.get({ type: 'ZoneInsight', mesh: '', name: zone })
    const isLivingElsewhere = contact === 'gone' ? options.isLivingElsewhere?.(zone) : undefined
    const connection =
      isLivingElsewhere !== undefined
        ? // the other replica closes the subscription while it hears nothing
          isLivingElsewhere && isOpen(lastSubscription(insight))
          ? 'Online'
          : 'Unknown'
        : contact === 'silent'
          ? 'Unknown'
          : contact === 'gone'
            ? 'Offline'
            : reasons.length > 0
              ? 'Degraded'
              : 'Online'
    const enabled = field(store.get({ type: 'Zone', mesh: '', name: zone })?.spec, 'enabled') !== false
    const before = heardAt === undefined || isLivingElsewhere !== undefined ? lastConnected(insight) : undefined
    const heard = before ?? heardAt
    return {
      state: enabled ? connection : 'Disabled',
      connection,
      ...(heard === undefined ? {} : { lastHeard: timestamp(heard) }),
      ...(before !== undefined ? { ageMs: Math.max(0, clock.now() - before) } : ageMs === undefined ? {} : { ageMs: Math.round(ageMs) }),
      reasons,
    }
  }
  const status = (): readonly ZoneSync[] => {
    const connected = new Map(options.connected().map((found) => [found.zone, found]))
    return zonesKnown()
      .toSorted()
      .map((zone) => {
        const entry = entries.get(zone)
        const found = connected.get(zone)
        const progress: SyncProgress = (entry?.journal ?? createSyncJournal(clock)).progress()
        return {
          zone,
          ...livenessOf(zone),
          ...(found
            ? {
                session: {
                  peer: found.storeId === undefined ? ('stock' as const) : ('own' as const),
                  address: found.peerAddress,
                  credential: found.credential,
                  ...(found.duplicate ? { duplicate: found.duplicate } : {}),
                  streams: found.streams,
                  instanceId: found.description?.instanceId ?? '',
                  version: found.description?.version.version ?? '',
                  ...(entry?.since === undefined ? {} : { since: timestamp(entry.since) }),
                  ...(entry?.roundTripMs === undefined ? {} : { roundTripMs: Math.round(entry.roundTripMs * 10) / 10 }),
                },
              }
            : {}),
          ...progress,
        }
      })
  }
  showMetrics(options.metrics, zonesKnown, livenessOf)

  return {
    liveness,
    follow: (stream, name, handler) => {
      const { zone, peerAddress } = stream
      const entry = entryOf(zone)
      if (entry.streams.size === 0) entry.since = clock.now()
      // of two streams of one name the newer counts, also when the older one ends
      const opened = clock.monotonic()
      entry.streams.set(name, opened)
      const followed = liveness.opened(zone, peerAddress, { tells: stream.features.has(headerFeatures.pingHealth) })
      return {
        data: (bytes) => {
          followed.heard()
          handler.data(bytes)
        },
        drained: () => handler.drained?.(),
        closed: (outcome) => {
          followed.ended()
          if (entry.streams.get(name) === opened) entry.streams.delete(name)
          if (entry.streams.size === 0) {
            entry.roundTripMs = undefined
            entry.row = undefined
          }
          if (outcome) entry.journal.failed(name, outcome.details)
          handler.closed(outcome)
        },
      }
    },
    journal: (zone) => entryOf(zone).journal,
    refusals: () => [...entries].flatMap(([zone, { journal }]) => refusalsOf(zone, journal)),
    subscribed: (zone, subscription) => {
      const { subscriptions } = entryOf(zone)
      subscriptions.add(subscription)
      return () => void subscriptions.delete(subscription)
    },
    roundTrip: (zone, ms) => {
      entryOf(zone).roundTripMs = ms
    },
    reachability: (zone, row) => {
      entryOf(zone).row = row
    },
    status,
    livenessOf,
    rows: () => new Map([...entries].flatMap(([zone, { row }]) => (row ? [[zone, row] as const] : []))),
    close: () => liveness.close(),
  }
}

/** Why a zone that is heard is not quite well. */
function duplicates(duplicate: DuplicateZone | undefined): readonly string[] {
  return duplicate
    ? [`duplicate zone: ${duplicate.instanceId || 'another control plane'} at ${duplicate.address} says it is this zone too`]
    : []
}

function degradations({ streams, journal }: Entry, now: number): readonly string[] {
  const reasons: string[] = []
  const oldest = Math.min(...streams.values())
  for (const name of ['globalToZone', 'zoneToGlobal'] as const) {
    if (!streams.has(name) && now - oldest > streamGraceMs) reasons.push(`the stream ${name} is not open`)
  }
  const { sending, receiving } = journal.progress()
  const { unread } = sending
  if (unread && unread.stillMs > lagLimitMs)
    reasons.push(`the zone has not read for ${seconds(unread.stillMs)} s; ${unread.waitingBytes} bytes wait for it`)
  const late = (lagMs: number | undefined): boolean => lagMs !== undefined && lagMs > lagLimitMs
  if (late(sending.cursor?.lagMs)) reasons.push(`the zone has not acknowledged changes for ${seconds(sending.cursor?.lagMs)} s`)
  if (late(receiving.cursor?.lagMs)) reasons.push(`changes of the zone have been waiting for ${seconds(receiving.cursor?.lagMs)} s`)
  const refused = sending.types.filter(({ refusal }) => refusal !== undefined).map(({ type }) => type)
  if (refused.length > 0) reasons.push(`the zone refuses ${refused.join(', ')}`)
  if (receiving.quarantined > 0) reasons.push(`${receiving.quarantined} resources of the zone are refused here`)
  for (const { type, state, bytes, count } of sending.sizes)
    if (state === 'withheld') reasons.push(`${type} is too large to be sent: ${count} resources, ${bytes} bytes`)
  return reasons
}

function seconds(ms: number | undefined): number {
  return Math.floor((ms ?? 0) / 1000)
}

function lastSubscription(insight: Resource | undefined): unknown {
  const subscriptions = field(insight?.spec, 'subscriptions')
  return Array.isArray(subscriptions) ? subscriptions.at(-1) : undefined
}

function isOpen(subscription: unknown): boolean {
  return subscription !== undefined && field(subscription, 'disconnectTime') === undefined
}

/** When a zone was last known to be connected, as far as its insight remembers. */
function lastConnected(insight: Resource | undefined): number | undefined {
  const last = lastSubscription(insight)
  const time = field(last, 'disconnectTime') ?? field(field(last, 'status'), 'lastUpdateTime') ?? field(last, 'connectTime')
  const ms = typeof time === 'string' ? Date.parse(time) : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}

function showMetrics(metrics: Metrics | undefined, zones: () => readonly string[], of: (zone: string) => ZoneLivenessView): void {
  if (!metrics) return
  const counts = metrics.gauge('kds_zones', 'Zones by the state in which global sees them.', ['state'], () => {
    const found = zones().map((zone) => of(zone).state)
    for (const state of states) counts.set(found.filter((each) => each === state).length, { state })
    return undefined
  })
  const ages = metrics.gauge(
    'kds_zone_age_seconds',
    'Time since a zone was last heard; only zones that were heard at all.',
    ['zone'],
    () => {
      for (const zone of zones()) {
        const { ageMs } = of(zone)
        if (ageMs !== undefined) ages.set(ageMs / 1000, { zone })
      }
      return undefined
    },
  )
}
