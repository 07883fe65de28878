// Names of resources on the way between control planes: display name plus a hash of what makes it unique (contract/kds.md section 8).
import { displayName, labelKeys, type Labels } from './model.ts'

const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
const offset = 0xcbf29ce484222325n
const prime = 0x100000001b3n
const maxNameBytes = 236

/**
 * The wire name of a resource: equal at its origin, on global and in the other zones. `mesh` is '' for global scope. Zone and namespace
 * count when their labels exist, even when empty.
 */
export function kdsName(resource: { readonly mesh: string; readonly name: string; readonly labels: Labels }): string {
  const name = displayName(resource)
  const { labels } = resource
  return hashedName(name, [resource.mesh, name, labels[labelKeys.zone] ?? '', labels[labelKeys.namespace] ?? ''])
}

/** `name` cut to 236 bytes, a dash and 16 characters that hash the parts joined without separators. */
export function hashedName(name: string, parts: readonly string[]): string {
  let hash = offset
  for (const byte of Buffer.from(parts.join(''), 'utf8')) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * prime)
  let suffix = ''
  for (const digit of hash.toString(16).padStart(16, '0')) suffix += alphabet[digit.charCodeAt(0) % alphabet.length] ?? ''
  return `${cut(name)}-${suffix}`
}

function cut(name: string): string {
  const bytes = Buffer.from(name, 'utf8')
  return bytes.length <= maxNameBytes ? name : bytes.subarray(0, maxNameBytes).toString('utf8')
}
