// The contract between policies and the assembly of proxies. A policy computes its effective conf from the policies that select a proxy
// (plain JSON, no proxy in it) and edits drafts by that conf. Plugins see neither stores, nor dataplanes, nor each other.
import type { ClusterDraft, ListenerDraft } from '@weft/envoy'
import type { DestinationFact, Protocol, ZoneListenerFact } from '@weft/facts'
import type { InboundRule, OutboundRule } from '@weft/policy'
import type { Resource } from '@weft/resources'
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

/** What an inbound's or zone listener's conf may depend on. */
export interface InboundScope {
  /** Policies of the plugin's type that select the proxy, weakest first. */
  readonly policies: readonly Resource[]
  /** Their rules for this section, in evaluation order. */
  readonly rules: readonly InboundRule[]
  readonly protocol: Protocol | undefined
}

/** What a destination's conf may depend on. */
export interface OutboundScope {
  readonly policies: readonly Resource[]
  readonly destination: DestinationFact
  /** The rule for the destination's port: from the port, the destination or the mesh, the most specific that exists. */
  readonly rule: OutboundRule | undefined
  /** For each route name, the rule of the route policy itself; absent when no entry names that route. */
  readonly routeRules: ReadonlyMap<string, OutboundRule>
}

/** An inbound of a sidecar: its listener and its cluster towards the workload. */
export interface InboundView {
  readonly section: string
  readonly protocol: Protocol
  readonly identity: IdentityView | undefined
  readonly listener: ListenerDraft
  readonly cluster: ClusterDraft
}

/** The cluster of a destination, in a sidecar or in a zone egress. Zone ingress clusters are not shown to policies. */
export interface OutboundClusterView {
  readonly destination: DestinationFact
  readonly cluster: ClusterDraft
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
  readonly section: string
  readonly kind: ZoneListenerFact['kind']
  readonly identity: IdentityView | undefined
  readonly listener: ListenerDraft
}

/**
 * One policy. Conf functions are pure and return plain JSON, or undefined for "no opinion"; effects edit drafts in place and get exactly that conf.
 * A conf function that is absent means the effects are called with undefined.
 */
export interface PolicyPlugin<In = unknown, Out = unknown, Zone = unknown> {
  readonly type: string
  /** Position in the fixed sequence (contract/policies.md section 1.9). */
  readonly order: number
  /** Absent: the conf of a `to` item is its `default`. */
  readonly outboundShape?: OutboundShape
  inboundConf?(scope: InboundScope): In
  outboundConf?(scope: OutboundScope): Out
  zoneConf?(scope: InboundScope): Zone
  inbound?(view: InboundView, conf: In): void
  outboundCluster?(view: OutboundClusterView, conf: Out): void
  outboundListener?(view: OutboundListenerView, conf: Out): void
  zoneListener?(view: ZoneListenerView, conf: Zone): void
}
