// The resources that are really a proxy's own: admin, passthrough, inbounds, dynamic configuration and its zone listeners.
import { type ClusterDraft, inboundName, type ListenerDraft, systemNames, zoneEgressName, zoneIngressName } from '@weft/envoy'
import type { InboundFact, ProxyFacts, ZoneListenerFact } from '@weft/facts'
import {
  type ConfByType,
  effectiveInbound,
  effectiveZoneListener,
  type IdentityView,
  type InboundConf,
  type OutboundConf,
  type ProxyConf,
  type ResourceOrigin,
  type ZoneListenerConf,
} from '@weft/policies'
import type { EncodedResource } from '@weft/xds'
import { applyEgressChain, applyInbound, applyOutboundCluster, applyZoneListener } from './apply-policies.ts'
import { clientTagsOf } from './client.ts'
import type { ProxyTraits } from './features.ts'
import { type AdminCertificate, adminClusters, adminListener } from './generators/admin.ts'
import { dnsEntry, dynamicConfigListener } from './generators/dynamic-config.ts'
import { inboundCluster, inboundListener } from './generators/inbound.ts'
import { passthroughInput } from './generators/transparent-proxy.ts'
import { egressCluster, egressListener } from './generators/zone-egress.ts'
import { type IngressRoute, ingressListener } from './generators/zone-ingress.ts'
import type { NamedClusters } from './outbound-groups.ts'
import { buildPart, type OwnPart, type OwnResources, type PartBuild, type PartContent, sameItems } from './own-part.ts'
import { ownerOf } from './owner.ts'
import { passthroughPart } from './passthrough-part.ts'
import { policyAdditions } from './policy-additions.ts'
import type { ResourceProblem } from './problem.ts'
import type { EgressRoute } from './zone-routes.ts'
import { addedResources } from './raw-patches.ts'

/** Port that says: this workload offers nothing (contract/dataplane.md section 6.1). */
const servicelessPort = 49151

export interface OwnInput {
  readonly facts: ProxyFacts
  readonly traits: ProxyTraits
  readonly certificate: AdminCertificate | undefined
  /** What policies say about the proxy as a whole. */
  readonly whole: ProxyConf
  readonly ingressRoutes: readonly IngressRoute[]
  readonly egressRoutes: readonly EgressRoute[]
  /** Confs of outbounds for which policies may have resources of their own. */
  readonly outboundConfs: readonly OutboundConf[]
  /** Clusters behind the host names that the proxy resolves. */
  readonly named: NamedClusters
}

/** The parts of one proxy's last build. */
export type OwnParts = Map<string, OwnPart>

/**
 * Identities of everything that the own resources are built from. Of the policies that is what they come to for each part of the proxy: an edit
 * that says nothing new about any of them builds nothing.
 */
export function ownInputsOf(input: OwnInput): readonly unknown[] {
  const { facts, certificate, whole, ingressRoutes, egressRoutes, outboundConfs, named } = input
  const { proxy, inbounds, zoneListeners, identity, trust, policies, labels, dns, address, gateway, workload, zone } = facts
  const inputs: unknown[] = [
    certificate,
    whole,
    proxy,
    inbounds,
    zoneListeners,
    identity,
    trust,
    labels,
    dns,
    address,
    gateway,
    workload,
    zone,
  ]
  inputs.push(facts.telemetryBackends, named.text, facts.outbounds.length)
  for (const inbound of inbounds) inputs.push(effectiveInbound(policies, inbound))
  for (const listener of zoneListeners) inputs.push(effectiveZoneListener(policies, listener))
  for (const { cluster, destination } of ingressRoutes) inputs.push(cluster, destination)
  for (const { cluster, target, conf } of egressRoutes) inputs.push(cluster, target, conf)
  for (const conf of outboundConfs) inputs.push(conf)
  return inputs
}

