// The resources that are really a proxy's own: admin, passthrough, inbounds, dynamic configuration and its zone listeners.
import { type ClusterDraft, inboundName, type ListenerDraft, systemNames, zoneIngressName } from '@weft/envoy'
import type { ProxyFacts, ZoneListenerFact } from '@weft/facts'
import { messageOf } from '@weft/foundation/errors'
import { effectiveInbound, effectiveZoneListener, type IdentityView, type Problem } from '@weft/policies'
import type { EncodedResource, XdsType } from '@weft/xds'
import { applyInbound, applyZoneListener, type PolicyFailure } from './apply-policies.ts'
import { encodedCluster, encodedListener } from './encoded.ts'
import type { ProxyTraits } from './features.ts'
import { type AdminCertificate, adminClusters, adminListener } from './generators/admin.ts'
import { dnsEntry, dynamicConfigListener } from './generators/dynamic-config.ts'
import { inboundCluster, inboundListener } from './generators/inbound.ts'
import { passthroughClusters, passthroughListeners } from './generators/transparent-proxy.ts'
import { type IngressRoute, ingressListener } from './generators/zone-ingress.ts'
import type { ResourceProblem } from './problem.ts'

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

/** Builds all of a proxy's own resources; each fails alone. */
export function ownResources(input: OwnInput): OwnResources {
  const { facts, traits } = input
  const clusters = new Map<string, EncodedResource>()
  const listeners = new Map<string, EncodedResource>()
  const problems: ResourceProblem[] = []
  const attempt = (type: XdsType, resource: string, build: () => void): void => {
    try {
      build()
    } catch (error) {
      problems.push({ type, resource, policy: undefined, message: messageOf(error) })
    }
  }
  const addCluster = (draft: ClusterDraft): void => {
    attempt('cluster', draft.name, () => clusters.set(draft.name, encodedCluster(draft)))
  }
  const addListener = (draft: ListenerDraft | undefined): void => {
    if (draft !== undefined) attempt('listener', draft.name, () => listeners.set(draft.name, encodedListener(draft)))
  }
  const report = (resource: string, failures: readonly PolicyFailure[], confProblems: readonly Problem[]): void => {
    for (const failure of failures) problems.push({ type: 'listener', resource, ...failure })
    for (const problem of confProblems) problems.push({ type: 'listener', resource, policy: problem.type, message: problem.message })
  }

  attempt('listener', systemNames.admin, () => {
    for (const cluster of adminClusters(input)) addCluster(cluster)
    addListener(adminListener(input))
  })
  const inbounds = facts.inbounds.filter((inbound) => inbound.port !== servicelessPort)
  const confs = inbounds.map((inbound) => effectiveInbound(facts.policies, inbound))
  const allStrict = confs.every((conf) => conf.tlsMode === 'Strict')
  const restricted = traits.strictInboundPorts && facts.identity !== undefined && !facts.gateway && allStrict
  const passthrough = {
    facts,
    traits,
    inboundPorts: restricted ? [...new Set(inbounds.map((inbound) => inbound.port))] : undefined,
  }
  for (const cluster of passthroughClusters(passthrough)) addCluster(cluster)
  for (const listener of passthroughListeners(passthrough)) addListener(listener)

  const identity = identityView(facts)
  inbounds.forEach((inbound, index) => {
    const conf = confs[index]
    if (conf === undefined) return
    const name = inboundName(inbound.section)
    attempt('listener', name, () => {
      const at = { facts, traits, inbound }
      const applied = applyInbound(
        conf.byType,
        () => ({ cluster: inboundCluster(at), listener: inboundListener(at) }),
        ({ cluster, listener }) => ({ section: inbound.section, protocol: inbound.protocol, identity, listener, cluster }),
      )
      report(name, applied.failures, conf.problems)
      addCluster(applied.draft.cluster)
      addListener(applied.draft.listener)
    })
  })
  attempt('listener', systemNames.dynamicConfig, () => {
    const dns = dnsEntry(facts, traits)
    addListener(dynamicConfigListener(facts, dns === undefined ? [] : [dns]))
  })
  for (const fact of facts.zoneListeners) {
    if (fact.kind !== 'ZoneIngress' || input.ingressRoutes.length === 0) continue
    attempt('listener', zoneIngressName(fact.section), () => addListener(zoneListener(fact, input, report)))
  }
  return { clusters, listeners, problems }
}

function zoneListener(
  fact: ZoneListenerFact,
  { facts, traits, ingressRoutes }: OwnInput,
  report: (resource: string, failures: readonly PolicyFailure[], problems: readonly Problem[]) => void,
): ListenerDraft | undefined {
  const conf = effectiveZoneListener(facts.policies, fact)
  const make = (): ListenerDraft => {
    const draft = ingressListener({ listener: fact, reusePort: traits.reusePort, routes: ingressRoutes })
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
