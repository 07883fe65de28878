// What the API server is given. Everything it does not do itself comes through these interfaces, so tests and roles differ only here.
import type { Readable } from 'node:stream'
import type { Attempts, Budget } from '@weft/foundation/budget'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import type { TokenIssuer } from '@weft/identity'
import type { InspectionSource, RejectedPolicy } from '@weft/inspect'
import type { Registry, Resource } from '@weft/resources'
import type { History, Store } from '@weft/store'
import type { ApiRoute } from './api-route.ts'

/** Who asks. Known system names: contract/rest-cli-gui.md section 7.1. */
export interface ApiUser {
  readonly name: string
  readonly groups: readonly string[]
}

/** Role and identity of this control plane. */
export interface ControlPlaneIdentity {
  readonly mode: 'global' | 'zone'
  /** '' on global. */
  readonly zone: string
  /** A zone with a global. */
  readonly federated: boolean
  readonly environment: 'universal' | 'kubernetes'
  readonly hostname: string
  readonly instanceId: string
  readonly version: string
  /** Our own product name, shown beside the wire identity `Kuma`. */
  readonly basedOn?: string
  /** '' until known. */
  clusterId(): string
}

/** Users and groups that have a right. */
export interface AccessRule {
  readonly users: readonly string[]
  readonly groups: readonly string[]
}

/** Rights of contract/rest-cli-gui.md section 7.2. */
export type AccessRight =
  | 'adminResources'
  | 'generateDataplaneToken'
  | 'generateUserToken'
  | 'generateZoneToken'
  | 'viewConfigDump'
  | 'viewStats'
  | 'viewClusters'
  | 'controlPlaneMetadata'

export type AccessRules = Readonly<Record<AccessRight, AccessRule>>

export interface ListenerSettings {
  readonly enabled: boolean
  /** Address to listen on. */
  readonly interface: string
  /** 0 lets the kernel choose. */
  readonly port: number
}

/** Certificate of the HTTPS listener; may be replaced while running. */
export interface ServerCertificate {
  readonly current: { readonly certificatePem: string; readonly privateKeyPem: string }
  onChange(listener: (material: { readonly certificatePem: string; readonly privateKeyPem: string }) => void): () => void
}

export interface ApiSettings {
  readonly http: ListenerSettings
  readonly https: ListenerSettings & {
    readonly certificate?: ServerCertificate
    /** PEM bundle; with it client certificates can be asked for. */
    readonly clientCaPem?: string
    readonly requireClientCertificate?: boolean
    /** Such as `TLSv1.2`. */
    readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
  }
  /** Makes every kind read-only. */
  readonly readOnly: boolean
  /** Prefix of every route; '/' by default. */
  readonly basePath?: string
  readonly guiBasePath?: string
  readonly corsAllowedDomains: readonly string[]
  readonly localhostIsAdmin: boolean
  readonly access: AccessRules
  /** Lets connected zones and meshes with proxies be deleted. */
  readonly unsafeDelete: boolean
  /** A federated zone then takes resources without the origin label. */
  readonly disableOriginLabelValidation: boolean
  /** Of a request body; 10 MiB by default. */
  readonly bodyLimitBytes?: number
  readonly readHeaderTimeoutMs?: number
  readonly readTimeoutMs?: number
  /** Without a byte in either direction while a request is served. */
  readonly writeTimeoutMs?: number
  readonly idleTimeoutMs?: number
}

export type EnvoyAdminKind = 'configDump' | 'stats' | 'clusters'

export interface EnvoyAdminOptions {
  readonly includeEds?: boolean
  readonly format?: 'text' | 'json'
  readonly usedOnly?: boolean
}

/** Reaches the Envoy of a Dataplane, here or through its zone. Rejects with an AppError whose message is for the operator. */
export interface EnvoyAdminAccess {
  ask(kind: EnvoyAdminKind, dataplane: Resource, options: EnvoyAdminOptions): Promise<Uint8Array>
}

