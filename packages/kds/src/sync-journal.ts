// What is known of sync with one peer: how far each direction is, and what became of every type. Counters live as long as the process, so
// that a reconnect loses none; the cursor is that of the present streams. Pure bookkeeping.
import { type Clock, timestamp } from '@weft/foundation/time'
import type { ResponseOutcome } from './sync-metrics.ts'

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
}

/** The last thing that went wrong. */
export interface SyncFailure {
  /** RFC 3339. */
  readonly time: string
  /** The stream, or the type of a refusal. */
  readonly where: string
  readonly reason: string
}

/** Both directions. A cursor is absent while its stream is not open, or the peer does not tell. */
export interface SyncProgress {
  readonly sending: { readonly cursor?: SyncCursor; readonly types: readonly SentType[] }
  readonly receiving: { readonly cursor?: SyncCursor; readonly types: readonly ReceivedType[] }
  readonly lastError?: SyncFailure
}

export interface SyncJournal {
  /** A stream on which we send is open; the function returned says that it is not any more. */
  sending(cursor: () => SyncCursor | undefined): () => void
  response(type: string, outcome: ResponseOutcome, refusal?: string): void
  applied(type: string, facts: { readonly refused: number }): void
  failed(where: string, reason: string): void
  /** How far the peer says what it sends us is; undefined when it no longer tells. */
  peerCursor(cursor: SyncCursor | undefined): void
  /** Of what we send; undefined while we do not. */
  readonly cursor: SyncCursor | undefined
  progress(): SyncProgress
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

const longestText = 1_000

/** Nothing has happened yet. */
export function createSyncJournal(clock: Pick<Clock, 'now'>): SyncJournal {
  const sent = new Map<string, Mutable<SentType>>()
  const received = new Map<string, Mutable<ReceivedType>>()
  let source: (() => SyncCursor | undefined) | undefined
  let theirs: SyncCursor | undefined
  let lastError: SyncFailure | undefined

  const failed = (where: string, reason: string): void => {
    lastError = { time: timestamp(clock.now()), where, reason: reason.slice(0, longestText) }
  }
  return {
    sending: (cursor) => {
      source = cursor
      return () => {
        if (source === cursor) source = undefined
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
    failed,
    peerCursor: (cursor) => {
      theirs = cursor
    },
    get cursor() {
      return source?.()
    },
    progress: () => {
      const cursor = source?.()
      return {
        sending: { ...(cursor ? { cursor } : {}), types: byType(sent) },
        receiving: { ...(theirs ? { cursor: theirs } : {}), types: byType(received) },
        ...(lastError ? { lastError } : {}),
      }
    },
  }
}

function byType<T extends { readonly type: string }>(counted: ReadonlyMap<string, T>): readonly T[] {
  return [...counted.values()].map((entry) => ({ ...entry })).sort((a, b) => (a.type < b.type ? -1 : 1))
}
