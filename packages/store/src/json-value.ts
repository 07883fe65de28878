// What a store can hold: plain JSON. Equality ignores key order and properties that are undefined, as a round trip through text does.

const maxDepth = 128

/** Why a value cannot be kept as JSON text, or undefined when it can. `path` names the place in the answer. */
export function jsonProblem(value: unknown, path: string, depth = 0): string | undefined {
  if (depth > maxDepth) return `${path} is nested deeper than ${maxDepth} levels`
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : `${path} is not a finite number`
    case 'object':
      break
    default:
      return `${path} is a ${typeof value}`
  }
  if (value === null) return undefined
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const problem = item === undefined ? `${path}[${index}] is undefined` : jsonProblem(item, `${path}[${index}]`, depth + 1)
      if (problem) return problem
    }
    return undefined
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return `${path} is not a plain object`
  for (const [key, item] of Object.entries(value)) {
    const problem = jsonProblem(item, `${path}.${key}`, depth + 1)
    if (problem) return problem
  }
  return undefined
}

/** True when two JSON values have equal content. */
export function jsonEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a === 'number' && typeof b === 'number') return a === b
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((item, index) => jsonEqual(item, b[index]))
  }
  const left = definedEntries(a)
  const right = new Map(definedEntries(b))
  return left.length === right.size && left.every(([key, item]) => right.has(key) && jsonEqual(item, right.get(key)))
}

function definedEntries(value: object): [string, unknown][] {
  return Object.entries(value).filter(([, item]) => item !== undefined)
}
