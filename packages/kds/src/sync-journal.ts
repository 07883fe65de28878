// What is known of sync with one peer: how far each direction is, and what became of every type. Counters live as long as the process, so
// that a reconnect loses none; the cursor is that of the present streams. Pure bookkeeping.
import { type Clock, timestamp } from '@weft/foundation/time'
import { createQuarantine, type Quarantine, type QuarantinedResource } from './quarantine.ts'
import type { CutOff, ReaderView, ReaderWatch } from './reader-watch.ts'
import type { ResponseOutcome } from './sync-metrics.ts'
import type { TypeSize } from './type-size.ts'

/** Progress of one direction, in sequence numbers of its sender's store. */
export interface SyncCursor {
  /** The sender's last change. */
  readonly head: number
  /** The receiver has acknowledged everything up to this change. */
  readonly accepted: number
  /** For how long something has been waiting to be acknowledged; 0 when nothing is. */
  readonly lagMs: number
}

/** What became of what we send of a type. */
export interface SentType {
  readonly type: string
  readonly sent: number
  readonly acknowledged: number
  readonly rejected: number
  /** The peer's words while it refuses the present state. */
  readonly refusal?: string
}

/** What became of what the peer sends of a type. */
export interface ReceivedType {
  readonly type: string
  /** Responses that were applied. */
  readonly applied: number
  /** Resources that could not be accepted. */
  readonly refused: number
  /** RFC 3339 of the last response. */
  readonly lastApplied: string
  /** How often what is held here was found to differ from what the peer sends, and when last (RFC 3339). Absent: never. */
  readonly drifts?: number
  readonly lastDrift?: string
}

/** The last thing that went wrong. */
export interface SyncFailure {
  /** RFC 3339. */
  readonly time: string
  /** The stream, or the type of a refusal. */
  readonly where: string
  readonly reason: string
}

/** Streams that ended because the peer does not read. */
export interface SlowReaderCuts {
  readonly count: number
  /** RFC 3339 of the last one. */
  readonly last: string
  readonly stream: string
  /** kds/slow-reader. */
  readonly code: string
  readonly reason: string
}

/** Both directions. A cursor is absent while its stream is not open, or the peer does not tell. */
export interface SyncProgress {
  readonly sending: {
    readonly cursor?: SyncCursor
    readonly types: readonly SentType[]
    /** Types that fill half of the largest message, or more. */
    readonly sizes: readonly TypeSize[]
    /** What the peer refuses. */
    readonly quarantined: number
    /** What waits for the peer to read; absent while nothing does. */
    readonly unread?: ReaderView
    /** How often the peer was cut off because it does not read, and when and why last. Absent: never. */
    readonly cutOffs?: SlowReaderCuts
  }
  readonly receiving: {
    readonly cursor?: SyncCursor
    readonly types: readonly ReceivedType[]
    /** What is refused here. */
    readonly quarantined: number
  }
  readonly lastError?: SyncFailure
}

/** The sender of an open stream. */
export interface SendingSource {
  readonly cursor: SyncCursor
  readonly sizes: readonly TypeSize[]
}

export interface SyncJournal {
  /** A stream on which we send is open, with the watch of its reader; the function returned says that it is not any more. */
  sending(source: () => SendingSource | undefined, reader?: Pick<ReaderWatch, 'view'>): () => void
  response(type: string, outcome: ResponseOutcome, refusal?: string): void
  applied(type: string, facts: { readonly refused: number }): void
  /** What is held of a type differs from what the peer sends. */
  drifted(type: string): void
  failed(where: string, reason: string): void
  /** A stream ended because the peer does not read. */
  cutOff(stream: string, cutOff: CutOff): void
  /** How far the peer says what it sends us is; undefined when it no longer tells. */
  peerCursor(cursor: SyncCursor | undefined): void
  /** Of what we send; undefined while we do not. */
  readonly cursor: SyncCursor | undefined
  progress(): SyncProgress
  /** Of what we send, refused by the peer. */
  readonly refusedThere: Quarantine
  /** Of what the peer sends, refused here. */
  readonly refusedHere: Quarantine
}

