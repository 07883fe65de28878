// What the receiving half of a stream needs, and whom it tells.
import type { AppError } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock } from '@weft/foundation/time'
import type { Registry, ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import type { ChangeFeed } from './change-feed.ts'
import type { Explain } from './explained-deletions.ts'
import type { Incoming } from './incoming.ts'
import type { MassDeleteGuard } from './mass-delete-guard.ts'
import type { OriginLedger } from './origin-ledger.ts'
import type { Quarantine } from './quarantine.ts'
import type { DeltaResponse, NodeValue } from './wire.ts'

/** Wire names and versions that were accepted, by type: what a later stream may resume from. */
export type AcceptedVersions = Map<string, Map<string, string>>

/** What receiving needs. */
export interface ReceiverOptions {
  readonly registry: Registry
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly incoming: Incoming
  readonly ledger: OriginLedger
  readonly guard: MassDeleteGuard
  /** Deletions that the guard does not count. */
  readonly explain?: Explain
  /** A delta, not a list, says that these are deleted; told before the guard looks at them. */
  deleting?(keys: readonly ResourceKey[]): void
  /** Node of the first request of each type. */
  readonly node: NodeValue
  /** Kept by the caller beyond this stream. */
  readonly accepted: AcceptedVersions
  /** Subscribe with what was accepted before. */
  readonly resume: boolean
  /** The peer is asked whether what is held is all there is, before versions or a list travel; only own peers answer that. */
  readonly offersDigest?: boolean
  /** Name to the origin what is held here of an earlier incarnation, so that it can say later that this is really gone. */
  readonly recall?: boolean
  /** Where what cannot be accepted is kept with its reason. */
  readonly quarantine?: Quarantine
  /** Changes of the store, to know what is held when the peer tells what should be; without it digests are not compared. */
  readonly feed?: ChangeFeed
  /** What is held differs from what the peer says that it sent; the type is asked for again. */
  drifted?(type: string): void
  /** Tell the peer which resources of a response were refused, each with its reason; only own peers understand that. */
  namesRefusals?(): boolean
  write(bytes: Uint8Array): boolean
  pause(): void
  proceed(): void
  /** Ends the stream: the peer cannot be understood, or this side cannot go on. */
  fail(error: AppError): void
  /** A response of a type that is no resource kind. False when nobody knows it: it is refused then. */
  other?(response: DeltaResponse): boolean
  /** The complete first list of a type was applied. */
  listed?(type: string): void
  /**
   * What a response says is in the store, except for what is refused. `position`: with it all of the type up to this change of the origin;
   * `origins`: by key (`mesh/name`) the change that made each resource, as far as an own peer told.
   */
  arrived?(type: string, what: { readonly position: number | undefined; readonly origins: ReadonlyMap<string, number> }): void
  /** A response of a type was applied. */
  applied?(type: string, facts: { readonly ms: number; readonly refused: number }): void
}
