// The chain of desired entries: each entry's hash covers its own content and the sequence number and hash of the one before, so entries of
// class observed between them can go without breaking it.
import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { HistoryKey } from './history-key.ts'
import type { ChainPoint, ChainReport } from './history.ts'

/** A desired entry as it lies in the log. Bodies are texts: what is hashed is what is kept. */
export interface LoggedEntry {
  readonly seq: number
  readonly time: string
  readonly actor: string
  readonly reason: string
  readonly op: string
  readonly type: string
  readonly mesh: string
  readonly name: string
  readonly before: string | null
  readonly after: string | null
}

export const chainStart: ChainPoint = { seq: 0, hash: '' }

/** Hash of an entry that follows `previous`; SHA-256 in hexadecimal. */
export function entryHash(entry: LoggedEntry, previous: ChainPoint): string {
  const { seq, time, actor, reason, op, type, mesh, name, before, after } = entry
  return createHash('sha256')
    .update(JSON.stringify([previous.seq, previous.hash, seq, time, actor, reason, op, type, mesh, name, before, after]))
    .digest('hex')
}

/** The text that a signature of a point covers. `store`: the store's id, so that points of other stores do not pass. */
export function pointText(store: string, kind: 'checkpoint' | 'head', { seq, hash }: ChainPoint): string {
  return JSON.stringify([store, kind, seq, hash])
}

/** A point and who vouches for it. */
export interface SignedPoint extends ChainPoint {
  readonly signature: string
}

/** A point signed for its store and place. */
export function signPoint(key: HistoryKey, store: string, kind: 'checkpoint' | 'head', { seq, hash }: ChainPoint): SignedPoint {
  return { seq, hash, signature: key.sign(pointText(store, kind, { seq, hash })) }
}

/** A desired entry with its place in the chain. */
export interface ChainedEntry extends LoggedEntry {
  /** Sequence number that it names as the one before it. */
  readonly previous: number
  readonly hash: string
}

export interface WalkOptions {
  /** Id of the store. */
  readonly id: string
  readonly key: HistoryKey
  readonly checkpoint: SignedPoint
  readonly end: SignedPoint
  /** Some desired entries after one number up to another, in order; none when there are no more. */
  page(after: number, upTo: number): Promise<readonly ChainedEntry[]>
}

const maxProblems = 20

/** Walks from a checkpoint to the end, and goes on from what it finds where something does not fit. */
export async function walkChain({ id, key, checkpoint, end, page }: WalkOptions): Promise<ChainReport> {
  const problems: string[] = []
  const note = (problem: string): void => {
    if (problems.length < maxProblems) problems.push(problem)
  }
  const requireSignature = (kind: 'head' | 'checkpoint', { signature, ...point }: SignedPoint): void => {
    if (point.seq > 0 && !key.isSigned(pointText(id, kind, point), signature))
      note(`the ${kind} at ${point.seq} is not signed with the key at hand`)
  }
  requireSignature('checkpoint', checkpoint)
  const from: ChainPoint = { seq: checkpoint.seq, hash: checkpoint.hash }
  let at = from
  let entries = 0
  for (let rows = await page(at.seq, end.seq); rows.length > 0; rows = await page(at.seq, end.seq)) {
    for (const entry of rows) {
      const { seq, op, type, mesh, name, previous, hash } = entry
      if (previous !== at.seq) note(`entry ${seq} follows ${previous}, but the one before it is ${at.seq}`)
      else if (entryHash(entry, at) !== hash) note(`entry ${seq} (${op} ${type} ${mesh}/${name}) was altered`)
      entries += 1
      at = { seq, hash }
    }
    await nextTurn()
  }
  if (end.seq !== at.seq || end.hash !== at.hash) note(`the chain ends at ${at.seq}, its head names ${end.seq}`)
  requireSignature('head', end)
  return { ok: problems.length === 0, entries, from, head: at, problems }
}
