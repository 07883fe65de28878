// The contract between policies and the assembly of proxies. A policy computes its effective conf from the policies that select a proxy
// (plain JSON, no proxy in it) and edits drafts by that conf. Plugins see neither stores, nor dataplanes, nor each other.
import type { ClusterDraft, FilterChainDraft, IpFamily, ListenerDraft, LoadAssignmentDraft } from '@weft/envoy'
import type { DestinationFact, OtelEnvFact, Protocol, TelemetryBackendFact, TelemetrySignal, ZoneListenerFact } from '@weft/facts'
import type { InboundRule, OutboundRule } from '@weft/policy'
import type { Messages } from '@weft/proto'
import type { Labels, Resource } from '@weft/resources'
import type { OutboundShape } from './outbound-shape.ts'
import type { RouteModel, SplitModel } from './route-model.ts'

/** What went wrong for one policy type of one proxy part. The other policies took effect. */
export interface Problem {
  /** Policy type. */
  readonly type: string
  readonly message: string
}

/** Effective conf by policy type: plain JSON; a type without an opinion is absent. */
export type ConfByType = Readonly<Record<string, unknown>>

/** The mesh identity of the proxy, as far as configuration needs it. */
export interface IdentityView {
  /** Name of the certificate secret. */
  readonly secret: string
  /** Name of the secret with the mesh's roots. */
  readonly trustSecret: string
  /** Trust domains of the mesh, sorted. */
  readonly trustDomains: readonly string[]
}

/** What policies see of the proxy that a part belongs to. */
export interface OwnerView {
  readonly mesh: string
  readonly zone: string
  /** networking.address. */
  readonly address: string
  /** Workload of the proxy, 'unknown' when it has none. */
  readonly service: string
  /** Value of kuma.io/workload, '' when absent. */
  readonly workload: string
  /** KRI of the workload, '' when it has none. */
  readonly workloadKri: string
  /** KRI of the Dataplane. */
  readonly kri: string
  readonly role: ProxyRole
  readonly ipv6: boolean
  /** Traffic is redirected to it, so it has a passthrough. */
  readonly redirected: boolean
  readonly reusePort: boolean
  /** Path that log lines for TCP backends are written to; the launcher reads there. */
  readonly accessLogSocket: string
  /** Socket of the launcher's metrics endpoint. */
  readonly metricsSocket: string
  /** The launcher takes OpenTelemetry signals on a socket for each backend. */
  readonly otelSockets: boolean
  /** Path of that socket. */
  readonly otelSocket: (backend: string) => string
  readonly otelEnv: OtelEnvFact | undefined
  /** Address of the proxy's host, '' when unknown. */
  readonly hostIp: string
  readonly systemCaPath: string
  readonly metricsCertPath: string
  readonly metricsKeyPath: string
  /** Collectors of the mesh, oldest first. */
  readonly telemetryBackends: readonly TelemetryBackendFact[]
}

/** What a proxy is for: decides how its metrics are labelled. */
export type ProxyRole = 'sidecar' | 'gateway' | 'zone-ingress' | 'zone-egress' | 'zone-proxy'

/** What an inbound's or zone listener's conf may depend on. */
export interface InboundScope {
  /** Policies of the plugin's type that select the proxy, weakest first. */
  readonly policies: readonly Resource[]
  /** Their rules for this section, in evaluation order. */
  readonly rules: readonly InboundRule[]
  readonly protocol: Protocol | undefined
}

/** What the conf of a whole proxy may depend on. */
export interface ProxyScope {
  /** Policies of the plugin's type that select the proxy, weakest first. */
  readonly policies: readonly Resource[]
  /** Tells that a part of a policy is left out, and why; the rest takes effect. */
  readonly report: (message: string) => void
}

/** What a destination's conf may depend on. */
export interface OutboundScope {
  readonly policies: readonly Resource[]
  /** No more than this, so that a conf is computed once for all destinations alike. */
  readonly destination: Pick<DestinationFact, 'kind' | 'protocol'>
  /** The rule for the destination's port: from the port, the destination or the mesh, the most specific that exists. */
  readonly rule: OutboundRule | undefined
  /** For each route name, the rule of the route policy itself; absent when no entry names that route. */
  readonly routeRules: ReadonlyMap<string, OutboundRule>
}

/** An inbound of a sidecar: its listener and its cluster towards the workload. */
export interface InboundView {
  readonly owner: OwnerView
  readonly section: string
  /** False: its section is its port. */
  readonly named: boolean
  readonly protocol: Protocol
  readonly identity: IdentityView | undefined
  readonly listener: ListenerDraft
  readonly cluster: ClusterDraft
}

/** The cluster of a destination, in a sidecar or in a zone egress. Zone ingress clusters are not shown to policies. */
export interface OutboundClusterView {
  readonly destination: DestinationFact
  readonly cluster: ClusterDraft
  /** Labels of the client as requests carry them; undefined unless some plugin's `sendsClientTags` asked for them. */
  readonly clientTags: string | undefined
}

/** Where a client is: what the order of endpoints may depend on. */
export interface ClientPlace {
  readonly zone: string
  readonly labels: Labels
}

/** The passthrough of redirected traffic that no other listener wants. */
export interface PassthroughView {
  readonly owner: OwnerView
  /** The listeners of outgoing traffic, one for each family that is redirected. */
  readonly outbound: readonly { readonly family: IpFamily; readonly listener: ListenerDraft }[]
  /** All passthrough clusters; plugins add and remove. */
  readonly clusters: ClusterDraft[]
  /** Whether IPv6 ranges count as inside. */
  readonly ipv6: boolean
}

