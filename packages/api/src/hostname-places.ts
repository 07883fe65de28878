// In which zones a destination holds a hostname, as global can tell from what all zones sent it: each zone judges by its own view, so claims meet only in
// zones where both exist (contract/resources.md section 10). Ages are global's, since those of the zones' stores are not known here.
import { field } from '@weft/foundation/json'
import { byAge, type DestinationClaims, holderOf, namesZone } from '@weft/mesh'
import { displayName, isRfc1123Subdomain, kdsName, keyText, labelKeys, type Labels, renderTemplate, type Resource } from '@weft/resources'
import { matchesLabels } from './filters.ts'

export interface HostnameView {
  readonly generators: readonly Resource[]
  /** All destinations of one mesh. */
  readonly destinations: readonly Resource[]
  readonly zones: readonly string[]
}

/** Where a claim exists: in one zone, or in all but one. */
type Place = { readonly in: string } | { readonly notIn: string | undefined }

interface Claim {
  readonly generator: Resource
  readonly destination: Resource
  readonly places: readonly Place[]
}

/** A zone that nobody has told global of yet: what every zone sees that is no destination's home. */
const anyOther = ''

/** Whether the destination holds the hostname in at least one zone where the generator gives it. */
export function holdsHostname(view: HostnameView, generator: Resource, destination: Resource, hostname: string): boolean {
  const claims = view.destinations.flatMap((rival) =>
    view.generators.flatMap((by): Claim[] => {
      if (hostnameBy(by, rival) !== hostname) return []
      const places = placesOf(by, rival)
      return places.length > 0 ? [{ generator: by, destination: rival, places }] : []
    }),
  )
  const places = placesOf(generator, destination)
  return [...view.zones, anyOther].some((zone) => {
    if (!places.some((place) => isIn(place, zone))) return false
    const told = destination.labels[labelKeys.zone] === zone ? verdictAtHome(generator, destination) : undefined
    return told ?? holderIn(zone, claims, hostname) === keyText(destination)
  })
}

/** The hostname that a generator's template gives a destination; undefined when it cannot be one. */
export function hostnameBy(generator: Resource, destination: Resource, zone = ''): string | undefined {
  const template = field(generator.spec, 'template')
  if (typeof template !== 'string' || selectorOf(generator, destination.type) === undefined) return undefined
  const { labels, name, mesh } = destination
  const fields = {
    Name: name,
    DisplayName: displayName(destination),
    Namespace: labels[labelKeys.namespace] ?? '',
    Mesh: mesh,
    Zone: labels[labelKeys.zone] ?? zone,
  }
  const rendering = renderTemplate(template, { fields, labels })
  return 'text' in rendering && isRfc1123Subdomain(rendering.text) ? rendering.text : undefined
}

/** What a generator selects of a kind; undefined when it has nothing to do with the kind. */
export function selectorOf(generator: Resource, type: string): Labels | undefined {
  const selector = field(field(generator.spec, 'selector'), `${type.charAt(0).toLowerCase()}${type.slice(1)}`)
  if (typeof selector !== 'object' || selector === null) return undefined
  const labels = field(selector, 'matchLabels')
  return typeof labels === 'object' && labels !== null ? { ...labels } : {}
}

/** At home a destination is from the zone, everywhere else from global; a generator of a zone acts in that zone alone. */
function placesOf(generator: Resource, destination: Resource): readonly Place[] {
  const wanted = selectorOf(generator, destination.type)
  if (wanted === undefined) return []
  const { labels } = destination
  const home = labels[labelKeys.zone]
  const selects = (origin: string): boolean => matchesLabels(wanted, { ...destination, labels: { ...labels, [labelKeys.origin]: origin } })
  const own = generator.labels[labelKeys.origin] === 'zone' ? generator.labels[labelKeys.zone] : undefined
  if (own !== undefined) return selects(own === home ? 'zone' : 'global') ? [{ in: own }] : []
  return [...(home !== undefined && selects('zone') ? [{ in: home }] : []), ...(selects('global') ? [{ notIn: home }] : [])]
}

function isIn(place: Place, zone: string): boolean {
  return 'in' in place ? place.in === zone : place.notIn !== zone
}

function holderIn(zone: string, claims: readonly Claim[], hostname: string): string | undefined {
  const present = claims.filter(({ places }) => places.some((place) => isIn(place, zone)))
  const order = [...new Set(present.map(({ generator }) => generator))].toSorted(byPrecedence)
  const rivals = present.map(({ generator, destination }): DestinationClaims => {
    const home = destination.labels[labelKeys.zone]
    const { creationTime, name } = destination
    const service = { key: keyText(destination), creationTime, name, isForeign: home !== undefined && home !== '' && home !== zone }
    return {
      service,
      claims: [
        {
          generator: generator.name,
          rank: order.indexOf(generator),
          namesZone: namesZone(String(field(generator.spec, 'template'))),
          hostname,
          problem: undefined,
        },
      ],
    }
  })
  return holderOf(rivals, hostname)?.key
}

/** What the destination's own zone says of the generator in the status it sends; undefined when nothing. */
function verdictAtHome(generator: Resource, { status }: Resource): boolean | undefined {
  const names = new Set([generator.name, displayName(generator), kdsName(generator)])
  for (const entry of itemsOf(field(status, 'hostnameGenerators'))) {
    if (!names.has(String(field(field(entry, 'hostnameGeneratorRef'), 'coreName')))) continue
    const found = itemsOf(field(entry, 'conditions')).find((condition) => field(condition, 'type') === 'Generated')
    if (found !== undefined) return field(found, 'status') === 'True'
  }
  return undefined
}

function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** Those of the zone first, then by age, then by name. */
function byPrecedence(a: Resource, b: Resource): number {
  const isOwn = ({ labels }: Resource): number => Number(labels[labelKeys.origin] === 'zone')
  return isOwn(b) - isOwn(a) || byAge(a, b)
}
