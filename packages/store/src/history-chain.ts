// The chain of desired entries: each entry's hash covers its own content and the sequence number and hash of the one before, so entries of
// class observed between them can go without breaking it.
import { createHash } from 'node:crypto'
import type { ChainPoint } from './history.ts'

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
