// A change log that several stores share. Whoever writes must have read everything before it: a write names the number it follows.
import type { Resource } from '@weft/resources'
import type { Change } from './contract.ts'

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
  /** Writes if `after` is still the last number, else resolves with false and has written nothing. */
  append(after: number, transactions: readonly (readonly Change[])[]): Promise<boolean>
  /**
   * Waits for the turn to write, hands out what others wrote since `after`, and writes what `plan` makes of it: the way for who was
   * overtaken. Resolves with false, and nothing written, when the log does not reach back that far any more.
   */
  appendInTurn(after: number, plan: (others: JournalPart) => readonly (readonly Change[])[]): Promise<boolean>
  /** The whole state at one number. */
  load(): Promise<Snapshot>
  close(): Promise<void>
}

/** The database does not take this content, however often it is sent. */
export class JournalRefusal extends Error {
  override readonly name = 'JournalRefusal'
}
