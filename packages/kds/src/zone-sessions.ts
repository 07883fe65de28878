// One live session for each zone: the streams of the one control plane that acts for it. Others that say they are the same zone wait for the
// verdict of the session rule before their streams do anything.
import { status } from '@grpc/grpc-js'
import { AppError } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { type Clock, timestamp } from '@weft/foundation/time'
import type { DuplicateZone, ZoneStream } from './contract.ts'
import type { ServerStream } from './server-stream.ts'
import { type Fence, fenceAfter, judgeSession, newerFence, type SessionIdentity } from './session-rule.ts'
import type { SharedSessions } from './shared-sessions.ts'

/** A stream as far as sessions look at it. */
export type SessionStream = Pick<ServerStream, 'zone' | 'peerAddress' | 'storeId' | 'epoch' | 'instanceId' | 'end' | 'log'>

export type SessionStreamName = ZoneStream | 'ping'

/** The place of one stream. */
export interface SessionPlace {
  /** True when the stream may go on at once. */
  readonly isSettled: boolean
  /** Resolves when it may; rejects with kds/fenced (details.epoch) or kds/duplicate-zone, or never once the stream has left. */
  readonly settled: Promise<void>
  /** The peer said what its `control-plane-id` is. */
  identified(instanceId: string): void
  left(): void
}

export interface ZoneSessions {
  enter(stream: SessionStream, name: SessionStreamName): SessionPlace
  /** Whether a connection belongs to the session of its zone, or could. */
  isCurrent(zone: string, peerAddress: string): boolean
  /** Another control plane that says it is this zone and was refused within the last minutes. */
  duplicate(zone: string): DuplicateZone | undefined
  /** Whether the control plane that has the session of a zone here answers. */
  isAnswering(zone: string): Promise<boolean>
}

export interface ZoneSessionsOptions {
  readonly clock: Clock
  readonly log: Logger
  /** Whether the peer at the other end of a connection answers within the limit. */
  ping(peerAddress: string, limitMs: number): Promise<boolean>
  /** Sessions at other replicas of this global. Default: there are none. */
  readonly shared?: SharedSessions | undefined
}

/** How long a control plane may take to answer while another wants its place. */
const pingLimitMs = 2_000
/** How long a stock zone may take to say which control plane it is; it does so with its first message. */
const identifyLimitMs = 2_000
/** A refused stock zone tries again at least this often. */
const duplicateShownMs = 120_000

interface Session {
  identity: SessionIdentity
  readonly connections: Set<string>
  readonly streams: Map<SessionStream, SessionStreamName>
}

/** Streams of a connection that is not part of the session yet. */
interface Arrival {
  readonly streams: Map<SessionStream, SessionStreamName>
  readonly connection: string
  identity: SessionIdentity
  readonly verdict: Promise<void>
  known(): void
}

type EndCode = status.CANCELLED | status.FAILED_PRECONDITION

interface ZoneState {
  current: Session | undefined
  fence: Fence | undefined
  duplicate: (DuplicateZone & { readonly monotonic: number }) | undefined
  readonly arrivals: Map<string, Arrival>
}

