// How far single changes have come: at global in each zone, at a zone with its own proxies. A change is stored when the zone has it in its
// store, pushed when everything that follows from it was sent to the last proxy, acked when the last proxy accepted or refused that.
// Places are told by position (a sequence number of this store), so that a deletion counts like any other change. Only what was sent to a
// place is waited for there. Bounded, in memory, and never more than bookkeeping on the way of a change.
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import { jsonEqual, type Change, type Store } from '@weft/store'
import type { ChangeFeed } from './change-feed.ts'
import { createRecentChanges, type FollowedChange, type Marks } from './recent-changes.ts'
import type { SendingTrace } from './sending-trace.ts'
import type { ChangeReport, ChangeSelection, ChangeView, ProgressStage, TypePositions } from './sync-status.ts'

/** What a place says of one type: everything up to these changes is there. */
export interface TypeProgress {
  readonly type: string
  readonly stored: number
  readonly pushed: number
  readonly acked: number
  /** Proxies that refuse something. */
  readonly refusing: number
}

export interface ChangeProgressOptions {
  readonly store: Pick<Store, 'seq'>
  readonly feed: ChangeFeed
  readonly clock: Pick<Clock, 'monotonic'>
  readonly metrics?: Metrics | undefined
  /** Types whose changes are followed. */
  readonly types: readonly string[]
  /** A place where every change is stored with its commit: this zone. */
  readonly local?: string
  readonly capacity?: number
}

export interface ChangeProgress {
  /** The place is there: what changes from now on is followed to it, by whichever process sends it. */
  known(place: string): void
  /** Follows a new stream to a place. Changes from before it was known, or else before its first stream, are not waited for. */
  trace(place: string): SendingTrace
  /** Another process has the streams to the place: when changes come there is not to be timed here before the next stream. */
  elsewhere(place: string): void
  /** What a place says of itself. What cannot be true is ignored and counted. */
  reported(place: string, progress: readonly TypeProgress[]): void
  /** The same, true for all types. */
  delivered(place: string, progress: Omit<TypeProgress, 'type' | 'stored'>): void
  /** What of a peer was just applied, by key (`mesh/name`), is of these changes of its store. */
  originated(type: string, origins: ReadonlyMap<string, number>): void
  forget(place: string): void
  /** The newest changes, newest first, and how far each place is. */
  report(selection: ChangeSelection): ChangeReport
}

/** One type at one place. */
interface Lane {
  /** It is known of every change up to here whether it goes there. */
  looked: number
  stored: number
  pushed: number
  acked: number
  refusing: number
  unstored: FollowedChange[]
  unpushed: FollowedChange[]
  unacked: FollowedChange[]
}

interface Place {
  readonly since: number
  /** What was committed up to here may have come there by another process's stream, so that its time is only an upper bound. */
  streamsSince: number | undefined
  readonly lanes: Map<string, Lane>
}

const defaultCapacity = 1_000
const maxReported = 256
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

export function createChangeProgress(options: ChangeProgressOptions): ChangeProgress {
  const { store, clock, local } = options
  const recent = createRecentChanges(options.capacity ?? defaultCapacity)
  const places = new Map<string, Place>()
  const seconds = options.metrics?.histogram(
    'kds_convergence_seconds',
    'Time from the commit of a change until the other end has stored it, and until it is sent to the last proxy of a zone and answered.',
    ['stage'],
    buckets,
  )
  const refusedReports = options.metrics?.counter(
    'kds_convergence_reports_refused_total',
    'What zones said of their progress that cannot be true.',
  )
  const placeOf = (name: string): Place => {
    const place = places.get(name) ?? { since: store.seq, streamsSince: undefined, lanes: new Map() }
    places.set(name, place)
    return place
  }
  const laneOf = ({ since, lanes }: Place, type: string): Lane => {
    const lane = lanes.get(type) ?? {
      looked: since,
      stored: 0,
      pushed: 0,
      acked: 0,
      refusing: 0,
      unstored: [],
      unpushed: [],
      unacked: [],
    }
    lanes.set(type, lane)
    return lane
  }
  const reach = (place: string, change: FollowedChange, stage: ProgressStage): void => {
    const marks = marksOf(change, place)
    const ms = Math.max(0, clock.monotonic() - change.at)
    marks[stage] = ms
    if (change.seq > (places.get(place)?.streamsSince ?? 0)) seconds?.observe(ms / 1000, { stage })
  }
  const advance = (place: string, lane: Lane): void => {
    const pushed = takeUpTo(lane.unpushed, lane.pushed)
    for (const change of pushed) {
      reach(place, change, 'pushed')
      lane.unacked.push(change)
    }
    for (const change of takeUpTo(lane.unacked, lane.acked)) {
      reach(place, change, 'acked')
      if (lane.refusing > 0) marksOf(change, place).refusing = lane.refusing
    }
  }
  const settle = (place: string, lane: Lane, { pushed, acked, refusing }: Omit<TypeProgress, 'type' | 'stored'>): void => {
    lane.pushed = Math.max(lane.pushed, pushed)
    lane.acked = Math.max(lane.acked, acked)
    lane.refusing = refusing
    advance(place, lane)
  }
  const committed = (changes: readonly Change[]): void => {
    const now = clock.monotonic()
    for (const change of changes) {
      if (isStatusOnly(change)) continue
      const followed = recent.add(change, now)
      if (local === undefined) continue
      const lane = laneOf(placeOf(local), followed.type)
      followed.marks.set(local, { stored: 0 })
      lane.looked = followed.seq
      lane.stored = followed.seq
      lane.unpushed.push(followed)
    }
  }
  for (const type of options.types) options.feed.on(type, committed)

  return {
    known: (name) => void placeOf(name),
    trace: (name) => {
      const place = placeOf(name)
      place.streamsSince ??= store.seq
      return {
        sent: (type, { upTo, carries }) => {
          const lane = laneOf(place, type)
          for (const change of recent.ofType(type, lane.looked)) {
            if (change.seq > upTo || !carries(change.key, change.op)) continue
            change.marks.set(name, {})
            lane.unstored.push(change)
          }
          lane.looked = Math.max(lane.looked, upTo)
        },
        answered: (type, { upTo, isRefused }) => {
          const lane = laneOf(place, type)
          lane.stored = Math.max(lane.stored, upTo)
          const waiting = lane.unstored
          lane.unstored = []
          for (const change of waiting) {
            if (!change.isKept) continue
            const isLate = change.seq > upTo || isRefused(change.key)
            marksOf(change, name).isRefused = change.seq <= upTo && isLate
            if (isLate) {
              lane.unstored.push(change)
              continue
            }
            reach(name, change, 'stored')
            lane.unpushed.push(change)
          }
          advance(name, lane)
        },
      }
    },
    elsewhere: (name) => {
      const place = places.get(name)
      if (place) place.streamsSince = undefined
    },
    reported: (name, progress) => {
      for (const told of progress.slice(0, maxReported)) {
        const lane = places.get(name)?.lanes.get(told.type)
        if (lane && isPossible(told, lane)) settle(name, lane, told)
        else refusedReports?.inc()
      }
      if (progress.length > maxReported) refusedReports?.inc({}, progress.length - maxReported)
    },
    delivered: (name, progress) => {
      for (const lane of places.get(name)?.lanes.values() ?? []) settle(name, lane, progress)
    },
    originated: (type, origins) => {
      for (const [key, seq] of origins) {
        const change = recent.latest(type, key)
        if (change) change.originSeq = seq
      }
    },
    forget: (name) => void places.delete(name),
    report: (selection) => ({
      items: recent.newest(selection.limit, (change) => isSelected(change, selection)).map((change) => viewOf(change, places)),
      // of a place without a stream nothing is known
      zones: [...places].flatMap(([zone, { lanes }]) => (lanes.size === 0 ? [] : [{ zone, types: [...lanes].map(positionsOf) }])),
    }),
  }
}

