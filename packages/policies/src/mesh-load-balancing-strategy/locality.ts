// The order of endpoints by place: near ones in the client's zone by weight, other zones by priority (contract/policies.md section 3.8).
// A placement is everything about a client that its load assignment depends on: clients with equal placements share it.
import { degradedOverprovisioningFactor, type EndpointInput, type LoadAssignmentDraft, type LocalityDraft } from '@weft/envoy'
import { labelKeys } from '@weft/resources'
import type { ClientPlace } from '../plugin.ts'
import type { FailoverRule, LocalityConf } from './conf.ts'

/** Endpoints with this label value share a weight. */
interface NearGroup {
  readonly key: string
  readonly value: string
  readonly weight: number
}

/** Zones that take over at a priority. */
interface RemoteGroup {
  readonly priority: number
  readonly to: 'Only' | 'Any' | 'AnyExcept'
  readonly zones: readonly string[]
}

/** How a client orders endpoints. `flat`: place does not count at all. */
export type Placement =
  | { readonly flat: true }
  | {
      readonly flat: false
      readonly zone: string
      readonly near: readonly NearGroup[]
      readonly remote: readonly RemoteGroup[]
      /** Whether localities share traffic by weight. */
      readonly weighted: boolean
      readonly threshold?: number
    }

/** The placement of a client; undefined when the endpoints' own order holds: the own zone first, then all others. */
export function placementOf({ zone, labels }: ClientPlace, locality: LocalityConf): Placement | undefined {
  if (locality.disabled) return { flat: true }
  if (locality.regrouped === undefined) return undefined
  const { affinity, failover, threshold } = locality.regrouped
  return {
    flat: false,
    zone,
    near: affinity.flatMap(({ key, weight }) => {
      const value = Object.hasOwn(labels, key) ? labels[key] : undefined
      return value === undefined ? [] : [{ key, value, weight }]
    }),
    remote: failover.flatMap((rule, index) => remoteGroup(rule, { index, zone })),
    weighted: affinity.length > 0,
    ...(threshold === undefined ? {} : { threshold }),
  }
}

/** Priorities come from the position in the list, also of rules for other zones: every zone numbers them alike. */
function remoteGroup({ from, to, zones }: FailoverRule, at: { readonly index: number; readonly zone: string }): readonly RemoteGroup[] {
  if (to === 'None' || (from !== undefined && !from.includes(at.zone))) return []
  return [{ priority: at.index + 1, to, zones }]
}

/** Orders the endpoints. Those whose zone is not known keep their place: no rule can speak about them. */
export function arrange(assignment: LoadAssignmentDraft, placement: Placement): void {
  if (placement.flat) {
    for (const locality of assignment.localities) locality.priority = 0
    assignment.localities.sort(byPlace)
    return
  }
  const groups = new Map<string, LocalityDraft>()
  const put = (place: Omit<LocalityDraft, 'endpoints'>, endpoint: EndpointInput): void => {
    const key = JSON.stringify([place.priority, place.zone, place.subZone, place.outOfReach])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { ...place, endpoints: [endpoint] })
    else group.endpoints.push(endpoint)
  }
  for (const { zone, priority, outOfReach, endpoints } of assignment.localities) {
    const takeover = zone === '' ? priority : remotePriority(zone, placement.remote)
    for (const endpoint of endpoints) {
      if (zoneOf(zone, endpoint) === placement.zone) put(nearPlace(endpoint, placement), endpoint)
      else if (takeover !== undefined) put({ zone, subZone: '', priority: takeover, weight: undefined, outOfReach }, endpoint)
    }
  }
  assignment.localities = [...groups.values()].sort(byPlace)
  // A locality without weight gets no traffic where others have one: as many endpoints, so much traffic, as without weights.
  if (placement.weighted) for (const locality of assignment.localities) locality.weight ??= locality.endpoints.length
  assignment.localities.forEach((_, index, all) => scaleWeights(all, index))
  if (placement.threshold !== undefined) assignment.overprovisioningFactor = Math.ceil(10_000 / placement.threshold)
  else if (assignment.overprovisioningFactor !== degradedOverprovisioningFactor) assignment.overprovisioningFactor = defaultFactor
}

/** An external service of a zone has its zone in the labels only: the egress on the way to it has no locality. Undefined: of no zone. */
function zoneOf(zone: string, { metadata }: EndpointInput): string | undefined {
  if (zone !== '') return zone
  return Object.hasOwn(metadata, labelKeys.zone) ? metadata[labelKeys.zone] : undefined
}

/** Traffic begins to leave the zone when less than half of its endpoints are healthy. */
const defaultFactor = 200

function nearPlace(endpoint: EndpointInput, { zone, near }: { readonly zone: string; readonly near: readonly NearGroup[] }) {
  const group = near.find(({ key, value }) => Object.hasOwn(endpoint.metadata, key) && endpoint.metadata[key] === value)
  return {
    zone,
    subZone: group === undefined ? '' : `${group.key}=${group.value}`,
    priority: 0,
    weight: group?.weight ?? 1,
    outOfReach: undefined,
  }
}

function remotePriority(zone: string, groups: readonly RemoteGroup[]): number | undefined {
  return groups.find(({ to, zones }) => to === 'Any' || zones.includes(zone) === (to === 'Only'))?.priority
}

const largestSum = 0xffffffff

/** Envoy adds the weights of one priority in 32 bits. The first locality of a priority scales all of it. */
function scaleWeights(localities: readonly LocalityDraft[], index: number): void {
  const { priority } = localities[index] ?? { priority: -1 }
  if (localities[index - 1]?.priority === priority) return
  const level = localities.filter((locality) => locality.priority === priority)
  const sum = level.reduce((total, { weight }) => total + (weight ?? 0), 0)
  if (sum <= largestSum) return
  const scale = (largestSum - level.length) / sum
  for (const locality of level) if (locality.weight !== undefined) locality.weight = Math.max(1, Math.floor(locality.weight * scale))
}

function byPlace(a: LocalityDraft, b: LocalityDraft): number {
  return a.priority - b.priority || compare(a.zone, b.zone) || compare(a.subZone, b.subZone)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
