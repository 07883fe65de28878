// Hostnames of destinations from HostnameGenerators (contract/resources.md section 10). Within a mesh a hostname belongs to the claim of the first
// generator in order, then of the oldest service; every other claim shows a collision.
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
import type { MeshSettings } from '../settings.ts'
import { type DestinationResource, destinationTypes } from './destination-resources.ts'
import { fieldsOf, type GeneratedPart } from './generated-part.ts'

interface Generator {
  readonly name: string
  readonly isZoneOrigin: boolean
  readonly creationTime: string
  readonly selectors: ReadonlyMap<string, Labels>
  readonly template: string
}

interface Claim {
  readonly generator: string
  /** Place of the generator in the order of precedence. */
  readonly rank: number
  readonly hostname: string | undefined
  readonly problem: string | undefined
}

interface Claims {
  readonly service: DestinationResource
  readonly claims: readonly Claim[]
}

export interface Hostnames {
  readonly addresses: readonly {
    readonly hostname: string
    readonly origin: string
    readonly hostnameGeneratorRef: { readonly coreName: string }
  }[]
  readonly hostnameGenerators: readonly unknown[]
}

export interface HostnameInputs {
  readonly generators: Collection<Resource>
  readonly destinations: Collection<DestinationResource>
}

/** By `keyText` of the destination. */
export function deriveHostnames(graph: Graph, inputs: HostnameInputs, settings: MeshSettings): Collection<Hostnames> {
  const generators = graph.map({ name: 'hostnameGenerators', from: inputs.generators }, (_, resource) => generatorOf(resource))
  const ordered = graph.map(
    { name: 'orderedHostnameGenerators', from: graph.group('allHostnameGenerators', generators, () => ['all']) },
    (_, list) => [...list].sort(byPrecedence),
  )
  const claims = graph.map(
    { name: 'hostnameClaims', from: inputs.destinations, reads: [ordered] },
    (scope, service): Claims => ({
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
      const rivals = claim.hostname === undefined ? [] : scope.lookup(byHostname, `${service.mesh}/${claim.hostname}`)
      return { claim, winner: winnerOf(rivals, claim.hostname)?.service }
    })
    return {
      addresses: results.flatMap(({ claim, winner }) =>
        claim.hostname !== undefined && winner?.key === service.key
          ? [{ hostname: claim.hostname, origin: 'HostnameGenerator', hostnameGeneratorRef: { coreName: claim.generator } }]
          : [],
      ),
      hostnameGenerators: results.map(({ claim, winner }) => ({
        hostnameGeneratorRef: { coreName: claim.generator },
        conditions: [conditionOf(claim, winner, service)],
      })),
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
      return isEmpty ? draft : { ...draft, status: { ...status, ...wanted } }
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
  return {
    name: resource.name,
    isZoneOrigin: resource.labels[labelKeys.origin] === 'zone',
    creationTime: resource.creationTime,
    selectors,
    template: spec.template ?? '',
  }
}

function claimOf(generator: Generator, rank: number, service: DestinationResource, settings: MeshSettings): readonly Claim[] {
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
  const claim = { generator: generator.name, rank }
  if ('problem' in rendering) return [{ ...claim, hostname: undefined, problem: rendering.detail }]
  const { text } = rendering
  if (!isRfc1123Subdomain(text)) return [{ ...claim, hostname: undefined, problem: `not a host name: ${text}` }]
  return [{ ...claim, hostname: text, problem: undefined }]
}

function winnerOf(rivals: readonly Claims[], hostname: string | undefined): Claims | undefined {
  let best: { readonly rank: number; readonly claims: Claims } | undefined
  for (const claims of rivals) {
    const rank = Math.min(...claims.claims.filter((claim) => claim.hostname === hostname).map((claim) => claim.rank))
    if (!best || rank < best.rank || (rank === best.rank && byAge(claims.service, best.claims.service) < 0)) best = { rank, claims }
  }
  return best?.claims
}

function conditionOf(claim: Claim, winner: DestinationResource | undefined, service: DestinationResource): unknown {
  const condition = (status: string, reason: string, message: string): unknown => ({ type: 'Generated', status, reason, message })
  if (claim.hostname === undefined) return condition('False', 'TemplateError', claim.problem ?? '')
  if (winner && winner.key !== service.key) return condition('False', 'Collision', `Hostname collision with ${winner.type}: ${winner.name}`)
  return condition('True', 'Generated', '')
}

function byPrecedence(a: Generator, b: Generator): number {
  if (a.isZoneOrigin !== b.isZoneOrigin) return a.isZoneOrigin ? -1 : 1
  return byAge(a, b)
}

function byAge(
  a: { readonly creationTime: string; readonly name: string },
  b: { readonly creationTime: string; readonly name: string },
): number {
  return compare(a.creationTime, b.creationTime) || compare(a.name, b.name)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
