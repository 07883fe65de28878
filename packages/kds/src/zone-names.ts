// Whose name a hashed wire name is: the zone is part of what is hashed, so a name can be checked against a zone (contract/kds.md section 8).
import { hashedName, labelKeys, type Labels } from '@weft/resources'

/** A resource as far as its name is looked at. */
export interface NamedResource {
  readonly mesh: string
  readonly name: string
  readonly labels: Labels
}

const suffixLength = 17
/** A dash and what hashes are written in. */
const hashed = /-[b-z2-9]{16}$/

/** Whether the name is the one a resource of this zone has on the wire. */
export function isNamedByZone({ mesh, name, labels }: NamedResource, zone: string): boolean {
  if (!hashed.test(name)) return false
  const isNameOf = (display: string | undefined): boolean =>
    display !== undefined && display !== '' && hashedName(display, [mesh, display, zone, labels[labelKeys.namespace] ?? '']) === name
  // a hostile display name must not hide what the name itself says
  return isNameOf(labels[labelKeys.displayName]) || isNameOf(name.slice(0, -suffixLength))
}

/** Another zone that a name says it is from: by its hash, or by the prefix that zones without hashes get. */
export function zoneOfName(resource: NamedResource, zone: string, others: () => readonly string[]): string | undefined {
  if (isNamedByZone(resource, zone)) return undefined
  return others().find((other) => other !== zone && (resource.name.startsWith(`${other}.`) || isNamedByZone(resource, other)))
}
