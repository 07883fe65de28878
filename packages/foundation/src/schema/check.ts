// Checks an untrusted value against a schema literal and builds a clean copy of it: only known fields, in schema order, with defaults.
// Never throws and never reads inherited members; depth, size and the number of reported violations are bounded.
import type { Violation } from '../errors/index.ts'
import { AppError } from '../errors/index.ts'
import type { Infer } from './infer.ts'
import type { ArraySchema, MapSchema, ObjectSchema, Schema } from './literal.ts'
import { type PropertyLookup, propertyLookup } from './property-lookup.ts'
import { checkScalar, type SchemaProfile, typeName } from './scalar.ts'

export interface CheckOptions {
  /** Path of the value itself, put in front of every field. '' by default. */
  readonly at?: string
  readonly profile?: SchemaProfile
  /** Most values looked at; 200,000 by default. */
  readonly maxValues?: number
}

export interface Checked<T> {
  /** The clean copy; undefined exactly when there are violations. */
  readonly value: T | undefined
  /** Sorted by field. */
  readonly violations: readonly Violation[]
  /** Paths of fields that the schema does not know, in the order found; they are not in `value`. */
  readonly unknown: readonly string[]
}

const maxDepth = 64
const maxReports = 100

/** A step from a value to one of its own: a field, a key of a map, an index. */
type Step = string | number | { readonly key: string }

/** State of one check, passed down the value. */
interface CheckRun {
  readonly profile: SchemaProfile
  readonly violations: Violation[]
  readonly unknown: string[]
  readonly at: string
  /** From the value itself to the one that is looked at. Made into text only for a report: most values are good. */
  readonly steps: Step[]
  left: number
}

/** Checks `value`. Wording of violations: contract/rest-cli-gui.md section 4.1. */
export function checkSchema<const S extends Schema>(schema: S, value: unknown, options?: CheckOptions): Checked<Infer<S>>
export function checkSchema(schema: Schema, value: unknown, options: CheckOptions = {}): Checked<unknown> {
  const run: CheckRun = {
    profile: options.profile ?? 'exact',
    violations: [],
    unknown: [],
    at: options.at ?? '',
    steps: [],
    left: options.maxValues ?? 200_000,
  }
  const clean = checkAny(schema, value, run)
  if (clean === undefined && run.violations.length === 0) report(run, 'in body is required')
  const violations = run.violations.sort((a, b) => (a.field < b.field ? -1 : a.field > b.field ? 1 : 0))
  return { value: violations.length > 0 ? undefined : clean, violations, unknown: run.unknown }
}

/** The checked value, or AppError schema/invalid with the violations. `what` names the value in the message. */
export function parseSchema<const S extends Schema>(schema: S, value: unknown, what: string): Infer<S>
export function parseSchema(schema: Schema, value: unknown, what: string): unknown {
  const { value: clean, violations } = checkSchema(schema, value)
  if (clean === undefined) {
    const first = violations[0]
    throw new AppError('schema/invalid', `${what} is not valid: ${first?.field ?? ''} ${first?.message ?? ''}`, { violations })
  }
  return clean
}

function report(run: CheckRun, message: string): void {
  if (run.violations.length < maxReports) run.violations.push({ field: pathOf(run), message })
}

function pathOf({ at, steps }: CheckRun): string {
  let path = at
  for (const step of steps) {
    if (typeof step === 'string') path = childPath(path, step)
    else path = `${path}[${typeof step === 'number' ? step : JSON.stringify(step.key)}]`
  }
  return path
}

/** The clean value, or undefined when it is absent or wrong (then a violation was reported). */
function checkAny(schema: Schema, given: unknown, run: CheckRun): unknown {
  const value = given === undefined ? schemaDefault(schema) : given
  if (value === null && schema.nullable === true) return null
  if (value === undefined || value === null) return value === null ? schemaDefault(schema) : undefined
  run.left -= 1
  if (run.left < 0) {
    if (run.left === -1) report(run, 'has too many values')
    return undefined
  }
  if (run.steps.length > maxDepth) {
    report(run, `is nested deeper than ${maxDepth} levels`)
    return undefined
  }
  switch (schema.type) {
    case 'object':
      return isPlainObject(value) ? checkObject(schema, value, run) : wrongType(run, 'object', value)
    case 'map':
      return isPlainObject(value) ? checkMap(schema, value, run) : wrongType(run, 'object', value)
    case 'array':
      return Array.isArray(value) ? checkArray(schema, value, run) : wrongType(run, 'array', value)
    case 'any':
      return checkFree(value, run)
    default: {
      const scalar = checkScalar(schema, value, run.profile)
      if ('message' in scalar) {
        report(run, scalar.message)
        return undefined
      }
      return scalar.value
    }
  }
}

