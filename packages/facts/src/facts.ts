// The facts that determine proxies' configurations: the printable end of the graph. Immutable plain data.
// Objects marked shared keep their identity while their content is equal, so builders may memoise on identity.
import type { Labels, Resource } from '@weft/resources'
import type { SecretText } from './secret-text.ts'

export type Protocol = 'tcp' | 'http' | 'http2' | 'grpc'
export type DestinationKind = 'MeshService' | 'MeshMultiZoneService' | 'MeshExternalService'

/** One port of a destination. Shared by all proxies of the zone. */
export interface DestinationFact {
  /** KRI with the port's name (or decimal number) as section. Key of its load assignment. */
  readonly id: string
  readonly kind: DestinationKind
  readonly mesh: string
  /** Store name; display name, zone and namespace as in the KRI ('' when absent). */
  readonly name: string
  readonly displayName: string
  readonly zone: string
  readonly namespace: string
  readonly labels: Labels
  readonly creationTime: string
  readonly port: number
  /** Port name, or the number in decimal when unnamed. */
  readonly portName: string
  readonly protocol: Protocol
  /** Absent when the names do not make a valid SNI: then the destination cannot be reached over mTLS. */
  readonly sni: string | undefined
  /** Exact SPIFFE ids a client accepts, sorted. */
  readonly spiffeIds: readonly string[]
  /** True when clients that have an identity must use mTLS. */
  readonly tls: boolean
  /** True when this zone owns it. */
  readonly local: boolean
  readonly vips: readonly string[]
  readonly hostnames: readonly string[]
}

export type EndpointHealth = 'HEALTHY' | 'DEGRADED'

export type OutOfReach = 'behind' | 'leave'

export interface EndpointFact {
  readonly address: string
  readonly port: number
  /** Zone of the endpoint; '' when unknown. */
  readonly zone: string
  readonly priority: number
  readonly weight: number
  readonly health: EndpointHealth
  /** The way there is broken: it goes behind what is left of a service, or leaves when something healthy is left. */
  readonly outOfReach?: OutOfReach
  /** envoy.lb and envoy.transport_socket_match metadata; sorted keys when emitted. */
  readonly metadata: Labels
}

/** Load assignment of one destination, or of one ingress destination (local endpoints only). Shared. */
export interface LoadAssignmentFact {
  readonly id: string
  readonly endpoints: readonly EndpointFact[]
}

export interface OutboundFact {
  /** Envoy name of cluster, listener and load assignment: the KRI with the section as the outbound wrote it (contract/dataplane.md 8.1). */
  readonly name: string
  readonly destination: DestinationFact
  readonly address: string
  readonly port: number
}

export interface InboundFact {
  /** Inbound name, or its port in decimal. */
  readonly section: string
  readonly address: string
  readonly port: number
  readonly workloadAddress: string
  readonly workloadPort: number
  readonly protocol: Protocol
}

export interface ZoneListenerFact {
  readonly section: string
  readonly kind: 'ZoneIngress' | 'ZoneEgress'
  readonly address: string
  readonly port: number
}

/** Trust of one mesh: domains sorted by name, each with all its PEM roots. Shared by all proxies of the mesh. */
export interface TrustFact {
  readonly mesh: string
  readonly domains: readonly { readonly name: string; readonly pem: string }[]
}

export interface IdentityFact {
  /** KRI of the MeshIdentity: the name of the certificate secret. */
  readonly kri: string
  readonly spiffeId: string
  readonly trustDomain: string
}

/** How a zone egress checks and shows itself to an external service. */
export interface ExternalTlsFact {
  /** Of the certificate and the SNI; undefined: the endpoint's own host name. */
  readonly serverName: string | undefined
  /** Names as in the resource: `TLS12`; undefined is Envoy's choice. */
  readonly minVersion: string | undefined
  readonly maxVersion: string | undefined
  readonly allowRenegotiation: boolean
  /** `system`: what the operating system trusts; undefined: the server's certificate is not checked. */
  readonly ca: 'system' | { readonly pem: string } | undefined
  /** Whether the certificate must carry the server name or one of `subjectAltNames`. */
  readonly checkNames: boolean
  readonly subjectAltNames: readonly { readonly type: 'Exact' | 'Prefix'; readonly value: string }[]
  readonly client: { readonly certificatePem: string; readonly key: SecretText } | undefined
}

