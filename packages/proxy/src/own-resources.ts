// The resources that are really a proxy's own: admin, passthrough, inbounds, dynamic configuration and its zone listeners.
import { type ClusterDraft, inboundName, type ListenerDraft, passthroughName, systemNames, zoneIngressName } from '@weft/envoy'
import type { InboundFact, ProxyFacts, ZoneListenerFact } from '@weft/facts'
import { messageOf } from '@weft/foundation/errors'
import {
  type ConfByType,
  effectiveInbound,
  effectiveProxy,
  effectiveZoneListener,
  type IdentityView,
  type InboundConf,
  type Problem,
  type ProxyConf,
  type ResourceOrigin,
} from '@weft/policies'
import type { EncodedResource, XdsType } from '@weft/xds'
import { applyInbound, applyPassthrough, applyZoneListener, type PolicyFailure } from './apply-policies.ts'
import type { ProxyTraits } from './features.ts'
import { type AdminCertificate, adminClusters, adminListener } from './generators/admin.ts'
import { dnsEntry, dynamicConfigListener } from './generators/dynamic-config.ts'
import { inboundCluster, inboundListener } from './generators/inbound.ts'
import { type PassthroughInput, passthroughClusters, passthroughListeners } from './generators/transparent-proxy.ts'
import { type IngressRoute, ingressListener } from './generators/zone-ingress.ts'
import type { ResourceProblem } from './problem.ts'
import { addedResources, type Finished, finishCluster, finishListener } from './raw-patches.ts'

/** Port that says: this workload offers nothing (contract/dataplane.md section 6.1). */
const servicelessPort = 49151

export interface OwnInput {
  readonly facts: ProxyFacts
  readonly traits: ProxyTraits
  readonly certificate: AdminCertificate | undefined
  readonly ingressRoutes: readonly IngressRoute[]
}

/** What was built, by Envoy name, and what was not. */
export interface OwnResources {
  readonly clusters: ReadonlyMap<string, EncodedResource>
  readonly listeners: ReadonlyMap<string, EncodedResource>
  readonly problems: readonly ResourceProblem[]
}

/** A group of resources with the identities of everything they were built from: equal inputs are not built again. */
interface OwnPart extends OwnResources {
  readonly inputs: readonly unknown[]
}

/** The parts of one proxy's last build. */
export type OwnParts = Map<string, OwnPart>

/** Builds a proxy's own resources, as far as their inputs changed since the build that filled `parts`; each resource fails alone. */
export function ownResources(input: OwnInput, parts: OwnParts): OwnResources {
  const { facts, traits } = input
  const { proxy, labels, address, gateway, workload, zone, identity, trust, dns } = facts
  const whole = effectiveProxy(facts.policies)
  const { raw } = whole
  const base = [proxy, labels, address, gateway, workload, zone, raw]
  const used: OwnParts = new Map()
  const part = (name: string, at: { origin: ResourceOrigin; inputs: readonly unknown[] }, build: (into: PartBuild) => void): void => {
    const before = parts.get(name)
    const isSame = before !== undefined && sameItems(before.inputs, at.inputs)
    used.set(name, isSame ? before : buildPart({ ...at, raw }, build))
  }

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
  part('passthrough', { origin: 'transparent', inputs: [...base, identity, inboundPorts?.join(), whole] }, (into) =>
    buildPassthrough(into, { facts, traits, inboundPorts }, whole),
  )

  inbounds.forEach((inbound, index) => {
    const conf = confs[index]
    if (conf === undefined) return
    const inputs = [...base, identity, trust, inbound, conf]
    part(`inbound ${inbound.section}`, { origin: 'inbound', inputs }, (into) => buildInbound(into, { input, inbound, conf }))
  })
  part('dynamic-config', { origin: 'dynamic-config', inputs: [...base, identity, dns] }, (into) => {
    into.attempt('listener', systemNames.dynamicConfig, () => {
      const entry = dnsEntry(facts, traits)
      into.addListener(dynamicConfigListener(facts, entry === undefined ? [] : [entry]))
    })
  })
  const routes = input.ingressRoutes.flatMap((route) => [route.cluster, route.destination])
  for (const fact of facts.zoneListeners) {
    if (fact.kind !== 'ZoneIngress' || (input.ingressRoutes.length === 0 && !traits.ingressProbe)) continue
    const conf = effectiveZoneListener(facts.policies, fact)
    part(`zone ${fact.section}`, { origin: 'ingress', inputs: [...base, identity, trust, fact, conf, ...routes] }, (into) => {
      into.attempt('listener', zoneIngressName(fact.section), () => into.addListener(zoneListener(fact, input, into.report)))
    })
  }
  if (raw !== undefined) used.set('added', addedPart(raw))
  parts.clear()
  for (const [name, built] of used) parts.set(name, built)
  return joined(used.values())
}