/** The configuration this control plane computes for a proxy: type URL to name to resource. Only zones have one. */
export interface ProxyConfigAccess {
  /** `shadow`: with policies labelled as shadow taking part. Undefined: the proxy is not known. */
  config(
    dataplane: Resource,
    options: { readonly shadow: boolean },
  ): Promise<Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined>
}

/** State and age of a zone, as global shows them beside its insight. */
export interface ZoneLivenessShown {
  readonly state: string
}

/** A resource that one end of sync refuses. Mesh and name are those of this side's store. */
export interface SyncRefusalShown {
  /** The zone, or `global`. */
  readonly peer: string
  /** there: the peer refuses what this side sends. */
  readonly refused: 'here' | 'there'
  readonly type: string
  readonly mesh: string
  readonly name: string
  readonly reason: string
  /** RFC 3339. */
  readonly since: string
}

/** How far a zone is with what global sends: absent while it is not connected, or does not tell. */
export interface ZoneProgressShown {
  readonly sending?: { readonly types?: readonly unknown[]; readonly cursor?: { readonly accepted: number } }
}

/** At once, or once another replica of this control plane has said it. */
type Told<T> = T | Promise<T>

/** What is shown of sync: at global each zone, at a zone its global. */
export type SyncAccess = {
  /** What is refused now, by either end. */
  refusals?(): Told<readonly SyncRefusalShown[]>
} & (
  | {
      zones(): Told<readonly ({ readonly zone: string } & ZoneProgressShown)[]>
      liveness(zone: string): ZoneLivenessShown
      /** What each own zone last told of the way to the others. */
      reachability(): Told<ReadonlyMap<string, readonly object[]>>
    }
  | {
      global(): Told<object>
      reachability(): readonly object[]
      /** Takes back the right to act for the zone that another process took. Absent: it cannot be taken back here. */
      rejoin?(): Promise<void>
    }
)

/** A hostname of a destination and the zones in which it resolves. */
export interface DestinationHostname {
  readonly hostname: string
  readonly zones: readonly string[]
}

/** How much is answered in a minute. What is absent has no limit. */
export interface ApiBudgets {
  /** User tokens, by the address that shows them. */
  readonly attempts?: Attempts
  /** Questions that travel to proxies, by user, or by address of those without a name. */
  readonly questions?: Budget
  /** Requests that change something, by user or address. */
  readonly writes?: Budget
}

/** What Envoys refused, each as whoever serves its proxy knows it. */
export interface RejectionsAccess {
  of(dataplane: Resource): Promise<readonly RejectedPolicy[]>
  /** By proxy (`mesh/name`); only those with any. */
  all(): Promise<ReadonlyMap<string, readonly RejectedPolicy[]>>
}

export interface ApiServerDeps {
  readonly store: Store
  /** Absent: the store keeps none. */
  readonly history?: History
  /** The bytes of a backup of this moment. Absent: the store keeps nothing that a backup could be of. */
  backup?(options: { readonly withKey: boolean }): Readable
  readonly registry: Registry
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  readonly controlPlane: ControlPlaneIdentity
  readonly settings: ApiSettings
  /** The effective configuration as compact JSON, secrets masked. */
  configJson(): string
  /** Absent: bearer tokens are refused. Rejects when the token is not valid. */
  verifyUserToken?(token: string): Promise<ApiUser>
  readonly budgets?: ApiBudgets
  /** Absent: issuing is disabled. */
  readonly tokens?: TokenIssuer
  readonly envoyAdmin?: EnvoyAdminAccess
  readonly proxyConfig?: ProxyConfigAccess
  /** The facts that inspection reads. Absent: nothing can be inspected. */
  readonly mesh?: InspectionSource['mesh']
  /** What Envoys refused; only where proxies are served. */
  readonly rejections?: RejectionsAccess
  /** Absent in a standalone zone. */
  readonly sync?: SyncAccess
  /** A fresh RSA key as PEM, made off the main thread. */
  generateSigningKey(): Promise<string>
  /** Routes of other parts: console, inspection, our own extras. They win over nothing: a path may be claimed once. */
  readonly routes?: readonly ApiRoute[]
}
