// Rows of the log as every durable driver answers them, as entries of the history and as links of the chain.
import type { HistoryBodies } from './history-bodies.ts'
import type { ChainedEntry, LoggedEntry } from './history-chain.ts'
import type { HistoryEntry } from './history.ts'

/** Numbers may come as text; `hash` is in hexadecimal. */
export interface HistoryRow extends Omit<LoggedEntry, 'seq'> {
  readonly seq: number | string
  readonly class: string
  /** Only of class desired, as `hash`. */
  readonly previous: number | string | null
  readonly hash: string | null
}

/** Entries of the history. `isOpened`: sealed specs are opened, as far as the key does. */
export function historyEntries(rows: readonly HistoryRow[], bodies: HistoryBodies, isOpened: boolean): readonly HistoryEntry[] {
  return rows.map((row) => {
    const { type, mesh, name, before, after, hash } = row
    const seq = Number(row.seq)
    return {
      seq,
      time: row.time,
      class: row.class === 'desired' ? 'desired' : 'observed',
      actor: row.actor,
      reason: row.reason,
      op: row.op === 'put' ? 'put' : 'delete',
      key: { type, mesh, name },
      ...(before === null ? {} : { before: bodies.read(before, { type, seq, part: 'before' }, isOpened) }),
      ...(after === null ? {} : { after: bodies.read(after, { type, seq, part: 'after' }, isOpened) }),
      ...(hash === null ? {} : { hash }),
    }
  })
}

/** A link of the chain: what its hash covers, as it lies in the log. */
export function chainedEntry(row: HistoryRow): ChainedEntry {
  const { seq, class: _, previous, hash, ...entry } = row
  return { ...entry, seq: Number(seq), previous: Number(previous), hash: hash ?? '' }
}