/** What stands behind an external destination, as its zone egress reaches it. Shared. */
export interface ExternalTargetFact {
  readonly destination: DestinationFact
  readonly endpoints: readonly { readonly address: string; readonly port: number; readonly priority: number }[]
  /** Undefined: plain text. */
  readonly tls: ExternalTlsFact | undefined
  /** Set when something the resource refers to is missing: then it must not be served, least of all in plain text. */
  readonly problem: string | undefined
}

export interface TransparentProxyFact {
  readonly inboundPort: number
  readonly outboundPort: number
  readonly ipv4: boolean
  readonly ipv6: boolean
  readonly dnsEnabled: boolean
}

/** What the proxy told about itself when it connected (node metadata, contract/dataplane.md 3.1). */
export interface ProxyMetadata {
  readonly features: readonly string[]
  readonly workdir: string
  readonly adminAddress: string
  readonly adminPort: number
  /** Set when Envoy's admin listens on a Unix socket. */
  readonly adminSocketPath: string | undefined
  readonly readinessPort: number
  readonly dnsPort: number
  readonly ipv6Enabled: boolean
  readonly systemCaPath: string
  /** Certificate and key of the metrics endpoint, '' when it has none. */
  readonly metricsCertPath: string
  readonly metricsKeyPath: string
  /** Address of the host that the proxy runs on, '' when unknown: where node-local collectors are. */
  readonly hostIp: string
  /** What the launcher found of OpenTelemetry environment variables. Absent: it did not look. */
  readonly otelEnv: OtelEnvFact | undefined
  readonly transparentProxy: TransparentProxyFact | undefined
}

/** The signals of telemetry. */
export type TelemetrySignal = 'traces' | 'logs' | 'metrics'

/** OpenTelemetry environment variables of a launcher: which are there, never what they say. */
export interface OtelEnvFact {
  /** Variables for all signals are set. */
  readonly shared: boolean
  /** By signal: whether it has variables of its own, and which kinds of them override shared ones. */
  readonly signals: Readonly<Record<TelemetrySignal, { readonly present: boolean; readonly overrideKinds: readonly string[] }>>
  /** `<scope>.<field>` of what is incomplete. */
  readonly validationErrors: readonly string[]
}

/** A MeshOpenTelemetryBackend: a collector that telemetry policies refer to by labels. Shared. */
export interface TelemetryBackendFact {
  readonly name: string
  readonly labels: Labels
  readonly creationTime: string
  /** '': on the proxy's own host. */
  readonly address: string
  readonly port: number
  readonly path: string
  readonly protocol: 'grpc' | 'http'
  /** How the environment of the launcher counts; absent: as without any say. */
  readonly env: TelemetryEnvPolicy | undefined
}

/** What a backend says about OpenTelemetry environment variables. */
export interface TelemetryEnvPolicy {
  readonly mode: 'Disabled' | 'Optional' | 'Required'
  readonly precedence: 'ExplicitFirst' | 'EnvFirst'
  readonly allowSignalOverrides: boolean
}

export interface DnsRecord {
  readonly name: string
  readonly ips: readonly string[]
}

/** The policies that select one proxy: per kind, weakest first. Shared by proxies with equal sets; `id` is unique to the content. */
export interface PolicySet {
  readonly id: number
  readonly byType: ReadonlyMap<string, readonly Resource[]>
}

/** Complete input of one proxy's configuration. */
export interface ProxyFacts {
  /** `mesh/name`. */
  readonly key: string
  readonly mesh: string
  readonly name: string
  readonly zone: string
  /** Value of kuma.io/workload, '' when absent. */
  readonly workload: string
  readonly labels: Labels
  /** networking.address. */
  readonly address: string
  readonly gateway: boolean
  readonly proxy: ProxyMetadata
  readonly inbounds: readonly InboundFact[]
  readonly zoneListeners: readonly ZoneListenerFact[]
  readonly outbounds: readonly OutboundFact[]
  /** What a zone ingress of this proxy routes to; empty without an ingress listener. Shared. */
  readonly ingressDestinations: readonly DestinationFact[]
  /** What a zone egress of this proxy leads to; empty without an egress listener. Shared. */
  readonly egressTargets: readonly ExternalTargetFact[]
  readonly identity: IdentityFact | undefined
  /** Present when the mesh has any trust and the proxy an identity. Shared. */
  readonly trust: TrustFact | undefined
  readonly policies: PolicySet
  /** Collectors of the mesh, oldest first. Shared. */
  readonly telemetryBackends: readonly TelemetryBackendFact[]
  readonly dns: readonly DnsRecord[]
}
