// What the sending half of a stream is made from.
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import type { Store } from '@weft/store'
import type { ChangeFeed } from './change-feed.ts'
import type { Outgoing } from './outgoing.ts'
import type { Quarantine } from './quarantine.ts'
import type { ReaderWatch } from './reader-watch.ts'
import type { SendingTrace } from './sending-trace.ts'

/** What sending needs. */
export interface SenderOptions {
  readonly outgoing: Outgoing
  readonly store: Pick<Store, 'get' | 'list' | 'seq'>
  readonly feed: ChangeFeed
  readonly clock: Clock
  readonly log: Logger
  /** `control_plane.identifier` of the responses. */
  readonly identifier: string
  /** The peer takes a first list in several responses. */
  readonly chunked: boolean
  /** The peer compares digests with what it holds, and asks again for a type that differs. */
  readonly digests?: boolean
  /** The peer is told up to which change of the store it has all of a type. */
  readonly positions?: boolean
  /** Follows changes to their end. */
  readonly trace?: SendingTrace
  /** Hands bytes to the transport; false when it is full until `drained`. */
  write(bytes: Uint8Array): boolean
  count(type: string, outcome: 'sent' | 'acknowledged' | 'rejected', failure?: string): void
  /** Where what the peer refuses is kept with its reason. */
  readonly quarantine?: Quarantine
  /**
   * Resolves when this side has all it will ever know again of an earlier life. Only then does it say that recalled resources are gone;
   * never when absent.
   */
  readonly recovered?: Promise<void>
  /**
   * Shortest time between two deltas of a type, ms; 0 when absent. The first change after a quiet time goes at once; under churn changes of
   * the same keys then travel together.
   */
  readonly paceMs?: (type: string) => number
  /** Judges how long the peer takes to answer. */
  readonly reader: Pick<ReaderWatch, 'asked' | 'answered'>
}
