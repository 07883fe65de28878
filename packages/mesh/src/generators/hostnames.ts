// Hostnames of destinations from HostnameGenerators (contract/resources.md section 10). Within a mesh a hostname belongs to one destination; every
// other claim on it shows a collision.
import type { Collection, Graph } from '@weft/graph'
import {
  type HostnameGeneratorSpec,
  isRfc1123Subdomain,
  keyText,
  labelKeys,
  type Labels,
  renderTemplate,
  type Resource,
} from '@weft/resources'
import { hasLabels } from '../label-selection.ts'
import { isOfOtherZone, type MeshSettings } from '../settings.ts'
import { type DestinationResource, destinationTypes } from './destination-resources.ts'
import { fieldsOf, type GeneratedPart } from './generated-part.ts'
import type { HostnameCollision } from './hostname-collisions.ts'
import { byAge, compare, type DestinationClaims, type HostnameClaim, holderOf, namesZone } from './hostname-precedence.ts'

interface Generator {
  readonly name: string
  readonly isZoneOrigin: boolean
  readonly creationTime: string
  readonly selectors: ReadonlyMap<string, Labels>
  readonly template: string
  readonly namesZone: boolean
}

export interface Hostnames {
  readonly addresses: readonly {
    readonly hostname: string
    readonly origin: string
    readonly hostnameGeneratorRef: { readonly coreName: string }
  }[]
  readonly hostnameGenerators: readonly unknown[]
  readonly collisions: readonly HostnameCollision[]
}

export interface HostnameInputs {
  readonly generators: Collection<Resource>
  readonly destinations: Collection<DestinationResource>
}

/** By `keyText` of the destination. */
export function deriveHostnames(graph: Graph, inputs: HostnameInputs, settings: MeshSettings): Collection<Hostnames> {
  const generators = graph.map({ name: 'hostnameGenerators', from: inputs.generators }, (_, resource) =>
    // a generator never comes from another zone: one that says so has no say here
    isOfOtherZone(resource.labels, settings) ? undefined : generatorOf(resource),
  )
  const ordered = graph.map(
    { name: 'orderedHostnameGenerators', from: graph.group('allHostnameGenerators', generators, () => ['all']) },
    (_, list) => [...list].sort(byPrecedence),
  )
  const claims = graph.map(
    { name: 'hostnameClaims', from: inputs.destinations, reads: [ordered] },
    (scope, service): DestinationClaims<DestinationResource> => ({
      service,
      claims: (scope.get(ordered, 'all') ?? []).flatMap((generator, rank) => claimOf(generator, rank, service, settings)),
    }),
  )
  const byHostname = graph.index('hostnameClaimsByHostname', claims, ({ service, claims: list }) => [
    ...new Set(list.flatMap((claim) => (claim.hostname === undefined ? [] : [`${service.mesh}/${claim.hostname}`]))),
  ])
  return graph.map({ name: 'hostnames', from: claims, reads: [byHostname] }, (scope, { service, claims: list }): Hostnames => {
    const sorted = [...list].sort((a, b) => compare(a.generator, b.generator))
    const results = sorted.map((claim) => {
      const holder =
        claim.hostname === undefined ? undefined : holderOf(scope.lookup(byHostname, `${service.mesh}/${claim.hostname}`), claim.hostname)
      return { claim, holder }
    })
    return {
      addresses: results.flatMap(({ claim, holder }) =>
        claim.hostname !== undefined && holder?.key === service.key
          ? [{ hostname: claim.hostname, origin: 'HostnameGenerator', hostnameGeneratorRef: { coreName: claim.generator } }]
          : [],
      ),
      hostnameGenerators: results.map(({ claim, holder }) => ({
        hostnameGeneratorRef: { coreName: claim.generator },
        conditions: [conditionOf(claim, holder, service)],
      })),
      collisions: results.flatMap(({ claim, holder }) => collisionOf(claim, holder, service)),
    }
  })
}

export function createHostnamePart(hostnames: Collection<Hostnames>): GeneratedPart {
  return {
    name: 'hostnames',
    types: destinationTypes,
    apply: (key, draft) => {
      const wanted = hostnames.get(keyText(key))
      if (!draft || !wanted) return draft
      const status = fieldsOf(draft.status)
      const isEmpty =
        wanted.hostnameGenerators.length === 0 && status['addresses'] === undefined && status['hostnameGenerators'] === undefined
      const { addresses, hostnameGenerators } = wanted
      return isEmpty ? draft : { ...draft, status: { ...status, addresses, hostnameGenerators } }
    },
  }
}

function generatorOf(resource: Resource): Generator {
  // stored HostnameGenerators passed the codec of their kind
  const spec = resource.spec as HostnameGeneratorSpec
  const selectors = new Map<string, Labels>()
  if (spec.selector?.meshService) selectors.set('MeshService', spec.selector.meshService.matchLabels ?? {})
  if (spec.selector?.meshMultiZoneService) selectors.set('MeshMultiZoneService', spec.selector.meshMultiZoneService.matchLabels ?? {})
  if (spec.selector?.meshExternalService) selectors.set('MeshExternalService', spec.selector.meshExternalService.matchLabels ?? {})
  const template = spec.template ?? ''
  return {
    name: resource.name,
    isZoneOrigin: resource.labels[labelKeys.origin] === 'zone',
    creationTime: resource.creationTime,
    selectors,
    template,
    namesZone: namesZone(template),
  }
}

function claimOf(generator: Generator, rank: number, service: DestinationResource, settings: MeshSettings): readonly HostnameClaim[] {
  const wanted = generator.selectors.get(service.type)
  if (!wanted || generator.template === '' || !hasLabels(service.labels, wanted)) return []
  const fields = {
    Name: service.name,
    DisplayName: service.displayName,
    Namespace: service.namespace,
    Mesh: service.mesh,
    Zone: service.zone || settings.zone,
  }
  const rendering = renderTemplate(generator.template, { fields, labels: service.labels })
  const claim = { generator: generator.name, rank, namesZone: generator.namesZone }
  if ('problem' in rendering) return [{ ...claim, hostname: undefined, problem: rendering.detail }]
  const { text } = rendering
  if (!isRfc1123Subdomain(text)) return [{ ...claim, hostname: undefined, problem: `not a host name: ${text}` }]
  return [{ ...claim, hostname: text, problem: undefined }]
}

function collisionOf(
  { generator, hostname }: HostnameClaim,
  holder: DestinationResource | undefined,
  { type, mesh, name, key }: DestinationResource,
): readonly HostnameCollision[] {
  if (hostname === undefined || !holder || holder.key === key) return []
  return [{ type, mesh, name, hostname, generator, holder: { type: holder.type, name: holder.name } }]
}

function conditionOf(claim: HostnameClaim, holder: DestinationResource | undefined, service: DestinationResource): unknown {
  const condition = (status: string, reason: string, message: string): unknown => ({ type: 'Generated', status, reason, message })
  if (claim.hostname === undefined) return condition('False', 'TemplateError', claim.problem ?? '')
  if (holder && holder.key !== service.key) return condition('False', 'Collision', `Hostname collision with ${holder.type}: ${holder.name}`)
  return condition('True', 'Generated', '')
}

function byPrecedence(a: Generator, b: Generator): number {
  if (a.isZoneOrigin !== b.isZoneOrigin) return a.isZoneOrigin ? -1 : 1
  return byAge(a, b)
}
