// A change log that several stores share. Whoever writes must have read everything before it: a write names the number it follows.
import type { Resource } from '@weft/resources'
import type { Change } from './contract.ts'
import type { WriteLease } from './lease-table.ts'

/** An entry as it was logged. What was there before it is known to who has read all before it. */
export interface JournalEntry extends Omit<Change, 'before' | 'after'> {
  /** The value; absent for deletes, and for observed changes that a later change of the same key has overtaken. */
  readonly after?: Resource
}

/** Whole transactions in order. */
export interface JournalPart {
  readonly transactions: readonly (readonly JournalEntry[])[]
  /** Number of the last entry. */
  readonly head: number
}

export interface Snapshot {
  readonly seq: number
  readonly resources: readonly Resource[]
}

/** Rejections: `JournalRefusal` when the content of a write is at fault, anything else when the database is. */
export interface Journal {
  /** Number of the last committed entry. Rejects when the database is not the one that was opened. */
  head(): Promise<number>
  /** Everything after `after`, at least up to `head`; undefined when the log does not reach back that far any more. */
  read(after: number, head: number): Promise<JournalPart | undefined>
  /** Whether all these leases have their epochs at the moment. */
  holds(leases: readonly WriteLease[]): Promise<boolean>
  /**
   * Writes if `after` is still the last number and all of `leases` have their epochs until the write is committed; else resolves with false
   * and has written nothing.
   */
  append(after: number, transactions: readonly (readonly Change[])[], leases: readonly WriteLease[]): Promise<boolean>
  /**
   * Waits for the turn to write, hands out what others wrote since `after` and which of `leases` have their epochs until the commit, and
   * writes what `plan` makes of it: the way for who was overtaken or lost a lease. Resolves with false, and nothing written, when the log
   * does not reach back that far any more.
   */
  appendInTurn(
    after: number,
    plan: (others: JournalPart, holds: (lease: WriteLease) => boolean) => readonly (readonly Change[])[],
    leases: readonly WriteLease[],
  ): Promise<boolean>
  /** The whole state at one number. */
  load(): Promise<Snapshot>
  close(): Promise<void>
}

/** The database does not take this content, however often it is sent. */
export class JournalRefusal extends Error {
  override readonly name = 'JournalRefusal'
}
