// Which of several claims on one hostname of a mesh holds it. What another zone can choose (names, labels, when it joins) never takes a name
// away from this zone, from global or from a third zone (ISTIO-SECURITY-2026-002).
import { labelKeys, templateNames } from '@weft/resources'
import type { DestinationResource } from './destination-resources.ts'

/** One generator's hostname for one destination. */
export interface HostnameClaim {
  /** Name of the generator. */
  readonly generator: string
  /** Place of the generator in the order of contract/resources.md section 10: those of the zone first, then by age, then by name. */
  readonly rank: number
  /** The template has the destination's zone in it, so that the name belongs to that zone. */
  readonly namesZone: boolean
  /** Undefined when the template cannot be rendered. */
  readonly hostname: string | undefined
  readonly problem: string | undefined
}

/** What decides between destinations. */
export type Claimant = Pick<DestinationResource, 'key' | 'name' | 'creationTime' | 'isForeign'>

/** All claims of a destination. */
export interface DestinationClaims<D extends Claimant = Claimant> {
  readonly service: D
  readonly claims: readonly HostnameClaim[]
}

/**
 * The destination that holds a hostname. In this order: a name with the zone in it belongs to that zone; what is of this zone or of global goes
 * before what is of another zone; then the order of the generators; then the destination that was here first, by this control plane's own clock;
 * then names. Undefined without a claim.
 */
export function holderOf<D extends Claimant>(rivals: readonly DestinationClaims<D>[], hostname: string): D | undefined {
  let best: { readonly claim: HostnameClaim; readonly service: D } | undefined
  for (const { service, claims } of rivals) {
    for (const claim of claims) {
      if (claim.hostname === hostname && (!best || byPrecedence({ claim, service }, best) < 0)) best = { claim, service }
    }
  }
  return best?.service
}

interface Candidate {
  readonly claim: HostnameClaim
  readonly service: Claimant
}

function byPrecedence(a: Candidate, b: Candidate): number {
  return (
    Number(b.claim.namesZone) - Number(a.claim.namesZone) ||
    Number(a.service.isForeign) - Number(b.service.isForeign) ||
    a.claim.rank - b.claim.rank ||
    byAge(a.service, b.service) ||
    compare(a.service.key, b.service.key)
  )
}

/** Whether a generator's template puts the zone of a destination into its name. */
export function namesZone(template: string): boolean {
  const { fields, labels } = templateNames(template)
  return fields.has('Zone') || labels.has(labelKeys.zone)
}

/** Oldest first, then by name. Creation times are those of this store, not of the origin. */
export function byAge(
  a: { readonly creationTime: string; readonly name: string },
  b: { readonly creationTime: string; readonly name: string },
): number {
  return compare(a.creationTime, b.creationTime) || compare(a.name, b.name)
}

export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
