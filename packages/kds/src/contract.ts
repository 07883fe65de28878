// What the sync package asks of its surroundings and offers to them. Nothing here knows gRPC.
import type { Component } from '@weft/foundation/lifecycle'
import type { Resource, ResourceKey } from '@weft/resources'
import type { ClientCertificate } from './client-certificate.ts'
import type { SyncRefusal } from './sync-journal.ts'
import type {
  Adoption,
  ChangeReport,
  ChangeSelection,
  GlobalComparison,
  GlobalSync,
  ReachabilityEntry,
  ZoneLivenessView,
  ZoneSync,
} from './sync-status.ts'

/** The long-lived streams of a zone, named as the fields of `ZoneInsight.kdsStreams` (contract/kds.md section 11). */
export type ZoneStream = 'globalToZone' | 'zoneToGlobal' | 'configDump' | 'stats' | 'clusters'

/** Version of a control plane as it announces itself (contract/kds.md section 3.2). */
export interface PeerVersion {
  readonly version: string
  readonly gitTag: string
  readonly gitCommit: string
  readonly buildDate: string
}

/** One stream on which this side sends resources: GlobalToZoneSync at global, ZoneToGlobalSync at a zone. */
export interface ZoneSubscription {
  /** UUID of the stream. */
  readonly id: string
  readonly zone: string
  /** RFC 3339. */
  readonly connectTime: string
  /** Exactly one authorization value came with the stream. */
  readonly authTokenProvided: boolean
  /** By what the zone came in; absent at a zone. */
  readonly credential?: ZoneCredential
}

/** What the first request on a stream says about the peer. */
export interface PeerDescription {
  readonly version: PeerVersion
  /** Sanitised configuration of the peer as JSON text; '' when it sends none. */
  readonly config: string
  readonly instanceId: string
}

/**
 * Keeps ZoneInsights. Called synchronously on every event and must not throw or block: the implementation coalesces counters and writes
 * opening, description and closing at once.
 */
export interface ZoneStatusRecorder {
  subscriptionOpened(subscription: ZoneSubscription): void
  subscriptionDescribed(zone: string, id: string, description: PeerDescription): void
  /** `failure` is the text of a NACK. */
  responseCounted(zone: string, id: string, type: string, outcome: 'sent' | 'acknowledged' | 'rejected', failure?: string): void
  subscriptionClosed(zone: string, id: string, disconnectTime: string): void
  /** The zone of a subscription that was closed because nothing was heard of it is back on the same stream. */
  subscriptionReopened(zone: string, id: string): void
  streamOpened(zone: string, stream: ZoneStream, connectTime: string): void
  streamClosed(zone: string, stream: ZoneStream, disconnectTime: string): void
  healthChecked(zone: string, time: string): void
}

/** A recorder that keeps nothing. */
export const silentRecorder: ZoneStatusRecorder = {
  subscriptionOpened: () => {},
  subscriptionDescribed: () => {},
  responseCounted: () => {},
  subscriptionClosed: () => {},
  subscriptionReopened: () => {},
  streamOpened: () => {},
  streamClosed: () => {},
  healthChecked: () => {},
}

/** What can be asked of an Envoy. */
export type AdminKind = 'configDump' | 'stats' | 'clusters'

/** Details of a question; each counts only for the kinds it names. */
export interface AdminOptions {
  /** Config dump: with endpoints. */
  readonly includeEds?: boolean
  /** Stats and clusters. */
  readonly format?: 'text' | 'json'
  /** Stats: only those that were written. */
  readonly usedOnly?: boolean
}

/** Reaches the admin interface of the Envoys of this zone. */
export interface EnvoyAdmin {
  /** The answer of the proxy of this Dataplane. Rejects with a message for the operator. */
  ask(kind: AdminKind, proxy: ResourceKey, options: AdminOptions): Promise<Uint8Array>
}