/** Builds a proxy's own resources, as far as their inputs changed since the build that filled `parts`; each resource fails alone. */
export function ownResources(input: OwnInput, parts: OwnParts): OwnResources {
  const { facts, traits, whole } = input
  const { proxy, labels, address, gateway, workload, zone, identity, trust, dns } = facts
  const { raw } = whole
  // policies may show all of this in any part
  const base = [proxy, labels, address, gateway, workload, zone, facts.telemetryBackends, raw]
  const used: OwnParts = new Map()
  const keep = (name: string, inputs: readonly unknown[], make: () => PartContent): void => {
    const before = parts.get(name)
    used.set(name, before !== undefined && sameItems(before.inputs, inputs) ? before : { inputs, content: make() })
  }
  const part = (name: string, at: { origin: ResourceOrigin; inputs: readonly unknown[] }, build: (into: PartBuild) => void): void =>
    keep(name, at.inputs, () => buildPart({ origin: at.origin, raw }, build))

  part('admin', { origin: 'admin', inputs: [...base, input.certificate] }, (into) => {
    into.attempt('listener', systemNames.admin, () => {
      for (const cluster of adminClusters(input)) into.addCluster(cluster)
      into.addListener(adminListener(input))
    })
  })
  const inbounds = facts.inbounds.filter((inbound) => inbound.port !== servicelessPort)
  const confs = inbounds.map((inbound) => effectiveInbound(facts.policies, inbound))
  const allStrict = confs.every((conf) => conf.tlsMode === 'Strict')
  const restricted = traits.strictInboundPorts && identity !== undefined && !gateway && allStrict
  const inboundPorts = restricted ? [...new Set(inbounds.map((inbound) => inbound.port))] : undefined
  keep('passthrough', [...base, inboundPorts?.join(), whole], () =>
    passthroughPart(facts, passthroughInput(facts, traits, inboundPorts), whole),
  )

  inbounds.forEach((inbound, index) => {
    const conf = confs[index]
    if (conf === undefined) return
    const inputs = [...base, identity, trust, inbound, conf]
    part(`inbound ${inbound.section}`, { origin: 'inbound', inputs }, (into) => buildInbound(into, { input, inbound, conf }))
  })
  const zoneConfs: ZoneListenerConf[] = []
  for (const fact of facts.zoneListeners) {
    const zonePart = zoneParts[fact.kind]
    const routes = zonePart.routes(input)
    if (routes.length === 0 && !(fact.kind === 'ZoneIngress' && traits.ingressProbe)) continue
    const conf = effectiveZoneListener(facts.policies, fact)
    zoneConfs.push(conf)
    part(`zone ${fact.section}`, { origin: zonePart.origin, inputs: [...base, identity, trust, fact, conf, ...routes] }, (into) =>
      zonePart.build(into, { fact, input, conf }),
    )
  }
  const { outboundConfs } = input
  const partInputs = [...base, whole, ...confs, ...zoneConfs, ...outboundConfs]
  part('policies', { origin: 'dynamic-config', inputs: partInputs }, (into) => {
    const added = policyAdditions(facts, { whole, inbounds: confs, zoneListeners: zoneConfs, outbounds: outboundConfs })
    for (const { draft, origin } of added.clusters) into.addCluster(draft, origin)
    for (const { draft, origin } of added.listeners) into.addListener(draft, origin)
    for (const entry of added.entries) into.addEntry(entry)
    into.report('*', added.failures, [])
  })
  const entries = used.get('policies')?.content.entries ?? []
  // who is only a zone proxy answers no questions for names
  const roles = [facts.inbounds.length + facts.outbounds.length, facts.zoneListeners.length]
  part('dynamic-config', { origin: 'dynamic-config', inputs: [...base, identity, dns, input.named.text, ...roles, ...entries] }, (into) => {
    into.attempt('listener', systemNames.dynamicConfig, () => {
      const own = dnsEntry(facts, traits)
      into.addListener(dynamicConfigListener(facts, [...(own === undefined ? [] : [own]), ...entries], input.named.names))
    })
  })
  if (raw !== undefined) keep('added', [raw], () => addedPart(raw))
  parts.clear()
  for (const [name, built] of used) parts.set(name, built)
  return joined(used.values())
}

function joined(parts: Iterable<OwnPart>): OwnResources {
  const clusters = new Map<string, EncodedResource>()
  const listeners = new Map<string, EncodedResource>()
  const problems: ResourceProblem[] = []
  for (const { content } of parts) {
    content.clusters.forEach((cluster, name) => clusters.set(name, cluster))
    content.listeners.forEach((listener, name) => listeners.set(name, listener))
    problems.push(...content.problems)
  }
  return { clusters, listeners, problems }
}

/** What policies bring along, after everything else: it takes the place of a resource of the same name. */
function addedPart(raw: ConfByType): PartContent {
  const { clusters, listeners, failures } = addedResources(raw)
  return {
    entries: [],
    clusters,
    listeners,
    problems: failures.map((failure) => ({ type: 'listener', resource: '*', ...failure })),
  }
}

