// How large what is sent of a type is, against the largest message a peer takes. A stock peer takes the first response for the whole list, so
// a list that does not fit cannot be sent to it at all; own peers get it in parts, and only a single resource can be too large.
import type { Encoded } from './outgoing.ts'
import { frameTooLarge, maxMessageBytes } from './wire.ts'

/** A type that is large enough to be watched. */
export interface TypeSize {
  readonly type: string
  readonly bytes: number
  readonly count: number
  readonly limitBytes: number
  /** large: half of the limit or more. over: a reconnect would not fit. withheld: the list is not sent, the peer keeps what it has. */
  readonly state: 'large' | 'over' | 'withheld'
  /** The five largest, by wire name. */
  readonly largest: readonly { readonly name: string; readonly bytes: number }[]
}

/** What a response may carry; the rest of the message is small. */
export const listLimitBytes = maxMessageBytes - 4096

/** Too large for any message. */
export function isTooLarge(entry: Encoded): boolean {
  return entry.frame.length > listLimitBytes
}

/** What an own peer gets instead of a resource that is too large: it keeps its last state and says so. */
export function withoutTooLarge(entries: readonly Encoded[]): readonly Encoded[] {
  return entries.some(isTooLarge)
    ? entries.map((entry) => (isTooLarge(entry) ? { ...entry, frame: frameTooLarge(entry.name, entry.version) } : entry))
    : entries
}

/** What there is of a type on one stream. */
export interface Sized {
  readonly type: string
  readonly bytes: number
  readonly count: number
  readonly isWithheld: boolean
  entries(): Iterable<Encoded>
}

/** The size as it is shown; undefined while it is nothing to think of. `chunked`: only single resources can be too large. */
export function sizeOf(sized: Sized, chunked: boolean): TypeSize | undefined {
  const { type, bytes, count, isWithheld } = sized
  const tooLarge = chunked && [...sized.entries()].some(isTooLarge)
  if (!tooLarge && (chunked || bytes < listLimitBytes / 2)) return undefined
  return {
    type,
    bytes,
    count,
    limitBytes: maxMessageBytes,
    state: isWithheld || tooLarge ? 'withheld' : bytes > listLimitBytes ? 'over' : 'large',
    largest: largestOf(sized.entries()),
  }
}

function largestOf(entries: Iterable<Encoded>): TypeSize['largest'] {
  return [...entries]
    .map(({ name, frame }) => ({ name, bytes: frame.length }))
    .sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1))
    .slice(0, 5)
}
