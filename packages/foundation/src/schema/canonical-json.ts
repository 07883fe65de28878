// Canonical JSON: keys sorted at every level, no spaces, absent and undefined alike. Equal values give equal text.

/** JSON text with sorted keys. Undefined members are left out; a cycle throws RangeError as any too deep value does. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null'
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const members: string[] = []
  for (const key of Object.keys(value).sort()) {
    // a key of the object itself, so the read yields that member whatever the key's name
    const member = (value as Readonly<Record<string, unknown>>)[key]
    if (member !== undefined) members.push(`${JSON.stringify(key)}:${canonicalJson(member)}`)
  }
  return `{${members.join(',')}}`
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