/** A refused resource with the end that refuses it. */
export interface SyncRefusal extends QuarantinedResource {
  /** The zone, or `global`. */
  readonly peer: string
  /** there: the peer refuses what we send. here: we refuse what the peer sends. */
  readonly refused: 'here' | 'there'
}

/** Everything that is refused in sync with one peer. */
export function refusalsOf(peer: string, journal: SyncJournal): readonly SyncRefusal[] {
  return [
    ...journal.refusedHere.list().map((item): SyncRefusal => ({ peer, refused: 'here', ...item })),
    ...journal.refusedThere.list().map((item): SyncRefusal => ({ peer, refused: 'there', ...item })),
  ]
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

const longestText = 1_000

/** Nothing has happened yet. */
export function createSyncJournal(clock: Pick<Clock, 'now'>): SyncJournal {
  const sent = new Map<string, Mutable<SentType>>()
  const received = new Map<string, Mutable<ReceivedType>>()
  const refusedThere = createQuarantine(clock)
  const refusedHere = createQuarantine(clock)
  let source: (() => SendingSource | undefined) | undefined
  let reader: Pick<ReaderWatch, 'view'> | undefined
  let cuts: SlowReaderCuts | undefined
  let theirs: SyncCursor | undefined
  let lastError: SyncFailure | undefined

  const failed = (where: string, reason: string): void => {
    lastError = { time: timestamp(clock.now()), where, reason: reason.slice(0, longestText) }
  }
  return {
    sending: (next, of) => {
      source = next
      reader = of
      return () => {
        if (source !== next) return
        source = undefined
        reader = undefined
      }
    },
    response: (type, outcome, refusal) => {
      const counted = sent.get(type) ?? { type, sent: 0, acknowledged: 0, rejected: 0 }
      counted[outcome] += 1
      if (outcome === 'acknowledged') delete counted.refusal
      if (outcome === 'rejected') {
        counted.refusal = (refusal ?? '').slice(0, longestText)
        failed(type, counted.refusal)
      }
      sent.set(type, counted)
    },
    applied: (type, { refused }) => {
      const counted = received.get(type) ?? { type, applied: 0, refused: 0, lastApplied: '' }
      counted.applied += 1
      counted.refused += refused
      counted.lastApplied = timestamp(clock.now())
      received.set(type, counted)
    },
    drifted: (type) => {
      const counted = received.get(type) ?? { type, applied: 0, refused: 0, lastApplied: '' }
      counted.drifts = (counted.drifts ?? 0) + 1
      counted.lastDrift = timestamp(clock.now())
      received.set(type, counted)
    },
    failed,
    cutOff: (stream, { error }) => {
      cuts = { count: (cuts?.count ?? 0) + 1, last: timestamp(clock.now()), stream, code: error.code, reason: error.message }
    },
    peerCursor: (cursor) => {
      theirs = cursor
    },
    refusedThere,
    refusedHere,
    get cursor() {
      return source?.()?.cursor
    },
    progress: () => {
      const { cursor, sizes = [] } = source?.() ?? {}
      const unread = reader?.view
      return {
        sending: {
          ...(cursor ? { cursor } : {}),
          types: byType(sent),
          sizes,
          quarantined: refusedThere.size,
          ...(unread ? { unread } : {}),
          ...(cuts ? { cutOffs: cuts } : {}),
        },
        receiving: { ...(theirs ? { cursor: theirs } : {}), types: byType(received), quarantined: refusedHere.size },
        ...(lastError ? { lastError } : {}),
      }
    },
  }
}

function byType<T extends { readonly type: string }>(counted: ReadonlyMap<string, T>): readonly T[] {
  return [...counted.values()].map((entry) => ({ ...entry })).sort((a, b) => (a.type < b.type ? -1 : 1))
}
