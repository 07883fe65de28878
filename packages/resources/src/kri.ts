// Kuma resource identifiers: `kri_<short>_<mesh>_<zone>_<namespace>_<name>_<section>` (contract/resources.md section 1.4).
import { displayName, labelKeys, type Labels } from './model.ts'

export interface Kri {
  readonly short: string
  readonly mesh: string
  readonly zone: string
  readonly namespace: string
  /** The display name. */
  readonly name: string
  readonly section: string
}

interface Named {
  readonly mesh: string
  readonly name: string
  readonly labels: Labels
}

/** The text of an identifier; empty parts stay empty. */
export function formatKri(kri: Kri): string {
  return `kri_${kri.short}_${kri.mesh}_${kri.zone}_${kri.namespace}_${kri.name}_${kri.section}`
}

/** The identifier of a resource of a kind with this short name. */
export function kriOf(short: string, resource: Named, section = ''): Kri {
  return {
    short,
    mesh: resource.mesh,
    zone: resource.labels[labelKeys.zone] ?? '',
    namespace: resource.labels[labelKeys.namespace] ?? '',
    name: displayName(resource),
    section,
  }
}

/** `formatKri(kriOf(...))`. */
export function kriText(short: string, resource: Named, section = ''): string {
  return formatKri(kriOf(short, resource, section))
}

/**
 * Reads an identifier; undefined when it is not one. Whether the short name exists is for the caller's registry to say. A section
 * with underscores comes back without them (`rule_0` as `rule0`): the peers do the same and compare such names.
 */
export function parseKri(text: string): Kri | undefined {
  const [prefix, short, mesh, zone, namespace, name, ...section] = text.split('_')
  if (prefix !== 'kri' || section.length === 0) return undefined
  if (short === undefined || mesh === undefined || zone === undefined || namespace === undefined || name === undefined) return undefined
  return { short, mesh, zone, namespace, name, section: section.join('') }
}

/** The identifier without its section. */
export function withoutSection(kri: Kri): Kri {
  return kri.section === '' ? kri : { ...kri, section: '' }
}
