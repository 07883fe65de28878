// Deep equality of plain values: agrees with canonical JSON (an undefined field is an absent field), with a fast path for identity.

/**
 * True when two plain values (JSON-like data, Maps, Sets of primitives, byte arrays) have equal content. Key order does not matter; a field that is
 * undefined counts as absent. Objects of other classes are equal only when identical. Values must be trees: cycles are not supported.
 */
export function structuralEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Number.isNaN(a) && Number.isNaN(b)
  if (Array.isArray(a)) return Array.isArray(b) && equalArrays(a, b)
  if (Array.isArray(b)) return false
  const prototype: unknown = Object.getPrototypeOf(a)
  if (prototype === Object.prototype || prototype === null) return equalObjects(a, b)
  if (a instanceof Map) return b instanceof Map && equalMaps(a, b)
  if (a instanceof Set) return b instanceof Set && a.size === b.size && a.isSubsetOf(b)
  if (a instanceof Uint8Array) return b instanceof Uint8Array && a.length === b.length && a.every((byte, i) => byte === b[i])
  return false
}

function equalArrays(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (!structuralEqual(a[i], b[i])) return false
  return true
}

function equalMaps(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
  if (a.size !== b.size) return false
  for (const [key, value] of a) if (!b.has(key) || !structuralEqual(value, b.get(key))) return false
  return true
}

function equalObjects(a: object, b: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(b)
  if (prototype !== Object.prototype && prototype !== null) return false
  // plain objects of unknown content: reading any own key is safe
  const left = a as Readonly<Record<string, unknown>>
  const right = b as Readonly<Record<string, unknown>>
  let defined = 0
  for (const key of Object.keys(left)) {
    const value = left[key]
    if (value === undefined) continue
    defined++
    if (!Object.hasOwn(right, key) || !structuralEqual(value, right[key])) return false
  }
  for (const key of Object.keys(right)) if (right[key] !== undefined) defined--
  return defined === 0
}
