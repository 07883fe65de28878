// Trust federation on global: each zone's own trust domain, and only that, is published to all zones as a MeshTrust of global origin, with the roots of
// all MeshTrusts the zone has of it. What disappears at its zone is withdrawn a little later, so that nobody who still drains loses it; what may
// not be published is withdrawn at once.
import { X509Certificate } from 'node:crypto'
import type { Clock, Timer } from '@weft/foundation/time'
import type { Collection, Graph } from '@weft/graph'
import { labelKeys, type MeshTrustSpec, nameKey, type Resource, type ResourceKey } from '@weft/resources'
import { isOnline } from '../online-dataplanes.ts'
import { bundlesOf } from '../trust.ts'
import type { GeneratedPart } from './generated-part.ts'
import { approvalKey, deriveApprovals } from './trust-approvals.ts'
import {
  claimOf,
  domainTemplate,
  publishedName,
  type TrustRefusal,
  type TrustVerdict,
  zoneOfOrigin,
  type ZoneTrust,
} from './trust-verdict.ts'

export const trustFederationGenerator = 'trust-federation'

/** A published MeshTrust. */
export interface FederatedTrust {
  readonly mesh: string
  readonly zone: string
  readonly trustDomain: string
  readonly certificates: readonly string[]
}

export interface FederationInputs {
  readonly meshes: Collection<Resource>
  readonly zones: Collection<Resource>
  readonly identities: Collection<Resource>
  readonly trusts: Collection<Resource>
  readonly insights: Collection<Resource>
  readonly configs: Collection<Resource>
}

export interface TrustFederation {
  /** By `mesh/name` of the MeshTrust to publish. */
  readonly wanted: Collection<FederatedTrust>
  /** What became of each MeshTrust of a zone, by its `mesh/name`. */
  readonly verdicts: Collection<TrustVerdict>
  /** Keys of `wanted` that must not be published, whatever is missing otherwise. */
  readonly barred: Collection<unknown>
}

export function deriveTrustFederation(graph: Graph, inputs: FederationInputs): TrustFederation {
  const { meshes, zones } = inputs
  const trusts = graph.map({ name: 'zoneTrusts', from: inputs.trusts }, (_, resource) => zoneTrust(resource))
  const templates = graph.map({ name: 'trustDomainTemplates', from: inputs.identities }, (_, resource) => domainTemplate(resource))
  const byMesh = graph.index('trustDomainTemplatesByMesh', templates, (template) => [template.mesh])
  const federating = graph.map({ name: 'federatingMeshes', from: meshes }, (_, mesh) =>
    mesh.labels[labelKeys.trustFederation] === 'disabled' ? undefined : (true as const),
  )
  const zoneNames = graph.map({ name: 'zoneNames', from: zones }, (_, zone) => zone.name)
  const zoneStates = graph.map({ name: 'zoneTrustStates', from: zones }, (_, zone) => ({
    // stored Zones passed the codec of their kind
    enabled: (zone.spec as { readonly enabled?: boolean }).enabled !== false,
    created: zone.creationTime,
  }))
  const approvals = deriveApprovals(graph, inputs.configs)
  const populated = deriveZonesWithProxies(graph, inputs)
  const verdicts = graph.map(
    { name: 'trustVerdicts', from: trusts, reads: [byMesh, federating, zoneNames, zoneStates, approvals, populated] },
    (scope, trust): TrustVerdict => {
      const zone = scope.get(zoneStates, `/${trust.zone}`)
      const isApproved = zone !== undefined && (scope.get(approvals, approvalKey(trust))?.includes(zone.created) ?? false)
      const others = scope.all(zoneNames).filter((name) => name !== trust.zone)
      const refusal = (): TrustRefusal | undefined => {
        if (!scope.get(federating, `/${trust.mesh}`)) return 'disabled'
        if (trust.certificates.length === 0) return 'no-certificate'
        const claim = claimOf(trust, scope.lookup(byMesh, trust.mesh), others)
        if (claim === 'foreign') return 'foreign-domain'
        if (claim === 'shared' && !isApproved) return 'needs-approval'
        // proxies that run on still call other zones, and those check their certificates
        return zone?.enabled === false && !scope.get(populated, trust.zone) ? 'zone-disabled' : undefined
      }
      return { ...trust, isApproved, refusal: refusal() }
    },
  )
  const groups = graph.group('acceptedTrustsByDomain', verdicts, (verdict) =>
    verdict.refusal === undefined ? [`${verdict.mesh}/${publishedName(verdict)}`] : [],
  )
  const barred = graph.group('barredTrustsByDomain', verdicts, (verdict) =>
    verdict.refusal === undefined || verdict.refusal === 'zone-disabled' ? [] : [`${verdict.mesh}/${publishedName(verdict)}`],
  )
  const wanted = graph.map({ name: 'federatedTrusts', from: groups }, (_, members): FederatedTrust | undefined => {
    const [first] = members
    if (!first) return undefined
    const certificates = [...new Set(members.flatMap((member) => member.certificates))].sort()
    return { mesh: first.mesh, zone: first.zone, trustDomain: first.trustDomain, certificates }
  })
  return { wanted, verdicts, barred }
}

