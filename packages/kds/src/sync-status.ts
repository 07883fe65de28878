// What both ends show of sync: `GET /_weft/sync` is exactly this. Plain data.
import type { DuplicateZone, LeftOut, ZoneCredential, ZoneStream } from './contract.ts'
import type { GlobalIdentity, GlobalPin } from './global-pin.ts'
import type { SyncProgress } from './sync-journal.ts'

/**
 * Online: heard, and in sync. Degraded: heard, but something is late or refused. Unknown: nothing was heard for too long and it did not
 * leave. Offline: it left, or was never here. Disabled: an operator took it out; `connection` tells the rest.
 */
export type ZoneState = 'Online' | 'Degraded' | 'Unknown' | 'Offline' | 'Disabled'

/** How a zone is, from what was heard of it. */
export interface ZoneLivenessView {
  readonly state: ZoneState
  readonly connection: Exclude<ZoneState, 'Disabled'>
  /** RFC 3339; absent when it was never heard. */
  readonly lastHeard?: string
  /** Time since then. */
  readonly ageMs?: number
  /** Why it is Degraded. */
  readonly reasons: readonly string[]
}

/** The connection of a zone. */
export interface ZoneSessionView {
  readonly peer: 'own' | 'stock'
  readonly address: string
  /** By what it came in; `none` did not prove who it is. */
  readonly credential: ZoneCredential
  /** Another control plane says it is this zone and is refused. */
  readonly duplicate?: DuplicateZone
  readonly instanceId: string
  readonly version: string
  readonly streams: readonly ZoneStream[]
  /** RFC 3339. */
  readonly since?: string
  /** Of the last ping; only own peers answer pings. */
  readonly roundTripMs?: number
}

/** A zone as its global sees it. */
export interface ZoneSync extends ZoneLivenessView, SyncProgress {
  readonly zone: string
  readonly session?: ZoneSessionView
  /** What a zone of the 2.x line gets without some of its fields. */
  readonly leftOut?: readonly LeftOut[]
}

/** What a zone has from its global: of one type. */
export interface OwnedType {
  readonly type: string
  readonly count: number
  /** `mesh/name` or `name`, sorted; the first few. */
  readonly names: readonly string[]
}

/** A global that is not the one of this zone. Nothing of it is received and nothing sent to it. */
export interface OtherGlobalView extends GlobalIdentity {
  readonly code: 'kds/other-global'
  /** `host:port` where it answers. */
  readonly address: string
  /** RFC 3339 of when it was first found. */
  readonly since: string
  /** What came from the global of this zone. Adopting the other one overwrites what both have and holds what it does not list. */
  readonly owned: readonly OwnedType[]
  /** The command that adopts it. */
  readonly command: string
}

/** How many, and the first of them: `mesh/name` or `name`, sorted. */
export interface NamedCount {
  readonly count: number
  readonly names: readonly string[]
}

/** What adopting another global would do to the resources of a type. */
export interface TypeComparison {
  readonly type: string
  /** Here and there, with different contents. */
  readonly overwritten: NamedCount
  /** Only there. */
  readonly added: NamedCount
  /** From the former global, and not there: stays in use, and is held. */
  readonly held: NamedCount
  /** There, and cannot be taken: not valid, or of a name that this zone has given to its own. */
  readonly refused: NamedCount
}

/** A zone compared with what another global lists for it. */
export interface GlobalComparison {
  readonly clusterId: string
  /** Types with a difference, sorted. */
  readonly types: readonly TypeComparison[]
  /** Types whose list did not come in time. */
  readonly unanswered: readonly string[]
}

/** Whose zone this is. */
export interface Adoption {
  /** Absent before the first global. */
  readonly pin?: GlobalPin
  /** Absent unless another one answers. */
  readonly otherGlobal?: OtherGlobalView
}

