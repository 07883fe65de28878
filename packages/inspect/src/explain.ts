// Why a dataplane is configured as it is: its policies, and for a destination its endpoints and who lets the call in.
import type { JsonObject } from '@weft/foundation/json'
import type { DestinationFact } from '@weft/facts'
import { type OutboundTarget, portTarget } from '@weft/policy'
import { kriText, nameKey, type Resource, type ResourceDescriptor } from '@weft/resources'
import { explainEndpoints } from './explain-endpoints.ts'
import { explainPermission } from './explain-permission.ts'
import { explainPolicies } from './explain-policies.ts'
import { destinationsOf, type Inspected, inspected } from './inspected.ts'
import { metaOf } from './meta.ts'
import type { Perspective, PerspectiveOf } from './zone-view.ts'

/** What to explain. */
export interface ExplainQuestion {
  /** One policy kind; all when absent. */
  readonly kind?: ResourceDescriptor
  /** A destination: identifier, name, host name, each with `:port` or without. */
  readonly to?: string
}

/** How to explain. */
export interface ExplainSight {
  /** Where the dataplane is. */
  readonly here: Perspective
  /** Other zones, for what they decide. */
  readonly perspectiveOf: PerspectiveOf
}

/** The explanation; undefined when the perspective does not know the dataplane. An unknown destination is an empty list. */
export async function explainDataplane(
  resource: Resource,
  question: ExplainQuestion,
  sight: ExplainSight,
): Promise<JsonObject | undefined> {
  const { here } = sight
  const dataplane = inspected(here.source, resource)
  if (!dataplane) return undefined
  const { to } = question
  const destinations = to === undefined ? [] : destinationsNamed(dataplane, to)
  const identity = here.source.mesh.identities.get(nameKey(resource))
  const every: { readonly name: string; readonly target: OutboundTarget } = { name: 'every destination', target: { kind: 'Mesh' } }
  const targets = to === undefined ? [every] : destinations.map((each) => ({ name: each.id, target: portTarget(each) }))
  return {
    dataplane: { ...metaOf(resource), kri: kriText('dp', resource), zone: here.zone, ...(identity ? { spiffeId: identity.spiffeId } : {}) },
    policies: explainPolicies(dataplane, { targets, ...(question.kind ? { kind: question.kind } : {}) }),
    ...(to === undefined
      ? {}
      : { destinations: await Promise.all(destinations.map((destination) => explainDestination(dataplane, destination, sight))) }),
  }
}

async function explainDestination(
  dataplane: Inspected,
  destination: DestinationFact,
  { here, perspectiveOf }: ExplainSight,
): Promise<JsonObject> {
  const { id, kind, port, protocol, hostnames, vips, sni } = destination
  const reachable = here.source.mesh.destinationsOf(nameKey(dataplane.resource)).some((each) => each.id === id)
  return {
    kri: id,
    kind,
    port,
    protocol,
    hostnames,
    vips,
    ...(sni === undefined ? {} : { sni }),
    reachable,
    ...(reachable ? {} : { message: 'the dataplane neither has an outbound for it nor names it in reachableBackends' }),
    ...explainEndpoints(here.source, destination, here.zone),
    permission: await permissionOf(dataplane, destination, { here, perspectiveOf }),
  }
}

/** The verdicts of the zones that serve the destination; a zone that cannot be seen from here says so. */
async function permissionOf(
  dataplane: Inspected,
  destination: DestinationFact,
  { here, perspectiveOf }: ExplainSight,
): Promise<readonly JsonObject[]> {
  const client = here.source.mesh.identities.get(nameKey(dataplane.resource))
  const services = servicesBehind(here, destination)
  const perZone = await Promise.all(
    services.map(async ({ zone, port }): Promise<readonly JsonObject[]> => {
      const there = zone === here.zone ? here : await perspectiveOf(zone, destination.mesh)
      if (!there) return [{ zone, message: `the inbounds of zone ${zone} decide: ask the global control plane` }]
      const served = there.source.mesh.destinations.get(port)
      if (!served) return []
      // the server name is the one of what was called, not of the service behind it
      return explainPermission(there.source, { ...served, sni: destination.sni }, client).map((verdict) => ({ zone, ...verdict }))
    }),
  )
  return perZone.flat()
}

/** Zone and destination id of the service ports that serve a destination: itself, or the members of a multi-zone service. */
function servicesBehind(
  { source, zone }: Perspective,
  destination: DestinationFact,
): readonly { readonly zone: string; readonly port: string }[] {
  const key = `${destination.mesh}/${destination.name}`
  if (destination.kind === 'MeshService') return [{ zone: destination.local ? zone : destination.zone, port: destination.id }]
  if (destination.kind !== 'MeshMultiZoneService') return []
  return (source.mesh.multiZoneMembers.get(key) ?? []).flatMap((member) => {
    const service = source.mesh.services.get(member)
    const port = service?.ports.find((each) => each.section === destination.portName)
    return service && port ? [{ zone: service.isLocal ? zone : service.zone, port: port.id }] : []
  })
}

/** Destination ports that a person may mean by a text. */
export function destinationsNamed(dataplane: Inspected, text: string): readonly DestinationFact[] {
  const [, name = text, port] = /^(.*?)(?::([^:]+))?$/.exec(text) ?? []
  return destinationsOf(dataplane).filter(
    (each) =>
      each.id === text ||
      ([each.displayName, each.name, ...each.hostnames].includes(name) &&
        (port === undefined || port === String(each.port) || port === each.portName)),
  )
}