function marksOf(change: FollowedChange, place: string): Marks {
  const marks = change.marks.get(place) ?? {}
  change.marks.set(place, marks)
  return marks
}

function isSelected(change: FollowedChange, { type, mesh, name, without }: ChangeSelection): boolean {
  const isWanted = (wanted: string | undefined, value: string): boolean => wanted === undefined || wanted === value
  return isWanted(type, change.type) && isWanted(mesh, change.mesh) && isWanted(name, change.name) && !without?.includes(change.type)
}

/** Takes the changes up to a position out of a list, and drops those that nobody can see any more. */
function takeUpTo(list: FollowedChange[], position: number): readonly FollowedChange[] {
  if (list.length === 0) return []
  const kept = list.filter((change) => change.isKept)
  const [taken, left] = [kept.filter((change) => change.seq <= position), kept.filter((change) => change.seq > position)]
  list.splice(0, list.length, ...left)
  return taken
}

/** Nobody has got further than what was sent there, and nothing is accepted before it is sent. */
function isPossible({ stored, pushed, acked, refusing }: TypeProgress, { looked }: Lane): boolean {
  const isOrdered = acked <= pushed && pushed <= stored && stored <= looked
  return isOrdered && [stored, pushed, acked, refusing].every((value) => Number.isSafeInteger(value) && value >= 0)
}

/** A status belongs to who writes it and goes nowhere. */
function isStatusOnly({ before, after }: Change): boolean {
  return before !== undefined && after !== undefined && jsonEqual(before.labels, after.labels) && jsonEqual(before.spec, after.spec)
}

function viewOf(change: FollowedChange, places: ReadonlyMap<string, Place>): ChangeView {
  const { seq, time, op, actor, type, mesh, name, originSeq } = change
  return {
    seq,
    time,
    op,
    actor,
    type,
    mesh,
    name,
    ...(originSeq === undefined ? {} : { originSeq }),
    zones: [...places].flatMap(([zone, { lanes }]) => {
      const marks = change.marks.get(zone)
      if (marks) return [{ zone, ...shown(marks) }]
      const lane = lanes.get(type)
      // it is not known yet whether it goes there
      return lane && seq > lane.looked ? [{ zone, state: 'waiting' as const }] : []
    }),
  }
}

function shown({ stored, pushed, acked, isRefused, refusing }: Marks): Omit<ChangeView['zones'][number], 'zone'> {
  const reached = acked !== undefined ? 'acked' : pushed !== undefined ? 'pushed' : stored !== undefined ? 'stored' : 'sent'
  return {
    state: isRefused ? 'refused' : reached,
    ...(stored === undefined ? {} : { storedMs: round(stored) }),
    ...(pushed === undefined ? {} : { pushedMs: round(pushed) }),
    ...(acked === undefined ? {} : { ackedMs: round(acked) }),
    ...(refusing === undefined ? {} : { refusing }),
  }
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}

function positionsOf([type, { looked, stored, pushed, acked, refusing }]: readonly [string, Lane]): TypePositions {
  return { type, sent: looked, stored, pushed, acked, refusing }
}
