// What a sending stream tells of its progress to whoever follows single changes to their end. Positions are sequence numbers of the sender's
// store: at a position the peer has, or is about to get, everything of a type up to that change.
import type { Change } from '@weft/store'
import type { SendingType } from './sending-type.ts'

/** Follows one stream. Called in the middle of the stream's work: takes note and returns. */
export interface SendingTrace {
  /**
   * All of the type up to `upTo` is on its way, or the peer has it. `carries`: whether a key (`mesh/name`) was sent since the last call for
   * this type; what was not sent is nothing the peer gets.
   */
  sent(type: string, what: { readonly upTo: number; carries(key: string, op: Change['op']): boolean }): void
  /** The peer answered for all of the type up to `upTo`, and stored it except for the keys that it refuses. */
  answered(type: string, what: { readonly upTo: number; isRefused(key: string): boolean }): void
}

/** Tells that everything of a type up to a position was sent, and starts to gather anew. */
export function traceSent(trace: SendingTrace | undefined, state: SendingType, upTo: number): void {
  const { carried, isListCarried } = state
  // a deletion is in a list by what the list lacks
  trace?.sent(state.type, {
    upTo,
    carries: (key, op) => carried.has(key) || (isListCarried && (op === 'delete' || state.knows(key))),
  })
  carried.clear()
  state.isListCarried = false
}
