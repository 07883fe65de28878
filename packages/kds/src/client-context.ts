// What the streams of one session share, and what survives a session.
import type { status } from '@grpc/grpc-js'
import type { Logger } from '@weft/foundation/log'
import type { ChangeFeed } from './change-feed.ts'
import type { KdsClientOptions } from './client.ts'
import type { AcceptedVersions } from './delta-receiver.ts'
import type { GlobalChannel } from './global-channel.ts'
import type { GlobalGate } from './global-gate.ts'
import type { PinMemory } from './global-pin.ts'
import type { OriginLedger } from './origin-ledger.ts'
import type { ZoneOutgoing } from './outgoing-to-global.ts'
import type { Self } from './peer.ts'
import type { ReceivedProgress } from './received-progress.ts'
import type { RecallMemory } from './returned-dataplanes.ts'
import type { SyncJournal } from './sync-journal.ts'
import type { SyncMetrics } from './sync-metrics.ts'

/** Kept from session to session, for as long as the process lives. */
export interface SessionMemory {
  readonly accepted: AcceptedVersions
  readonly ledger: OriginLedger
  /** Types whose complete first list was applied. */
  readonly listed: Set<string>
  /** Meshes that global deleted in deltas. */
  readonly deletedMeshes: Set<string>
  /** As far as the last connection told. */
  peer: 'own' | 'stock' | 'unknown'
  /** Store id of an own global at the last connection. */
  storeId: string | undefined
  readonly recall: RecallMemory
  /** How far this zone is with what an own global sends. */
  readonly progress: ReceivedProgress
  /** The global this zone belongs to. */
  readonly pin: PinMemory
  /** Roots that all connected proxies here accept; undefined before anyone said. */
  trusted: ReadonlySet<string> | undefined
  /** Own roots that all other zones trust, as an own global told on the present connection. */
  trustedElsewhere: ReadonlySet<string>
  /** When an own global last pinged on the present connection. */
  lastPing: { readonly time: string; readonly monotonic: number } | undefined
  /** Tells an own global what is trusted here; does nothing while there is none. */
  tellTrusted(): void
}

/** What every stream of a session may use. */
export interface StreamContext {
  readonly client: KdsClientOptions
  readonly log: Logger
  readonly self: Self
  readonly channel: GlobalChannel
  readonly memory: SessionMemory
  /** What is behind it is the global this zone belongs to. */
  readonly gate: GlobalGate
  readonly outgoing: ZoneOutgoing
  readonly feed: ChangeFeed
  readonly metrics: SyncMetrics
  readonly journal: SyncJournal
  /** A sync stream got its first answer: at the other end is a global. Told on every stream. */
  established(): void
  /** `memory` has changed. */
  changed(): void
}

/** Told once when a stream ends by itself or by its peer; not after `stop`. */
export type Ended = (code: status, details: string) => void

/** An open stream. */
export interface RunningStream {
  stop(): void
}