/** By what a zone came in: its token, its client certificate, or nothing. */
export type ZoneCredential = 'zoneToken' | 'certificate' | 'none'

/** A zone that may come in. */
export interface Admitted {
  readonly admitted: true
  readonly credential: ZoneCredential
  /** Until when the credential is good, in milliseconds since the epoch. */
  readonly expiresAt: number | undefined
}

/** The reason is shown to the zone. `later`: it cannot be decided yet, so what was admitted before stays. */
export type AdmitDecision = Admitted | { readonly admitted: false; readonly reason: string; readonly later?: boolean }

/** Who asks to be a zone. */
export interface AdmitRequest {
  readonly zone: string
  /** `host:port` as the transport reports it. */
  readonly peerAddress: string
  /** Its address alone. */
  readonly peerHost: string
  /** The connection is TLS. */
  readonly encrypted: boolean
  /** Every value of the authorization header. */
  readonly authorization: readonly string[]
  /** What was presented in the handshake: its names once verified, or why it is not. */
  readonly certificate: ClientCertificate | { readonly problem: string } | undefined
}

/** Decides whether a peer may act as a zone. A rejection or a throw refuses the stream. */
export type AdmitZone = (request: AdmitRequest) => AdmitDecision | Promise<AdmitDecision>

/** Why something is held: its origin came back as another incarnation, or a list lacked too much at once. */
export type HoldReason = 'incarnation' | 'mass-deletion'

/** kept: someone rejected the deletion; it stays until its origin lists it again, or someone approves after all. */
export type HoldState = 'held' | 'kept'

/** Keys whose deletion waits for someone's word; the resources stay in use (architecture.md section 7). */
export interface HeldResources {
  /** The zone they came from at global; 'global' at a zone. */
  readonly origin: string
  readonly type: string
  readonly reason: HoldReason
  readonly state: HoldState
  /** RFC 3339. */
  readonly since: string
  readonly keys: readonly ResourceKey[]
}

/** A resource that a zone gets without these fields. */
export interface LeftOut extends ResourceKey {
  readonly fields: readonly string[]
}

/** Some of what is held; everything that an absent field would tell apart. */
export interface HeldSelection {
  readonly origin?: string
  readonly type?: string
  readonly mesh?: string
  readonly name?: string
}

/** A control plane that says it is a zone whose place is taken. */
export interface DuplicateZone {
  /** Its `control-plane-id`; '' when it did not say. */
  readonly instanceId: string
  readonly address: string
  /** RFC 3339 of when it was last refused. */
  readonly lastSeen: string
}

/** A zone with open streams here. */
export interface ConnectedZone {
  readonly zone: string
  readonly peerAddress: string
  /** By what it came in; `none` is a zone that did not prove who it is. */
  readonly credential: ZoneCredential
  /** Another control plane claims to be this zone and is refused. */
  readonly duplicate: DuplicateZone | undefined
  readonly streams: readonly ZoneStream[]
  /** An own peer, known by its store id; a stock one has none. */
  readonly storeId: string | undefined
  readonly description: PeerDescription | undefined
  /** It is of the 2.x line and gets what it is sent in another form. */
  readonly secondGeneration: boolean
  /** True when every type the zone subscribed to is answered and accepted in its present state. */
  readonly inSync: boolean
}

