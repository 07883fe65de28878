// What a durable store remembers: who changed what, when and through what, with the values before and after. Invariant: entries of class
// desired form a chain, each naming the one before it by sequence number and hash, so that a missing or altered one shows.
import type { Labels } from '@weft/resources'
import type { Change, WriteClass } from './contract.ts'

export interface HistoryQuery {
  readonly type?: string
  readonly mesh?: string
  readonly name?: string
  /** Only of actors whose names start like this, such as `user:`. */
  readonly actorPrefix?: string
  readonly class?: WriteClass
  /** Only changes after this sequence number. */
  readonly afterSeq?: number
  /** Only changes before this sequence number. */
  readonly beforeSeq?: number
  /** `oldest` first by default. */
  readonly order?: 'oldest' | 'newest'
  /** 100 by default. */
  readonly limit?: number
}

/** A value in the history. */
export interface HistoryBody {
  readonly labels: Labels
  /** A `SealedSpec` for kinds that are kept sealed, when the key is not at hand. */
  readonly spec: unknown
  readonly status?: unknown
}

/** In the place of a spec that cannot be opened, or must not be shown: equal digests mean equal specs. */
export interface SealedSpec {
  readonly sealed: true
  readonly digest: string
}

/** One logged change: of class desired with its values, of class observed with its key only. */
export interface HistoryEntry extends Omit<Change, 'before' | 'after'> {
  readonly before?: HistoryBody
  readonly after?: HistoryBody
  /** Place in the chain; only of class desired. */
  readonly hash?: string
}

/** Where the chain of desired entries begins or ends. */
export interface ChainPoint {
  /** Of the desired entry; 0 before the first. */
  readonly seq: number
  /** SHA-256 in hexadecimal; '' before the first. */
  readonly hash: string
}

/** What a walk along the chain found. */
export interface ChainReport {
  readonly ok: boolean
  /** Desired entries walked over. */
  readonly entries: number
  /** Entries up to here were pruned; the walk began there. */
  readonly from: ChainPoint
  readonly head: ChainPoint
  /** What is wrong, in order; at most 20. */
  readonly problems: readonly string[]
}

export interface History {
  /** Resolves with the sequence number after which all desired changes are here. */
  start(): Promise<number>
  /** Entries that fit, specs of sealed kinds as `SealedSpec`. */
  entries(query?: HistoryQuery): Promise<readonly HistoryEntry[]>
  /** The same with sealed specs opened, as far as the key is at hand: for writing them back, never for showing. */
  opened(query?: HistoryQuery): Promise<readonly HistoryEntry[]>
  /** Sequence number of the last change at or before an RFC 3339 time in UTC; 0 before the first. */
  seqAt(time: string): Promise<number>
  /** Walks the chain from the last checkpoint to its head. Reads in steps; changes committed meanwhile are not looked at. */
  verify(): Promise<ChainReport>
}

/** Whether a spec of the history is sealed. */
export function isSealed(spec: unknown): spec is SealedSpec {
  return typeof spec === 'object' && spec !== null && 'sealed' in spec && 'digest' in spec
}