/** No zone has a session yet. */
export function createZoneSessions(options: ZoneSessionsOptions): ZoneSessions {
  const { clock, log, shared } = options
  const zones = new Map<string, ZoneState>()

  const stateOf = (zone: string): ZoneState => {
    const found = zones.get(zone) ?? { current: undefined, fence: undefined, duplicate: undefined, arrivals: new Map<string, Arrival>() }
    zones.set(zone, found)
    return found
  }
  const fenceOf = (zone: string, state: ZoneState): Fence | undefined => newerFence(state.fence, shared?.fence(zone))
  const begin = (zone: string, { identity, connection }: Pick<Arrival, 'identity' | 'connection'>): Session => {
    const state = stateOf(zone)
    const session: Session = { identity, connections: new Set([connection]), streams: new Map() }
    state.current = session
    state.fence = fenceAfter(identity, fenceOf(zone, state))
    shared?.taken(zone, identity)
    if (state.duplicate?.instanceId === identity.instanceId) state.duplicate = undefined
    return session
  }
  const replace = (zone: string, arrival: Arrival, code: EndCode): void => {
    const old = zones.get(zone)?.current
    begin(zone, arrival)
    if (old) end(zone, old, { code, by: arrival.identity, to: arrival.connection })
  }
  const end = (
    zone: string,
    old: Session,
    { code, by, to }: { readonly code: EndCode; readonly by: SessionIdentity; readonly to: string },
  ): void => {
    const details =
      code === status.CANCELLED
        ? 'stream canceled - superseded by a newer stream of this zone'
        : `epoch ${by.epoch} of this zone's store took over from epoch ${old.identity.epoch}`
    log.info({ zone, reason: details, from: [...old.connections].join(), to }, 'kds session replaced')
    for (const [stream, name] of old.streams) {
      // a stock zone does not open an admin stream again that ends like this, so those just lose their role
      if (old.identity.storeId !== undefined || name === 'globalToZone' || name === 'zoneToGlobal')
        stream.end(code, details, code === status.FAILED_PRECONDITION ? by.epoch : undefined)
    }
  }
  /** Until it is known who has the place; others may take or leave it meanwhile. */
  const decide = async (zone: string, state: ZoneState, arrival: Arrival): Promise<void> => {
    for (;;) {
      const { current } = state
      if (arrival.streams.size === 0) return
      const elsewhere = current ? undefined : shared?.elsewhere(zone)
      const fence = fenceOf(zone, state)
      const verdict = judgeSession(arrival.identity, { current: current?.identity ?? elsewhere?.identity, fence })
      switch (verdict) {
        case 'admit':
          return void begin(zone, arrival)
        case 'supersede':
          return replace(zone, arrival, status.CANCELLED)
        case 'outrank':
          return replace(zone, arrival, status.FAILED_PRECONDITION)
        case 'fenced':
          throw new AppError(
            'kds/fenced',
            `epoch ${arrival.identity.epoch} of this zone's store is over: epoch ${fence?.epoch} acts as zone ${zone}`,
            { details: { epoch: fence?.epoch ?? 0 } },
          )
        case 'ask': {
          if (!current) {
            const isThere = elsewhere && (await shared?.isAnswering(elsewhere.replica, zone))
            // others may have come or gone meanwhile
            if (state.current || shared?.elsewhere(zone)?.replica !== elsewhere?.replica) continue
            if (!isThere) return void begin(zone, arrival)
            throw refuse(zone, arrival, { instanceId: elsewhere.identity.instanceId, at: `replica ${elsewhere.replica}` })
          }
          if (isPartOf(arrival, current)) return void current.connections.add(arrival.connection)
          const isThere = await answers(current)
          if (state.current !== current) continue
          if (!isThere) return replace(zone, arrival, status.CANCELLED)
          throw refuse(zone, arrival, { instanceId: current.identity.instanceId, at: [...current.connections].join(', ') })
        }
      }
    }
  }
  const answers = async ({ connections }: Session): Promise<boolean> =>
    (await Promise.all([...connections].map((connection) => options.ping(connection, pingLimitMs)))).includes(true)
  const refuse = (
    zone: string,
    { identity, connection }: Arrival,
    present: { readonly instanceId: string; readonly at: string },
  ): AppError => {
    const state = stateOf(zone)
    const { instanceId } = identity
    if (state.duplicate?.instanceId !== instanceId)
      log.warn({ zone, peer: connection, instanceId, present: present.instanceId }, 'kds duplicate zone refused')
    state.duplicate = { instanceId, address: connection, lastSeen: timestamp(clock.now()), monotonic: clock.monotonic() }
    return new AppError(
      'kds/duplicate-zone',
      `another control plane acts as zone ${zone}: ${present.instanceId || 'unknown'} at ${present.at}`,
    )
  }
  const arrive = (state: ZoneState, key: string, stream: SessionStream): Arrival => {
    let known = (): void => {}
    const isKnown = new Promise<void>((resolve) => {
      known = resolve
    })
    const identity = identityOf(stream)
    const timer = clock.after(identifyLimitMs, () => known())
    if (identity.instanceId !== '') known()
    const arrival: Arrival = {
      streams: new Map(),
      connection: stream.peerAddress,
      identity,
      known: () => known(),
      verdict: isKnown
        .then(() => {
          timer.cancel()
          return decide(stream.zone, state, arrival)
        })
        .finally(() => state.arrivals.delete(key)),
    }
    // each stream reports it for itself
    arrival.verdict.catch(() => {})
    state.arrivals.set(key, arrival)
    return arrival
  }

  shared?.onLost((zone, { identity, replica }) => {
    const state = stateOf(zone)
    const old = state.current
    if (!old) return
    state.current = undefined
    const isOutranked = judgeSession(identity, { current: old.identity, fence: undefined }) === 'outrank'
    end(zone, old, { code: isOutranked ? status.FAILED_PRECONDITION : status.CANCELLED, by: identity, to: `replica ${replica}` })
  })

  return {
    enter: (stream, name) => {
      const state = stateOf(stream.zone)
      const key = `${stream.peerAddress} ${stream.instanceId}`
      let session = sessionFor(state, stream)
      const isFree = !state.current && !shared?.elsewhere(stream.zone)
      const identity = identityOf(stream)
      if (!session && isFree && judgeSession(identity, { current: undefined, fence: fenceOf(stream.zone, state) }) === 'admit')
        session = begin(stream.zone, { identity, connection: stream.peerAddress })
      const arrival = session ? undefined : (state.arrivals.get(key) ?? arrive(state, key, stream))
      ;(session ?? arrival)?.streams.set(stream, name)
      let isGone = false
      const settle = async (): Promise<void> => {
        if (!arrival) return
        await arrival.verdict
        arrival.streams.delete(stream)
        // whoever left meanwhile is not told
        if (isGone) return new Promise(() => {})
        session = sessionFor(state, stream)
        if (!session) throw new AppError('kds/duplicate-zone', `another control plane took the place of zone ${stream.zone}`)
        session.streams.set(stream, name)
      }
      return {
        isSettled: session !== undefined,
        settled: settle(),
        identified: (instanceId) => {
          const owner = session ?? arrival
          if (!owner || instanceId === '' || owner.identity.instanceId !== '') return
          owner.identity = { ...owner.identity, instanceId }
          if (owner === state.current) shared?.taken(stream.zone, owner.identity)
          if (owner === state.current && state.duplicate?.instanceId === instanceId) state.duplicate = undefined
          arrival?.known()
        },
        left: () => {
          isGone = true
          arrival?.streams.delete(stream)
          session?.streams.delete(stream)
          if (!state.current || state.current.streams.size > 0 || state.current !== session) return
          state.current = undefined
          shared?.left(stream.zone)
        },
      }
    },
    isAnswering: async (zone) => {
      const current = zones.get(zone)?.current
      return current !== undefined && answers(current)
    },
    isCurrent: (zone, peerAddress) => {
      const current = zones.get(zone)?.current
      return !current || current.connections.has(peerAddress)
    },
    duplicate: (zone) => {
      const found = zones.get(zone)?.duplicate
      if (!found || clock.monotonic() - found.monotonic > duplicateShownMs) return undefined
      const { monotonic: _, ...shown } = found
      return shown
    },
  }
}

function identityOf({ storeId, epoch, instanceId }: SessionStream): SessionIdentity {
  return { storeId, epoch, instanceId }
}

/** The session a stream belongs to without a question: that of its connection, unless it says it is another control plane. */
function sessionFor({ current }: ZoneState, stream: SessionStream): Session | undefined {
  if (!current?.connections.has(stream.peerAddress)) return undefined
  const { storeId, epoch, instanceId } = current.identity
  const isSame = stream.storeId === storeId && stream.epoch === epoch && (stream.instanceId === '' || stream.instanceId === instanceId)
  return isSame ? current : undefined
}

/** A stock zone behind a proxy that spreads its streams over connections: what does not say who it is and takes nobody's role belongs to it. */
function isPartOf(arrival: Arrival, current: Session): boolean {
  if (arrival.identity.instanceId !== '' || current.identity.storeId !== undefined) return false
  const taken = new Set(current.streams.values())
  return ![...arrival.streams.values()].some((name) => taken.has(name))
}