function joined(parts: Iterable<OwnPart>): OwnResources {
  const clusters = new Map<string, EncodedResource>()
  const listeners = new Map<string, EncodedResource>()
  const problems: ResourceProblem[] = []
  for (const part of parts) {
    for (const [name, cluster] of part.clusters) clusters.set(name, cluster)
    for (const [name, listener] of part.listeners) listeners.set(name, listener)
    problems.push(...part.problems)
  }
  return { clusters, listeners, problems }
}

/** Collects one part. */
interface PartBuild {
  attempt(type: XdsType, resource: string, build: () => void): void
  addCluster(draft: ClusterDraft): void
  addListener(draft: ListenerDraft | undefined): void
  report(resource: string, failures: readonly PolicyFailure[], confProblems: readonly Problem[]): void
}

/** What policies bring along, after everything else: it takes the place of a resource of the same name. */
function addedPart(raw: ConfByType): OwnPart {
  const { clusters, listeners, failures } = addedResources(raw)
  return { inputs: [raw], clusters, listeners, problems: failures.map((failure) => ({ type: 'listener', resource: '*', ...failure })) }
}

function buildPart(
  { inputs, origin, raw }: { readonly inputs: readonly unknown[]; readonly origin: ResourceOrigin; readonly raw: ConfByType | undefined },
  build: (into: PartBuild) => void,
): OwnPart {
  const clusters = new Map<string, EncodedResource>()
  const listeners = new Map<string, EncodedResource>()
  const problems: ResourceProblem[] = []
  const attempt = (type: XdsType, resource: string, make: () => void): void => {
    try {
      make()
    } catch (error) {
      problems.push({ type, resource, policy: undefined, message: messageOf(error) })
    }
  }
  const keep = (type: 'cluster' | 'listener', resource: string, { encoded, failures }: Finished): void => {
    if (encoded !== undefined) (type === 'cluster' ? clusters : listeners).set(resource, encoded)
    for (const failure of failures) problems.push({ type, resource, ...failure })
  }
  build({
    attempt,
    addCluster: (draft) =>
      attempt('cluster', draft.name, () => keep('cluster', draft.name, finishCluster({ draft, failures: [] }, origin, raw))),
    addListener: (draft) => {
      if (draft !== undefined)
        attempt('listener', draft.name, () => keep('listener', draft.name, finishListener({ draft, failures: [] }, origin, raw)))
    },
    report: (resource, failures, confProblems) => {
      for (const failure of failures) problems.push({ type: 'listener', resource, ...failure })
      for (const problem of confProblems) problems.push({ type: 'listener', resource, policy: problem.type, message: problem.message })
    },
  })
  return { inputs, clusters, listeners, problems }
}

function buildPassthrough(into: PartBuild, input: PassthroughInput, { byType }: ProxyConf): void {
  into.attempt('listener', passthroughName('outbound', 'ipv4'), () => {
    const { draft, failures } = applyPassthrough(
      byType,
      () => ({ clusters: passthroughClusters(input), listeners: passthroughListeners(input) }),
      ({ clusters, listeners }) => ({
        clusters,
        outbound: (['ipv4', 'ipv6'] as const).flatMap((family) => {
          const listener = listeners.find((candidate) => candidate.name === passthroughName('outbound', family))
          return listener === undefined ? [] : [{ family, listener }]
        }),
        ipv6: input.facts.proxy.ipv6Enabled,
      }),
    )
    into.report(passthroughName('outbound', 'ipv4'), failures, [])
    for (const cluster of draft.clusters) into.addCluster(cluster)
    for (const listener of draft.listeners) into.addListener(listener)
  })
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
      ({ cluster, listener }) => ({ section: inbound.section, protocol: inbound.protocol, identity, listener, cluster }),
    )
    into.report(name, applied.failures, conf.problems)
    into.addCluster(applied.draft.cluster)
    into.addListener(applied.draft.listener)
  })
}

/** True when both lists hold the identical items. */
export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index])
}

function zoneListener(
  fact: ZoneListenerFact,
  { facts, traits, ingressRoutes }: OwnInput,
  report: (resource: string, failures: readonly PolicyFailure[], problems: readonly Problem[]) => void,
): ListenerDraft | undefined {
  const conf = effectiveZoneListener(facts.policies, fact)
  const make = (): ListenerDraft => {
    const draft = ingressListener({ listener: fact, reusePort: traits.reusePort, routes: ingressRoutes, probe: traits.ingressProbe })
    // The caller has checked that there are routes.
    if (draft === undefined) throw new Error('zone ingress without routes')
    return draft
  }
  const applied = applyZoneListener(conf.byType, make, (listener) => ({
    section: fact.section,
    kind: fact.kind,
    identity: identityView(facts),
    listener,
  }))
  report(zoneIngressName(fact.section), applied.failures, conf.problems)
  return applied.draft
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
