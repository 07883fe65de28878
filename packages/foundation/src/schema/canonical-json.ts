// Canonical JSON: keys sorted at every level, no spaces, absent and undefined alike. Equal values give equal text.

/** JSON text with sorted keys. Undefined members are left out; a cycle throws RangeError as any too deep value does. */
export function canonicalJson(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  // grown text, not joined lists: half the time, and this runs for every conf of every destination
  let text = ''
  if (Array.isArray(value)) {
    for (const item of value) text += text === '' ? canonicalJson(item) : `,${canonicalJson(item)}`
    return `[${text}]`
  }
  for (const key of sortedKeys(value)) {
    // a key of the object itself, so the read yields that member whatever the key's name
    const member = (value as Readonly<Record<string, unknown>>)[key]
    if (member === undefined) continue
    text += text === '' ? `${quoted(key)}:${canonicalJson(member)}` : `,${quoted(key)}:${canonicalJson(member)}`
  }
  return `{${text}}`
}

/** Most objects are written in order, and many have one key. */
function sortedKeys(value: object): readonly string[] {
  const keys = Object.keys(value)
  for (let i = 1; i < keys.length; i++) {
    if ((keys[i - 1] ?? '') > (keys[i] ?? '')) return keys.sort()
  }
  return keys
}

/** Keys repeat; so many of them are kept, of this length at most, since some come from outside. */
const quotedKeys = new Map<string, string>()
const quotedKeysKept = 1_000
const quotedKeyLength = 64

function quoted(key: string): string {
  const known = quotedKeys.get(key)
  if (known !== undefined) return known
  const text = JSON.stringify(key)
  if (quotedKeys.size < quotedKeysKept && key.length <= quotedKeyLength) quotedKeys.set(key, text)
  return text
}

/** Structural equality of JSON values; agrees with `canonicalJson`. */
export function equalJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, index) => equalJson(item, b[index]))
  if (Array.isArray(b)) return false
  return sameMembers(a, b) && sameMembers(b, a)
}

function sameMembers(a: object, b: object): boolean {
  for (const [key, value] of Object.entries(a)) {
    if (value === undefined) continue
    if (!Object.hasOwn(b, key)) return false
    // own key, checked above
    if (!equalJson(value, (b as Readonly<Record<string, unknown>>)[key])) return false
  }
  return true
}