/** Which part of the configuration a finished resource belongs to (contract/policies.md section 2). */
export type ResourceOrigin =
  | 'admin'
  | 'dynamic-config'
  | 'inbound'
  | 'outbound'
  | 'ingress'
  | 'egress'
  | 'transparent'
  | 'mesh-access-log'
  | 'mesh-trace'
  | 'mesh-metric'
  | 'prometheus'

type Cluster = Messages['envoy.config.cluster.v3.Cluster']
type Listener = Messages['envoy.config.listener.v3.Listener']

/** Whole resources that a policy brings along, under their own names. */
export interface AddedResources {
  readonly clusters: readonly Cluster[]
  readonly listeners: readonly Listener[]
}

/** The confs of one plugin for all parts of a proxy. */
export interface OwnConfs<In = unknown, Out = unknown, Zone = unknown, Whole = unknown> {
  readonly whole: Whole | undefined
  readonly inbounds: readonly In[]
  readonly zoneListeners: readonly Zone[]
  /** Distinct ones, of outbounds that have a listener. */
  readonly outbounds: readonly Out[]
}

/** A signal that the launcher takes from Envoy, or makes itself, and sends to a collector. */
export interface OtelExport {
  readonly signal: TelemetrySignal
  readonly backend: TelemetryBackendFact
  /** How often metrics are sent, as a Go duration; absent: the launcher's default. */
  readonly refreshInterval?: string
}

/** What a policy adds to a proxy beside the parts that others made. */
export interface OwnAdditions {
  readonly clusters?: readonly { readonly origin: ResourceOrigin; readonly draft: ClusterDraft }[]
  readonly listeners?: readonly { readonly origin: ResourceOrigin; readonly draft: ListenerDraft }[]
  /** Answers for the launcher: path without its leading slash, and the JSON text. */
  readonly dynamicConfig?: { readonly path: string; readonly body: string }
  readonly exports?: readonly OtelExport[]
}

/** The chain of a zone egress for one destination. */
export interface EgressChainView {
  readonly destination: DestinationFact
  readonly chain: FilterChainDraft
}

/** The listener of an outbound. Its chain ends in what `OutboundConf.listener` says. */
export interface OutboundListenerView {
  /** Envoy name of the outbound: of its listener and of its own cluster. */
  readonly name: string
  readonly destination: DestinationFact
  readonly routes: readonly RouteModel[]
  readonly tcpSplits: readonly SplitModel[]
  readonly listener: ListenerDraft
}

/** A listener of a zone proxy with the clusters behind its chains. */
export interface ZoneListenerView {
  readonly owner: OwnerView
  readonly section: string
  readonly kind: ZoneListenerFact['kind']
  readonly identity: IdentityView | undefined
  readonly listener: ListenerDraft
}

/**
 * One policy. Conf functions are pure and return plain JSON, or undefined for "no opinion"; effects edit drafts in place and get exactly that conf.
 * A conf function that is absent means the effects are called with undefined.
 */
export interface PolicyPlugin<In = unknown, Out = unknown, Zone = unknown, Whole = unknown, Place = unknown, Share = unknown> {
  readonly type: string
  /** Position in the fixed sequence (contract/policies.md section 1.9). */
  readonly order: number
  /** Absent: the conf of a `to` item is its `default`. */
  readonly outboundShape?: OutboundShape
  inboundConf?(scope: InboundScope): In
  outboundConf?(scope: OutboundScope): Out
  zoneConf?(scope: InboundScope): Zone
  proxyConf?(scope: ProxyScope): Whole
  inbound?(view: InboundView, conf: In): void
  /** Whether the destination's cluster shows who its client is; it is then not shared between clients with different labels. Never without a conf. */
  sendsClientTags?(destination: DestinationFact, conf: Out): boolean
  outboundCluster?(view: OutboundClusterView, conf: Out): void
  /** The part of the conf that `outboundCluster` reads, by default all: what it leaves out can change without the cluster being made again. */
  clusterConf?(conf: Out): Out
  /**
   * What a destination's listener shows of the proxy it belongs to, as plain JSON; undefined when nothing, and without both confs. Proxies with an
   * equal answer share the listener; `outboundListener` gets exactly this.
   */
  share?(owner: OwnerView, conf: Out, whole: Whole): Share | undefined
  outboundListener?(view: OutboundListenerView, conf: Out, share: Share | undefined): void
  /** The part of the conf that `outboundListener` reads, by default all. */
  listenerConf?(conf: Out): Out
  /**
   * How a client at this place orders the destination's endpoints, as plain JSON; undefined, as without a conf, leaves their own order. Clients with an
   * equal answer share the load assignment.
   */
  placement?(client: ClientPlace, conf: Out): Place | undefined
  loadAssignment?(assignment: LoadAssignmentDraft, placement: Place): void
  zoneListener?(view: ZoneListenerView, conf: Zone): void
  /** What `to` says about a destination that a zone egress forwards to; acts before `zoneListener`. */
  egressChain?(view: EgressChainView, conf: Out): void
  passthrough?(view: PassthroughView, conf: Whole): void
  /** Resources and launcher configuration of the policy's own, made from all its confs for the proxy. */
  own?(owner: OwnerView, confs: OwnConfs<In, Out, Zone, Whole>): OwnAdditions | undefined
  /** Last edits, of finished messages and after every other effect. Undefined removes the resource. */
  rawCluster?(cluster: Cluster, origin: ResourceOrigin, conf: Whole): Cluster | undefined
  rawListener?(listener: Listener, origin: ResourceOrigin, conf: Whole): Listener | undefined
  added?(conf: Whole): AddedResources
}