/** A global as its zone sees it. */
export interface GlobalSync extends SyncProgress, Adoption {
  readonly address: string
  readonly peer: 'own' | 'stock' | 'unknown'
  /** other-global: what answers at the address is not the global of this zone (`otherGlobal`). */
  readonly state: 'connecting' | 'connected' | 'waiting' | 'fenced' | 'other-global' | 'stopped'
  /** RFC 3339 of the last change of state. */
  readonly since: string
  /** RFC 3339 of the last ping of an own global, and how long ago that was. */
  readonly lastPing?: string
  readonly pingAgeMs?: number
  /** Types whose complete list has not come since this process started. */
  readonly unlisted: readonly string[]
}

/**
 * reachable: the last probe was answered. failing: probes fail, and that alone moves no traffic. unreachable: other vantage points agree.
 * unknown: not probed yet.
 */
export type ReachabilityState = 'reachable' | 'failing' | 'unreachable' | 'unknown'

/** What a zone knows of the way to one ingress of another. */
export interface ReachabilityEntry {
  readonly zone: string
  /** `host:port`. */
  readonly address: string
  readonly state: ReachabilityState
  /** RFC 3339 of the last change of state. */
  readonly since: string
  readonly roundTripMs?: number
  /** The last failure, for people. */
  readonly problem?: string
  /** Meshes whose endpoints there are moved out of the way because of this. */
  readonly movedMeshes: readonly string[]
}

/** How far a change can come in a zone: in its store, sent to the last of its proxies, answered by the last of them. */
export type ProgressStage = 'stored' | 'pushed' | 'acked'

/** A change in one zone. */
export interface ChangeInZone {
  /** At a zone its own name, or `global`. */
  readonly zone: string
  /** waiting: not sent yet, as while the zone is away. refused: the zone does not take it. */
  readonly state: 'waiting' | 'sent' | 'refused' | ProgressStage
  /** Time from the commit of the change; absent while the stage is not reached. */
  readonly storedMs?: number
  readonly pushedMs?: number
  readonly ackedMs?: number
  /** So many proxies refused something when the last of them had answered. */
  readonly refusing?: number
}

/** A change of this store and how far it has come: an entry of `GET /_weft/changes`. */
export interface ChangeView {
  readonly seq: number
  /** RFC 3339. */
  readonly time: string
  readonly op: 'put' | 'delete'
  readonly actor: string
  readonly type: string
  readonly mesh: string
  readonly name: string
  /** What came from a peer: which change of the peer's store it is. */
  readonly originSeq?: number
  /** Only zones that get it. */
  readonly zones: readonly ChangeInZone[]
}

/** Up to which change everything of a type is sent, stored, pushed and acked. */
export interface TypePositions {
  readonly type: string
  readonly sent: number
  readonly stored: number
  readonly pushed: number
  readonly acked: number
  /** Proxies that refuse something. */
  readonly refusing: number
}

/** How far one zone is. */
export interface ZonePositions {
  readonly zone: string
  readonly types: readonly TypePositions[]
}

/** Which of the newest changes are asked for. Plain data: another replica may be asked. */
export interface ChangeSelection {
  readonly limit: number
  readonly type?: string
  readonly mesh?: string
  readonly name?: string
  /** Types that are not shown. */
  readonly without?: readonly string[]
}

/** What `GET /_weft/changes` shows. */
export interface ChangeReport {
  readonly items: readonly ChangeView[]
  readonly zones: readonly ZonePositions[]
  /** At a zone: proxies that are not done, the one that is waited for longest first; only the first few. */
  readonly proxies?: readonly WaitingProxy[]
}

/** A proxy that is not done with what it should have. */
export interface WaitingProxy {
  /** `mesh/name`. */
  readonly proxy: string
  /** unsent: something is still to be sent to it. unanswered: it did not answer. refused: it refuses something. */
  readonly what: 'unsent' | 'unanswered' | 'refused'
  /** The earliest change of this zone's store that it is waited for; absent for what is refused, which is not waited for. */
  readonly since?: number
}
