// One live session for each zone: the streams of the one control plane that acts for it. Others that say they are the same zone wait for the
// verdict of the session rule before their streams do anything.
import { status } from '@grpc/grpc-js'
import { AppError } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { type Clock, timestamp } from '@weft/foundation/time'
import type { DuplicateZone, ZoneStream } from './contract.ts'
import type { ServerStream } from './server-stream.ts'
import { type Fence, fenceAfter, judgeSession, type SessionIdentity } from './session-rule.ts'

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
}

export interface ZoneSessionsOptions {
  readonly clock: Clock
  readonly log: Logger
  /** Whether the peer at the other end of a connection answers within the limit. */
  ping(peerAddress: string, limitMs: number): Promise<boolean>
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

interface ZoneState {
  current: Session | undefined
  fence: Fence | undefined
  duplicate: (DuplicateZone & { readonly monotonic: number }) | undefined
  readonly arrivals: Map<string, Arrival>
}

/** No zone has a session yet. */
export function createZoneSessions(options: ZoneSessionsOptions): ZoneSessions {
  const { clock, log } = options
  const zones = new Map<string, ZoneState>()

  const stateOf = (zone: string): ZoneState => {
    const found = zones.get(zone) ?? { current: undefined, fence: undefined, duplicate: undefined, arrivals: new Map<string, Arrival>() }
    zones.set(zone, found)
    return found
  }
  const begin = (state: ZoneState, identity: SessionIdentity, connection: string): Session => {
    const session: Session = { identity, connections: new Set([connection]), streams: new Map() }
    state.current = session
    state.fence = fenceAfter(identity, state.fence)
    if (state.duplicate?.instanceId === identity.instanceId) state.duplicate = undefined
    return session
  }
  const replace = (state: ZoneState, arrival: Arrival, code: status.CANCELLED | status.FAILED_PRECONDITION): void => {
    const old = state.current
    begin(state, arrival.identity, arrival.connection)
    if (!old) return
    const details =
      code === status.CANCELLED
        ? 'stream canceled - superseded by a newer stream of this zone'
        : `epoch ${arrival.identity.epoch} of this zone's store took over from epoch ${old.identity.epoch}`
    log.info(
      { zone: [...old.streams.keys()][0]?.zone, reason: details, from: [...old.connections].join(), to: arrival.connection },
      'kds session replaced',
    )
    for (const [stream, name] of old.streams) {
      // a stock zone does not open an admin stream again that ends like this, so those just lose their role
      if (old.identity.storeId !== undefined || name === 'globalToZone' || name === 'zoneToGlobal')
        stream.end(code, details, code === status.FAILED_PRECONDITION ? arrival.identity.epoch : undefined)
    }
  }
  /** Until it is known who has the place; others may take or leave it meanwhile. */
  const decide = async (zone: string, state: ZoneState, arrival: Arrival): Promise<void> => {
    for (;;) {
      const { current, fence } = state
      if (arrival.streams.size === 0) return
      const verdict = judgeSession(arrival.identity, { current: current?.identity, fence })
      switch (verdict) {
        case 'admit':
          return void begin(state, arrival.identity, arrival.connection)
        case 'supersede':
          return replace(state, arrival, status.CANCELLED)
        case 'outrank':
          return replace(state, arrival, status.FAILED_PRECONDITION)
        case 'fenced':
          throw new AppError(
            'kds/fenced',
            `epoch ${arrival.identity.epoch} of this zone's store is over: epoch ${fence?.epoch} acts as zone ${zone}`,
            { details: { epoch: fence?.epoch ?? 0 } },
          )
        case 'ask': {
          if (!current) continue
          if (isPartOf(arrival, current)) return void current.connections.add(arrival.connection)
          const answers = await Promise.all([...current.connections].map((connection) => options.ping(connection, pingLimitMs)))
          if (state.current !== current) continue
          if (!answers.includes(true)) return replace(state, arrival, status.CANCELLED)
          throw refuse(zone, state, arrival)
        }
      }
    }
  }
  const refuse = (zone: string, state: ZoneState, { identity, connection }: Arrival): AppError => {
    const present = state.current
    const { instanceId } = identity
    if (state.duplicate?.instanceId !== instanceId)
      log.warn({ zone, peer: connection, instanceId, present: present?.identity.instanceId }, 'kds duplicate zone refused')
    state.duplicate = { instanceId, address: connection, lastSeen: timestamp(clock.now()), monotonic: clock.monotonic() }
    return new AppError(
      'kds/duplicate-zone',
      `another control plane acts as zone ${zone}: ${present?.identity.instanceId || 'unknown'} at ${[...(present?.connections ?? [])].join(', ')}`,
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

  return {
    enter: (stream, name) => {
      const state = stateOf(stream.zone)
      const key = `${stream.peerAddress} ${stream.instanceId}`
      let session = sessionFor(state, stream)
      if (!session && !state.current && judgeSession(identityOf(stream), { current: undefined, fence: state.fence }) === 'admit')
        session = begin(state, identityOf(stream), stream.peerAddress)
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
          if (owner === state.current && state.duplicate?.instanceId === instanceId) state.duplicate = undefined
          arrival?.known()
        },
        left: () => {
          isGone = true
          arrival?.streams.delete(stream)
          session?.streams.delete(stream)
          if (state.current && state.current.streams.size === 0 && state.current === session) state.current = undefined
        },
      }
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
