// Pings between own peers: global asks, the zone answers, and both say how far what they send is. They run on a stream of their own, so that
// a sync stream that is held up does not look like a dead peer. The answers also carry the zone's row of the reachability matrix, and between
// them the zone tells how far it is with what global sends.
import { AppError, messageOf } from '@weft/foundation/errors'
import { timestamp } from '@weft/foundation/time'
import { codec, type Messages, serviceDefinition, toNumber } from '@weft/proto'
import type { TypeProgress } from './change-progress.ts'
import type { Ended, RunningStream, StreamContext } from './client-context.ts'
import type { OpenedStream } from './global-channel.ts'
import { progressOf, type ProgressTelling, tellProgress } from './progress-messages.ts'
import type { ServerStream, StreamHandler } from './server-stream.ts'
import type { SyncCursor, SyncJournal } from './sync-journal.ts'
import type { ReachabilityEntry, ReachabilityState } from './sync-status.ts'
import type { ZoneLiveness } from './zone-liveness.ts'

const requests = codec('weft.sync.v1.PingRequest')
const pongs = codec('weft.sync.v1.Pong')

/** What a global does with the stream of one zone. */
export interface PingServer {
  readonly liveness: Pick<ZoneLiveness, 'pinging'>
  readonly journal: SyncJournal
  monotonic(): number
  /** Milliseconds between a ping and its answer. */
  roundTrip(ms: number): void
  reachability(row: readonly ReachabilityEntry[]): void
  /** How far the zone says it is. */
  progressed(progress: readonly TypeProgress[]): void
}

/** More pings than this are not waiting for their answers. */
const maxWaiting = 8

/** Global's end: pings every interval. */
export function openPings(stream: ServerStream, options: PingServer): StreamHandler {
  const { journal, monotonic } = options
  const sentAt = new Map<number, number>()
  let sequence = 0
  const ping = (): void => {
    sequence += 1
    sentAt.set(sequence, monotonic())
    if (sentAt.size > maxWaiting) sentAt.delete(sequence - maxWaiting)
    const { cursor } = journal
    stream.write(requests.encode({ sequence, ...(cursor ? { cursor: cursorMessage(cursor) } : {}) }))
  }
  const stop = options.liveness.pinging(ping)
  ping()
  return {
    data: (bytes) => {
      const pong = decoded(() => pongs.decode(bytes))
      if (pong.progress?.length) options.progressed(pong.progress.map(progressOf))
      const at = toNumber(pong.sequence)
      if (at === unasked) return
      const started = sentAt.get(at)
      sentAt.delete(at)
      if (started !== undefined) options.roundTrip(monotonic() - started)
      journal.peerCursor(cursorOf(pong.cursor))
      if (pong.reachability) options.reachability((pong.reachability.entries ?? []).slice(0, maxEntries).map(entryOf))
    },
    closed: () => {
      stop()
      journal.peerCursor(undefined)
    },
  }
}

/** Sequence of a message that answers no ping. */
const unasked = 0

/** The zone's end: answers, and tells its progress to a global that asks for it. */
export function answerPings(
  context: StreamContext,
  { tellsProgress, ended }: { readonly tellsProgress: boolean; readonly ended: Ended },
): RunningStream {
  const { journal, client, memory, log } = context
  let told: string | undefined
  let telling: ProgressTelling | undefined
  const row = (): { reachability?: Messages['weft.sync.v1.ReachabilityRow'] } => {
    const entries = client.reachability?.() ?? []
    const text = JSON.stringify(entries.map((entry) => ({ ...entry, roundTripMs: undefined })))
    if (text === told) return {}
    told = text
    return { reachability: { entries: entries.map(entryMessage) } }
  }
  const finish = (): void => {
    telling?.stop()
    memory.lastPing = undefined
    journal.peerCursor(undefined)
  }
  const stream: OpenedStream = context.channel.open(serviceDefinition('weft.sync.v1.PeerService').Ping, {
    greeted: () => {},
    data: (bytes) => {
      try {
        const ping = requests.decode(bytes)
        memory.lastPing = { time: timestamp(client.clock.now()), monotonic: client.clock.monotonic() }
        journal.peerCursor(cursorOf(ping.cursor))
        const { cursor } = journal
        stream.write(pongs.encode({ sequence: toNumber(ping.sequence), ...(cursor ? { cursor: cursorMessage(cursor) } : {}), ...row() }))
      } catch (error) {
        log.warn({ stream: 'ping', err: messageOf(error) }, 'kds ping not understood')
      }
    },
    drained: () => telling?.drained(),
    ended: ({ code, details }) => {
      finish()
      ended(code, details)
    },
  })
  if (tellsProgress) telling = tellProgress(memory.progress, (progress) => stream.write(pongs.encode({ sequence: unasked, progress })))
  return {
    stop: () => {
      finish()
      stream.cancel()
    },
  }
}

function cursorMessage({ head, accepted, lagMs }: SyncCursor): Messages['weft.sync.v1.SyncCursor'] {
  return { head, accepted, lagMs: Math.round(lagMs) }
}

function cursorOf(message: Messages['weft.sync.v1.SyncCursor'] | undefined): SyncCursor | undefined {
  return message && { head: toNumber(message.head), accepted: toNumber(message.accepted), lagMs: toNumber(message.lagMs) }
}

/** A row has an entry for each ingress of each other zone. */
const maxEntries = 1_000
const maxText = 300
const states: ReadonlySet<string> = new Set<ReachabilityState>(['reachable', 'failing', 'unreachable', 'unknown'])

function isState(text: string | undefined): text is ReachabilityState {
  return text !== undefined && states.has(text)
}

function entryMessage(entry: ReachabilityEntry): Messages['weft.sync.v1.ReachabilityEntry'] {
  const { zone, address, state, since, roundTripMs, problem, movedMeshes } = entry
  return {
    zone,
    address,
    state,
    sinceMs: Date.parse(since),
    roundTripMs: Math.round(roundTripMs ?? 0),
    problem: problem ?? '',
    movedMeshes,
  }
}

function entryOf(message: Messages['weft.sync.v1.ReachabilityEntry']): ReachabilityEntry {
  const { zone = '', address = '', state, problem, roundTripMs, movedMeshes } = message
  return {
    zone: zone.slice(0, maxText),
    address: address.slice(0, maxText),
    state: isState(state) ? state : 'unknown',
    since: timestamp(Math.min(toNumber(message.sinceMs), latestMs)),
    ...(roundTripMs ? { roundTripMs } : {}),
    ...(problem ? { problem: problem.slice(0, maxText) } : {}),
    movedMeshes: (movedMeshes ?? []).slice(0, maxEntries).map((mesh) => mesh.slice(0, maxText)),
  }
}

/** Dates end here. */
const latestMs = 8_640_000_000_000_000

function decoded<T>(decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    throw new AppError('kds/bad-message', `cannot decode the answer to a ping: ${messageOf(error)}`, { cause: error })
  }
}