function buildInbound(
  into: PartBuild,
  { input, inbound, conf }: { readonly input: OwnInput; readonly inbound: InboundFact; readonly conf: InboundConf },
): void {
  const { facts, traits } = input
  const name = inboundName(inbound.section)
  into.attempt('listener', name, () => {
    const at = { facts, traits, inbound }
    const identity = identityView(facts)
    const applied = applyInbound(
      conf.byType,
      () => ({ cluster: inboundCluster(at), listener: inboundListener(at) }),
      ({ cluster, listener }) => ({
        owner: ownerOf(facts),
        section: inbound.section,
        named: inbound.section !== String(inbound.port),
        protocol: inbound.protocol,
        identity,
        listener,
        cluster,
      }),
    )
    into.report(name, applied.failures, conf.problems)
    into.addCluster(applied.draft.cluster)
    into.addListener(applied.draft.listener)
  })
}

/** What the two kinds of zone listeners are built from and into. */
const zoneParts: Readonly<
  Record<
    ZoneListenerFact['kind'],
    {
      readonly origin: ResourceOrigin
      /** Identities of what the listener leads to; empty: there is nothing to build. */
      routes(input: OwnInput): readonly unknown[]
      build(into: PartBuild, at: ZoneBuild): void
    }
  >
> = {
  ZoneIngress: {
    origin: 'ingress',
    routes: ({ ingressRoutes }) => ingressRoutes.flatMap((route) => [route.cluster, route.destination]),
    build: (into, at) => {
      const { traits, ingressRoutes } = at.input
      buildZoneListener(into, at, zoneIngressName(at.fact.section), () =>
        ingressListener({ listener: at.fact, reusePort: traits.reusePort, routes: ingressRoutes, probe: traits.ingressProbe }),
      )
    },
  },
  ZoneEgress: {
    origin: 'egress',
    routes: ({ egressRoutes }) => egressRoutes.flatMap((route) => [route.cluster, route.target, route.conf]),
    build: buildEgress,
  },
}

interface ZoneBuild {
  readonly fact: ZoneListenerFact
  readonly input: OwnInput
  readonly conf: ZoneListenerConf
}

function buildZoneListener(into: PartBuild, { fact, input, conf }: ZoneBuild, name: string, make: () => ListenerDraft): void {
  into.attempt('listener', name, () => {
    const identity = identityView(input.facts)
    const owner = ownerOf(input.facts)
    const view = (listener: ListenerDraft) => ({ owner, section: fact.section, kind: fact.kind, identity, listener })
    const applied = applyZoneListener(conf.byType, make, view)
    into.report(name, applied.failures, conf.problems)
    into.addListener(applied.draft)
  })
}

/** Clusters of the targets by what policies say about each, and the listener whose chains lead there. */
function buildEgress(into: PartBuild, at: ZoneBuild): void {
  const { facts, traits, egressRoutes } = at.input
  for (const { cluster: name, target, conf } of egressRoutes) {
    const { destination } = target
    into.attempt('cluster', name, () => {
      const clientTags = clientTagsOf(facts, destination, conf)
      const make = (): ClusterDraft => egressCluster({ name, target, systemCaPath: facts.proxy.systemCaPath })
      const applied = applyOutboundCluster(conf.forCluster.byType, make, (cluster) => ({ destination, cluster, clientTags }))
      into.report(name, applied.failures, conf.problems)
      into.addCluster(applied.draft)
    })
  }
  const name = zoneEgressName(at.fact.section)
  buildZoneListener(into, at, name, () => {
    const identitySecret = facts.identity?.kri ?? ''
    const routes = egressRoutes.map(({ cluster, target }) => ({ cluster, destination: target.destination }))
    const listener = egressListener({
      listener: at.fact,
      reusePort: traits.reusePort,
      ipv6: facts.proxy.ipv6Enabled,
      identitySecret,
      routes,
    })
    egressRoutes.forEach(({ target, conf }, index) => {
      const chain = listener.chains[index]
      if (chain) into.report(name, applyEgressChain(conf.byType, { destination: target.destination, chain }), [])
    })
    return listener
  })
}

/** What policies see of a proxy's identity. */
function identityView(facts: ProxyFacts): IdentityView | undefined {
  if (facts.identity === undefined) return undefined
  return {
    secret: facts.identity.kri,
    trustSecret: systemNames.trustBundle,
    trustDomains: (facts.trust?.domains ?? []).map((domain) => domain.name),
  }
}