export interface FederationPartOptions extends Pick<TrustFederation, 'wanted' | 'barred'> {
  readonly clock: Clock
  /** Asks for another look at a resource when it may go. */
  readonly mark: (key: ResourceKey) => void
}

/** Longer than proxies drain the clusters of services that are gone, since the trust in their certificates goes with them. */
const withdrawAfterMs = 60_000

export function createTrustFederationPart({ wanted, barred, clock, mark }: FederationPartOptions): GeneratedPart & { stop(): void } {
  const leaving = new Map<string, { readonly until: number; readonly timer: Timer }>()
  const stays = (name: string): void => {
    leaving.get(name)?.timer.cancel()
    leaving.delete(name)
  }
  /** Whether a published trust that nobody wants any more has to go now. */
  const mustGo = (key: ResourceKey, name: string): boolean => {
    if (barred.get(name)) return true
    const found = leaving.get(name)
    if (found) return clock.now() >= found.until
    leaving.set(name, { until: clock.now() + withdrawAfterMs, timer: clock.after(withdrawAfterMs, () => mark(key)) })
    return false
  }
  return {
    name: trustFederationGenerator,
    types: ['MeshTrust'],
    apply: (key, draft) => {
      if (draft && draft.labels[labelKeys.managedBy] !== trustFederationGenerator) return draft
      const name = nameKey(key)
      const trust = wanted.get(name)
      if (!trust) {
        if (draft && !mustGo(key, name)) return draft
        stays(name)
        return undefined
      }
      stays(name)
      return {
        labels: {
          [labelKeys.mesh]: key.mesh,
          [labelKeys.displayName]: key.name,
          [labelKeys.origin]: 'global',
          [labelKeys.managedBy]: trustFederationGenerator,
        },
        spec: { trustDomain: trust.trustDomain, caBundles: trust.certificates.map((value) => ({ type: 'Pem', pem: { value } })) },
        status: draft?.status ?? {},
      }
    },
    stop: () => {
      for (const { timer } of leaving.values()) timer.cancel()
    },
  }
}

/** By zone name: zones whose own list of connected proxies is not empty. */
function deriveZonesWithProxies(graph: Graph, { insights }: FederationInputs): Collection<true> {
  const zones = graph.map({ name: 'zonesOfOnlineDataplanes', from: insights }, (_, insight) =>
    isOnline(insight) ? zoneOfOrigin(insight.labels) : undefined,
  )
  const byZone = graph.group('onlineDataplanesByZone', zones, (zone) => [zone])
  return graph.map({ name: 'zonesWithProxies', from: byZone }, (): true => true)
}

/** Undefined for what this control plane or a person here wrote. */
function zoneTrust(resource: Resource): ZoneTrust | undefined {
  const zone = zoneOfOrigin(resource.labels)
  if (zone === undefined) return undefined
  // stored MeshTrusts passed the codec of their kind
  const spec = resource.spec as MeshTrustSpec
  return {
    mesh: resource.mesh,
    name: resource.name,
    zone,
    trustDomain: spec.trustDomain,
    certificates: bundlesOf(spec).filter(isAuthority),
  }
}

function isAuthority(pem: string): boolean {
  try {
    return new X509Certificate(pem).ca
  } catch {
    return false
  }
}
