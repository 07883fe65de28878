// Trust federation on global: each zone's own trust domain, and only that, is published to all zones as a MeshTrust of global origin. A zone cannot
// vouch for another one: a domain is taken from a zone only when a MeshIdentity of the mesh renders it for that zone (the zone label of what a zone
// sent is forced to the zone of its session).
import { createHash, X509Certificate } from 'node:crypto'
import type { Collection, Graph } from '@weft/graph'
import { trustDomainOf } from '@weft/identity'
import {
  displayName,
  labelKeys,
  type Labels,
  type MeshIdentitySpec,
  type MeshTrustSpec,
  nameKey,
  type Resource,
  templateNames,
} from '@weft/resources'
import { bundlesOf } from '../trust.ts'
import type { GeneratedPart } from './generated-part.ts'

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
}

export interface TrustFederation {
  /** By `mesh/name` of the MeshTrust to publish. */
  readonly wanted: Collection<FederatedTrust>
  /** Zone trusts that are stored but not published, by `mesh/name`, with the reason. */
  readonly refused: Collection<string>
}

interface ZoneTrust {
  readonly key: string
  readonly mesh: string
  readonly zone: string
  readonly trustDomain: string
  readonly certificates: readonly string[]
}

interface DomainTemplate {
  readonly mesh: string
  /** '' for an identity of global, which every zone uses. */
  readonly zone: string
  readonly resource: Resource
}

type Verdict = { readonly trust: ZoneTrust; readonly refusal: string | undefined }

export function deriveTrustFederation(graph: Graph, inputs: FederationInputs): TrustFederation {
  const { meshes, zones } = inputs
  const trusts = graph.map({ name: 'zoneTrusts', from: inputs.trusts }, (_, resource) => zoneTrust(resource))
  const templates = graph.map({ name: 'trustDomainTemplates', from: inputs.identities }, (_, resource) => domainTemplate(resource))
  const byMesh = graph.index('trustDomainTemplatesByMesh', templates, (template) => [template.mesh])
  const federating = graph.map({ name: 'federatingMeshes', from: meshes }, (_, mesh) =>
    mesh.labels[labelKeys.trustFederation] === 'disabled' ? undefined : (true as const),
  )
  const zoneNames = graph.map({ name: 'zoneNames', from: zones }, (_, zone) => zone.name)
  const verdicts = graph.map({ name: 'trustVerdicts', from: trusts, reads: [byMesh, federating, zoneNames] }, (scope, trust): Verdict => {
    const verdict = (refusal?: string): Verdict => ({ trust, refusal })
    if (!scope.get(federating, `/${trust.mesh}`)) return verdict('disabled')
    if (trust.certificates.length === 0) return verdict('no-certificate')
    const others = scope.all(zoneNames).filter((zone) => zone !== trust.zone)
    return verdict(refusalOf(trust, scope.lookup(byMesh, trust.mesh), others))
  })
  const refused = graph.map({ name: 'refusedTrusts', from: verdicts }, (_, { refusal }) => refusal)
  const accepted = graph.map({ name: 'acceptedTrusts', from: verdicts }, (_, { trust, refusal }) =>
    refusal === undefined ? trust : undefined,
  )
  const groups = graph.group('acceptedTrustsByDomain', accepted, (trust) => [`${trust.mesh}/${publishedName(trust)}`])
  const wanted = graph.map({ name: 'federatedTrusts', from: groups }, (_, members): FederatedTrust | undefined => {
    const [first] = members
    if (!first) return undefined
    const certificates = [...new Set(members.flatMap((member) => member.certificates))].sort()
    return { mesh: first.mesh, zone: first.zone, trustDomain: first.trustDomain, certificates }
  })
  return { wanted, refused }
}

export function createTrustFederationPart(wanted: Collection<FederatedTrust>): GeneratedPart {
  return {
    name: trustFederationGenerator,
    types: ['MeshTrust'],
    apply: (key, draft) => {
      if (draft && draft.labels[labelKeys.managedBy] !== trustFederationGenerator) return draft
      const trust = wanted.get(nameKey(key))
      if (!trust) return undefined
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
  }
}

/** Stable for a zone and its domain, valid as a name whatever the domain holds. */
function publishedName(trust: { readonly zone: string; readonly trustDomain: string }): string {
  return `zone-${trust.zone}-${createHash('sha256').update(trust.trustDomain).digest('hex').slice(0, 10)}`
}

/**
 * Why a zone may not speak for a domain; undefined when it may. Identities of global decide first: what they render for another zone is that
 * zone's. An identity of the zone itself counts only when its domain contains the zone's name by template and no one else renders it.
 */
function refusalOf(trust: ZoneTrust, templates: readonly DomainTemplate[], otherZones: readonly string[]): string | undefined {
  const renders = (template: DomainTemplate, zone: string): boolean =>
    trustDomainOf(template.resource, { zone, environment: 'universal' }) === trust.trustDomain
  const ofGlobal = templates.filter((template) => template.zone === '')
  if (ofGlobal.some((template) => renders(template, trust.zone))) return undefined
  if (ofGlobal.some((template) => otherZones.some((zone) => renders(template, zone)))) return 'foreign-domain'
  const own = templates.filter((template) => template.zone === trust.zone && namesZone(template.resource))
  if (!own.some((template) => renders(template, trust.zone))) return 'foreign-domain'
  const isDefaultElsewhere = otherZones.some((zone) => trust.trustDomain === `${trust.mesh}.${zone}.mesh.local`)
  const isClaimedElsewhere = templates.some(
    (template) => template.zone !== '' && template.zone !== trust.zone && renders(template, template.zone),
  )
  return isDefaultElsewhere || isClaimedElsewhere ? 'foreign-domain' : undefined
}

function namesZone(identity: Resource): boolean {
  // stored MeshIdentities passed the codec of their kind
  const template = (identity.spec as MeshIdentitySpec).spiffeID?.trustDomain
  return !template || templateNames(template).fields.has('Zone')
}

/** Undefined for what this control plane or a person here wrote. */
function zoneTrust(resource: Resource): ZoneTrust | undefined {
  const zone = zoneOfOrigin(resource.labels)
  if (zone === undefined) return undefined
  // stored MeshTrusts passed the codec of their kind
  const spec = resource.spec as MeshTrustSpec
  return {
    key: nameKey(resource),
    mesh: resource.mesh,
    zone,
    trustDomain: spec.trustDomain,
    certificates: bundlesOf(spec).filter(isAuthority),
  }
}

/** Keeps what decides a domain; the zone label of an identity of global is dropped, because such an identity belongs to every zone. */
function domainTemplate(resource: Resource): DomainTemplate {
  const zone = zoneOfOrigin(resource.labels) ?? ''
  const { [labelKeys.zone]: _, ...labels } = resource.labels
  // stored MeshIdentities passed the codec of their kind
  const { spiffeID } = resource.spec as MeshIdentitySpec
  return {
    mesh: resource.mesh,
    zone,
    resource: {
      type: resource.type,
      mesh: resource.mesh,
      name: displayName(resource),
      labels: zone === '' ? labels : resource.labels,
      creationTime: resource.creationTime,
      modificationTime: '',
      version: 0,
      spec: spiffeID ? { spiffeID } : {},
    },
  }
}

function zoneOfOrigin(labels: Labels): string | undefined {
  const zone = labels[labelKeys.zone]
  return labels[labelKeys.origin] === 'zone' && zone ? zone : undefined
}

function isAuthority(pem: string): boolean {
  try {
    return new X509Certificate(pem).ca
  } catch {
    return false
  }
}
