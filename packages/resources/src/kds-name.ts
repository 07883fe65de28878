// Names of resources on the way between control planes: display name plus a hash of what makes it unique (contract/kds.md section 8).
import { displayName, labelKeys, type Labels } from './model.ts'

const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
const offset = { high: 0xcbf29ce4, low: 0x84222325 } as const
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
  let suffix = ''
  for (const digit of fnv1a(parts.join(''))) suffix += alphabet[digit.charCodeAt(0) % alphabet.length] ?? ''
  return `${cut(name)}-${suffix}`
}

/** The 64-bit FNV-1a hash in 16 hexadecimal digits, computed in halves: a zone's first list has one name for each of its proxies. */
function fnv1a(text: string): string {
  let high = offset.high
  let low = offset.low
  for (const byte of Buffer.from(text, 'utf8')) {
    low = (low ^ byte) >>> 0
    // the prime is 2^40 + 435: products of a half stay exact
    const product = low * 435
    high = (Math.imul(high, 435) + (low << 8) + Math.floor(product / 2 ** 32)) >>> 0
    low = product >>> 0
  }
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0')
}

function cut(name: string): string {
  const bytes = Buffer.from(name, 'utf8')
  return bytes.length <= maxNameBytes ? name : bytes.subarray(0, maxNameBytes).toString('utf8')
}