function schemaDefault(schema: Schema): unknown {
  return 'default' in schema ? schema.default : undefined
}

function checkObject(schema: ObjectSchema, value: object, run: CheckRun): unknown {
  const lookup = propertyLookup(schema)
  const loose = otherNames(lookup, value, run)
  // only own members are read
  const given = value as Readonly<Record<string, unknown>>
  const clean = lookup.createObject()
  for (const { name, property, isRequired } of lookup.properties) {
    const before = run.violations.length
    const found = Object.hasOwn(given, name) ? given[name] : loose?.get(name)
    run.steps.push(name)
    const member = checkAny(property, found, run)
    const failed = run.violations.length > before || run.left < 0
    if (member === undefined) {
      if (isRequired && !failed) report(run, 'in body is required')
    } else if (isRequired || run.profile !== 'proto' || !isZero(property, member)) {
      clean[name] = member
    }
    run.steps.pop()
  }
  return clean
}

/** Members under another spelling of a property, by the property's name. Those of no property are noted as unknown. */
function otherNames(lookup: PropertyLookup, value: object, run: CheckRun): ReadonlyMap<string, unknown> | undefined {
  let others: Map<string, unknown> | undefined
  for (const key of Object.keys(value)) {
    if (lookup.has(key)) continue
    const name = run.profile === 'exact' ? undefined : lookup.findLoosely(key)
    // an own member, by the line above
    if (name !== undefined) others = (others ?? new Map<string, unknown>()).set(name, value[key as keyof typeof value])
    else if (run.unknown.length < maxReports) run.unknown.push(childPath(pathOf(run), key))
  }
  return others
}

function checkMap(schema: MapSchema, value: object, run: CheckRun): unknown {
  const clean: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value)) {
    run.steps.push({ key })
    const checked = checkAny(schema.values, member, run)
    run.steps.pop()
    // defineProperty: an assignment to `__proto__` would change the prototype instead
    if (checked !== undefined) Object.defineProperty(clean, key, { value: checked, enumerable: true, configurable: true, writable: true })
  }
  return clean
}

function checkArray(schema: ArraySchema, value: readonly unknown[], run: CheckRun): unknown {
  if (schema.minItems !== undefined && value.length < schema.minItems) report(run, `in body should have at least ${schema.minItems} items`)
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    report(run, `in body should have at most ${schema.maxItems} items`)
    return undefined
  }
  const clean: unknown[] = []
  for (let index = 0; index < value.length && run.left >= 0; index++) {
    const before = run.violations.length
    run.steps.push(index)
    const checked = checkAny(schema.items, value[index], run)
    if (checked !== undefined) clean.push(checked)
    else if (run.violations.length === before) wrongType(run, jsonTypeOf(schema.items), value[index])
    run.steps.pop()
  }
  // values are kept for long; what grew by `push` has room for sixteen more
  return clean.slice()
}

/** Free JSON is kept as given after a bounded walk that refuses what JSON cannot say. */
function checkFree(value: unknown, run: CheckRun): unknown {
  const stack: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: run.steps.length }]
  for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
    run.left -= 1
    if (run.left < 0 || entry.depth > maxDepth) {
      report(run, run.left < 0 ? 'has too many values' : `is nested deeper than ${maxDepth} levels`)
      return undefined
    }
    const current = entry.value
    if (current === null || typeof current === 'string' || typeof current === 'boolean') continue
    if (typeof current === 'number' && Number.isFinite(current)) continue
    if (!Array.isArray(current) && !isPlainObject(current)) {
      report(run, 'in body must be JSON')
      return undefined
    }
    for (const member of Object.values(current)) stack.push({ value: member, depth: entry.depth + 1 })
  }
  return value
}

function isZero(schema: Schema, value: unknown): boolean {
  if (schema.presence === 'explicit') return false
  if (schema.type === 'string') return value === '' || (schema.enum !== undefined && value === schema.enum[0])
  if (schema.type === 'int64') return value === '0'
  if (schema.type === 'array') return Array.isArray(value) && value.length === 0
  if (schema.type === 'map') return isPlainObject(value) && Object.keys(value).length === 0
  return value === 0 || value === false
}

function wrongType(run: CheckRun, wanted: string, value: unknown): undefined {
  report(run, `in body must be of type ${wanted}: "${typeName(value)}"`)
  return undefined
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date) && !ArrayBuffer.isView(value)
}

function jsonTypeOf(schema: Schema): string {
  if (schema.type === 'map') return 'object'
  return schema.type === 'int64' ? 'integer' : schema.type
}

/** `a.b` for plain names, `a["x y"]` for others, so a path always names one field. */
export function childPath(at: string, name: string): string {
  if (!/^[\w$-]+$/.test(name)) return `${at}[${JSON.stringify(name)}]`
  return at === '' ? name : `${at}.${name}`
}