/** The end at a global control plane. */
export interface KdsServer extends Component {
  /** Bound port; 0 before start. */
  readonly port: number
  zones(): readonly ConnectedZone[]
  /** Every Zone with its state and how far sync with it is. */
  status(): readonly ZoneSync[]
  liveness(zone: string): ZoneLivenessView
  /** Whether the control plane that acts for this zone over this replica answers; false when none does. */
  isAnswering(zone: string): Promise<boolean>
  /** Every resource that a zone refuses, or that is refused here of one. */
  refusals(): readonly SyncRefusal[]
  /** The newest changes of what zones get, newest first, and how far each zone is. */
  changes(selection: ChangeSelection): ChangeReport
  /** What each own zone last said of the way to the others. */
  reachability(): ReadonlyMap<string, readonly ReachabilityEntry[]>
  /**
   * Asks the Envoy of a Dataplane of this zone through the zone's admin stream. Rejects with kds/not-connected when the zone has no such
   * stream, with kds/admin-failed when the zone answers with an error or not in time (10 s).
   */
  ask(
    zone: string,
    kind: AdminKind,
    proxy: Pick<Resource, 'type' | 'mesh' | 'name' | 'labels'>,
    options?: AdminOptions,
  ): Promise<Uint8Array>
  /** What a connected zone of the 2.x line gets without some of its fields, because it could not honour them; nothing for other zones. */
  leftOut(zone: string): readonly LeftOut[]
  held(): readonly HeldResources[]
  /** Deletes what is held. Resolves with the number deleted. */
  approveRemoval(which: HeldSelection): Promise<number>
  /** Keeps what is held. Resolves with the number kept. */
  rejectRemoval(which: HeldSelection): Promise<number>
}

/** Connection of a zone to its global. */
export interface GlobalConnection {
  /** `fenced`: another process of this zone took over, so this one does not dial. `other-global`: what answers is not the global of this zone. */
  readonly state: GlobalSync['state']
  /** The global is an own peer, stock, or not known yet. */
  readonly peer: 'own' | 'stock' | 'unknown'
  /** RFC 3339 of the last state change. */
  readonly since: string
  readonly lastError: string | undefined
  /** Types whose complete first list was applied since this process started. */
  readonly listed: readonly string[]
  /** True when every type has been listed since this process started. */
  readonly complete: boolean
}

/** What an own global still has of an earlier life of this zone. Names are those of the wire: `<name>-<hash>.<mesh>`. */
export interface ReturnedDataplanes {
  /** Those of a mesh that have not come back; undefined when none of the mesh were returned, so that nothing is known. */
  missingOf(mesh: string): ReadonlySet<string> | undefined
  /** Whether a Dataplane stored here is one of them. */
  has(dataplane: Resource): boolean
}

/** The end at a zone control plane. */
export interface KdsClient extends Component {
  connection(): GlobalConnection
  /** Takes the right to act for the zone back after another process took over, and dials. Does nothing otherwise. */
  rejoin(): Promise<void>
  /** The global this zone belongs to, and the other one that answers in its place. */
  adoption(): Adoption
  /**
   * Asks the other global that answers what it has for this zone, and compares; nothing is taken and nothing told. Rejects with kds/other-global
   * when no other global answers, with kds/not-connected when it does not list in time (15 s).
   */
  compare(): Promise<GlobalComparison>
  /**
   * Makes the other global that answers the one of this zone; `actor` goes into the change log. Does nothing for the present one. Rejects with
   * kds/other-global when the global that was last found is not the one named.
   */
  adopt(clusterId: string, actor: string): Promise<void>
  status(): GlobalSync
  /** Every resource that global refuses, or that is refused here of it. */
  refusals(): readonly SyncRefusal[]
  /** Called after every change of `connection()`. */
  onConnection(listener: (connection: GlobalConnection) => void): () => void
  /** Undefined while no own global has returned any since this process started. A change is told as one of the connection. */
  returned(): ReturnedDataplanes | undefined
  /** Says which roots (`trustedName`) all connected proxies of this zone accept. Only own globals are told. */
  reportTrusted(names: ReadonlySet<string>): void
  /**
   * Whether all other zones that are waited for trust a root of this zone: as an own global last told, false while it is away or unknown;
   * true under a stock global. A change is told as one of the connection.
   */
  isTrustedElsewhere(name: string): boolean
  held(): readonly HeldResources[]
  approveRemoval(which?: HeldSelection): Promise<number>
  rejectRemoval(which?: HeldSelection): Promise<number>
}
