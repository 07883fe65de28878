// Which zone may speak for which trust domain. A zone cannot vouch for another one: a domain is taken from a zone only when a MeshIdentity of the mesh
// renders it for that zone alone (the zone label of what a zone sent is forced to the zone of its session), or when an operator approved it.
import { createHash } from 'node:crypto'
import { trustDomainOf } from '@weft/identity'
import { displayName, labelKeys, type Labels, type MeshIdentitySpec, type Resource, templateNames } from '@weft/resources'

/**
 * Why a MeshTrust of a zone is stored but not published. `needs-approval`: its domain is the same in several zones, so that its roots would
 * vouch for all of them.
 */
export type TrustRefusal = 'disabled' | 'no-certificate' | 'foreign-domain' | 'needs-approval' | 'zone-disabled'

/** A MeshTrust that a zone sent and what became of it. */
export interface TrustVerdict {
  readonly mesh: string
  /** Name of the MeshTrust here. */
  readonly name: string
  readonly zone: string
  readonly trustDomain: string
  readonly certificates: readonly string[]
  /** Undefined: published. */
  readonly refusal: TrustRefusal | undefined
  /** An operator approved the domain for this zone. */
  readonly isApproved: boolean
}

/** A MeshTrust of a zone, as far as it counts here. */
export type ZoneTrust = Omit<TrustVerdict, 'refusal' | 'isApproved'>

/** What decides the trust domains that proxies of a mesh have. */
export interface DomainTemplate {
  readonly mesh: string
  /** '' for an identity of global, which every zone uses. */
  readonly zone: string
  readonly resource: Resource
}

/** What a zone may say about a domain. */
export type DomainClaim = 'own' | 'shared' | 'foreign'

/**
 * Identities of global decide first: what they render for another zone by its name is that zone's; a domain without the zone in it is shared. An
 * identity of the zone itself counts only when no one else renders its domain.
 */
export function claimOf(trust: ZoneTrust, templates: readonly DomainTemplate[], otherZones: readonly string[]): DomainClaim {
  const renders = (template: DomainTemplate, zone: string): boolean =>
    trustDomainOf(template.resource, { zone, environment: 'universal' }) === trust.trustDomain
  const ofGlobal = templates.filter((template) => template.zone === '')
  const [named, fixed] = [ofGlobal.filter(namesZone), ofGlobal.filter((template) => !namesZone(template))]
  if (named.some((template) => renders(template, trust.zone))) return 'own'
  if (named.some((template) => otherZones.some((zone) => renders(template, zone)))) return 'foreign'
  if (fixed.some((template) => renders(template, trust.zone))) return 'shared'
  if (otherZones.some((zone) => trust.trustDomain === `${trust.mesh}.${zone}.mesh.local`)) return 'foreign'
  const own = templates.filter((template) => template.zone === trust.zone && renders(template, trust.zone))
  const isClaimedElsewhere = templates.some(
    (template) => template.zone !== '' && template.zone !== trust.zone && renders(template, template.zone),
  )
  if (own.some(namesZone)) return isClaimedElsewhere ? 'foreign' : 'own'
  return own.length > 0 ? 'shared' : 'foreign'
}

/** Name of the published MeshTrust: stable for a zone and its domain, valid whatever the domain holds. */
export function publishedName(trust: { readonly zone: string; readonly trustDomain: string }): string {
  return `zone-${trust.zone}-${createHash('sha256').update(trust.trustDomain).digest('hex').slice(0, 10)}`
}

/** Keeps what decides a domain; the zone label of an identity of global is dropped, because such an identity belongs to every zone. */
export function domainTemplate(resource: Resource): DomainTemplate {
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

/** The zone a resource came from; undefined for what this control plane or a person here wrote. */
export function zoneOfOrigin(labels: Labels): string | undefined {
  const zone = labels[labelKeys.zone]
  return labels[labelKeys.origin] === 'zone' && zone ? zone : undefined
}

function namesZone({ resource }: DomainTemplate): boolean {
  // stored MeshIdentities passed the codec of their kind
  const template = (resource.spec as MeshIdentitySpec).spiffeID?.trustDomain
  return !template || templateNames(template).fields.has('Zone')
}
