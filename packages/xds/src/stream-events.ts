// What a stream tells its owner. Handlers are called in the middle of the stream's work: they take note and return.
import type { XdsType } from './contract.ts'
import type { SentResource } from './subscription.ts'

/**
 * Why a stream is over. `ended`: the proxy finished it; `cancelled`: it was reset, or its
 * connection ended one way or another; `refused`: it broke the protocol; `stopped`: the service stopped; `failed`: a fault of our own.
 */
export type CloseReason = 'ended' | 'cancelled' | 'refused' | 'stopped' | 'failed'

export interface AckEvent {
  readonly type: XdsType
  readonly nonce: string
  readonly removed: readonly string[]
}

export interface NackEvent {
  readonly type: XdsType
  readonly nonce: string
  /** The proxy's own words. */
  readonly error: string
  /** Every resource of the response. */
  readonly names: readonly string[]
  /** Those that are at fault and not sent again until they change; empty while the culprit is still being looked for. */
  readonly rejected: readonly string[]
}

export interface SentEvent {
  readonly type: XdsType
  readonly nonce: string
  readonly updates: readonly SentResource[]
  readonly removed: readonly string[]
  readonly sizeBytes: number
}

export interface StreamEvents {
  onSent?(event: SentEvent): void
  onAck?(event: AckEvent): void
  onNack?(event: NackEvent): void
  /** A listener went out although the proxy has not accepted these clusters that it names. */
  onListenerForced?(listener: string, clusters: readonly string[]): void
  /** The last call. */
  onClosed?(reason: CloseReason): void
}

/** Responses of one type so far: contract/dataplane.md section 6.5. */
export interface TypeCounters {
  readonly responsesSent: number
  readonly responsesAcknowledged: number
  readonly responsesRejected: number
}
