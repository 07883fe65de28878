// What a store can hold: plain JSON. Equality ignores key order and properties that are undefined, as a round trip through text does.

const maxDepth = 128

/** Why a value cannot be kept as JSON text, or undefined when it can. `path` names the place in the answer. */
export function jsonProblem(value: unknown, path: string): string | undefined {
  const steps: (string | number)[] = []
  const problem = problemOf(value, steps)
  return problem && `${path}${steps.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')} is ${problem}`
}

/** What is wrong with a value or one of its own; then `steps` leads there. */
function problemOf(value: unknown, steps: (string | number)[]): string | undefined {
  if (steps.length > maxDepth) return `nested deeper than ${maxDepth} levels`
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : 'not a finite number'
    case 'object':
      break
    default:
      return `a ${typeof value}`
  }
  if (value === null) return undefined
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const item: unknown = value[index]
      steps.push(index)
      const problem = item === undefined ? 'undefined' : problemOf(item, steps)
      if (problem) return problem
      steps.pop()
    }
    return undefined
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return 'not a plain object'
  for (const key of Object.keys(value)) {
    steps.push(key)
    // an own member of an object
    const problem = problemOf(value[key as keyof typeof value], steps)
    if (problem) return problem
    steps.pop()
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
  // only own members are read
  const left = a as Readonly<Record<string, unknown>>
  const right = b as Readonly<Record<string, unknown>>
  let more = 0
  for (const key of Object.keys(left)) {
    const item = left[key]
    if (item === undefined) continue
    more++
    if (!Object.hasOwn(right, key) || !jsonEqual(item, right[key])) return false
  }
  for (const key of Object.keys(right)) if (right[key] !== undefined) more--
  return more === 0
}
