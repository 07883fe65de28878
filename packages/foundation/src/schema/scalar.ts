// Checks of single values: strings, numbers, booleans. Returns the canonical form or what is wrong.
import { formatDuration, parseDuration } from '../time/index.ts'
import type { BooleanSchema, Int64Schema, IntegerSchema, IntOrStringSchema, NumberSchema, StringFormat, StringSchema } from './literal.ts'

export type ScalarSchema = StringSchema | IntegerSchema | Int64Schema | NumberSchema | BooleanSchema | IntOrStringSchema
export type ScalarResult = { readonly value: string | number | boolean } | { readonly message: string }

/**
 * How names and scalars are read. `exact`: names as in the schema. `json`: names as Go's encoding/json takes them (case does not matter).
 * `proto`: as protobuf's JSON takes them (snake_case too, numbers in strings, enum numbers), and zero values are left out as protobuf does.
 */
export type SchemaProfile = 'exact' | 'json' | 'proto'

const int64Range = { signed: [-(2n ** 63n), 2n ** 63n - 1n], unsigned: [0n, 2n ** 64n - 1n] } as const
/** What every 64-bit integer can be and most are: it needs no arithmetic. */
const canonicalCounter = /^(0|[1-9]\d{0,17})$/
const patterns = new Map<string, RegExp>()

/**
 * Checks one scalar. The value of a good result is canonical: 64-bit integers as text, durations as Go prints them, protobuf durations
 * with 0, 3, 6 or 9 decimals.
 */
export function checkScalar(schema: ScalarSchema, value: unknown, profile: SchemaProfile): ScalarResult {
  switch (schema.type) {
    case 'string':
      return checkString(schema, value, profile)
    case 'integer':
      return checkNumber(schema, profile === 'proto' ? fromText(value) : value, true)
    case 'number':
      return checkNumber(schema, profile === 'proto' ? fromText(value) : value, false)
    case 'int64':
      return checkInt64(schema, value)
    case 'boolean':
      return typeof value === 'boolean' ? { value } : mismatch('boolean', value)
    case 'intOrString':
      if (typeof value === 'string') return { value }
      return typeof value === 'number' && Number.isInteger(value) ? { value } : mismatch('integer', value)
  }
}

function mismatch(wanted: string, value: unknown): ScalarResult {
  return { message: `in body must be of type ${wanted}: "${typeName(value)}"` }
}

function fromText(value: unknown): unknown {
  return typeof value === 'string' && /^-?\d{1,18}(\.\d{1,18})?$/.test(value) ? Number(value) : value
}

function checkString(schema: StringSchema, given: unknown, profile: SchemaProfile): ScalarResult {
  const value = profile === 'proto' && schema.enum !== undefined && typeof given === 'number' ? schema.enum[given] : given
  if (schema.enum !== undefined) {
    if (typeof value !== 'string' && given === value) return mismatch('string', given)
    if (typeof value !== 'string' || !schema.enum.includes(value)) return { message: `in body should be one of [${schema.enum.join(' ')}]` }
    return { value }
  }
  if (typeof value !== 'string') return mismatch('string', value)
  if (schema.minLength !== undefined && value.length < schema.minLength) {
    return { message: `in body should be at least ${schema.minLength} chars long` }
  }
  if (schema.maxLength !== undefined && value.length > schema.maxLength) {
    return { message: `in body should be at most ${schema.maxLength} chars long` }
  }
  if (schema.pattern !== undefined && !patternOf(schema.pattern).test(value)) {
    return { message: `in body should match '${schema.pattern}'` }
  }
  return schema.format === undefined ? { value } : checkFormat(schema.format, value)
}

function patternOf(source: string): RegExp {
  let made = patterns.get(source)
  if (!made) {
    made = new RegExp(source, 'u')
    patterns.set(source, made)
  }
  return made
}

function checkFormat(format: StringFormat, value: string): ScalarResult {
  // bytes may be a secret, so the text is not repeated
  const shown = format === 'bytes' ? '' : `: ${JSON.stringify(value.slice(0, 100))}`
  const bad: ScalarResult = { message: `in body must be of type ${format}${shown}` }
  switch (format) {
    case 'duration': {
      const ms = parseDuration(value)
      return ms === undefined ? bad : { value: formatDuration(ms) }
    }
    case 'seconds':
      return canonicalSeconds(value) ?? bad
    case 'date-time':
      return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(value) && !Number.isNaN(Date.parse(value))
        ? { value }
        : bad
    case 'bytes':
      return canonicalBase64(value) ?? bad
  }
}

function canonicalSeconds(text: string): ScalarResult | undefined {
  const match = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(text)
  if (!match) return undefined
  const digits = (match[3] ?? '').replace(/0+$/, '')
  const fraction = digits === '' ? '' : `.${digits.padEnd(Math.ceil(digits.length / 3) * 3, '0')}`
  const whole = BigInt(match[2] ?? '0').toString()
  const sign = whole === '0' && fraction === '' ? '' : (match[1] ?? '')
  return { value: `${sign}${whole}${fraction}s` }
}

/** Standard or URL-safe base64, with or without padding, as protobuf JSON accepts; standard with padding comes out. */
function canonicalBase64(text: string): ScalarResult | undefined {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) return undefined
  const bare = text.replace(/=+$/, '')
  if (bare.length % 4 === 1) return undefined
  return { value: Buffer.from(bare, 'base64').toString('base64') }
}

function checkNumber(schema: IntegerSchema | NumberSchema, value: unknown, whole: boolean): ScalarResult {
  const wanted = whole ? 'integer' : 'number'
  if (typeof value !== 'number' || !Number.isFinite(value) || (whole && !Number.isSafeInteger(value))) return mismatch(wanted, value)
  if (schema.minimum !== undefined && value < schema.minimum) {
    return { message: `in body should be greater than or equal to ${shownNumber(schema.minimum)}` }
  }
  if (schema.maximum !== undefined && value > schema.maximum) {
    return { message: `in body should be less than or equal to ${shownNumber(schema.maximum)}` }
  }
  if (schema.type === 'integer' && schema.enum !== undefined && !schema.enum.includes(value)) {
    return { message: `in body should be one of [${schema.enum.join(' ')}]` }
  }
  return { value: value === 0 ? 0 : value }
}

/** Bounds as the peers print them: from a million on with an exponent. */
function shownNumber(value: number): string {
  return Math.abs(value) < 1e6 ? String(value) : value.toExponential().replace(/e\+(\d)$/, 'e+0$1')
}

function checkInt64(schema: Int64Schema, value: unknown): ScalarResult {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value
  if (typeof text !== 'string' || !/^-?\d{1,20}$/.test(text)) return mismatch('integer', value)
  if (canonicalCounter.test(text)) return { value: text }
  const [low, high] = schema.unsigned === true ? int64Range.unsigned : int64Range.signed
  const number = BigInt(text)
  if (number < low) return { message: `in body should be greater than or equal to ${low}` }
  if (number > high) return { message: `in body should be less than or equal to ${high}` }
  return { value: number.toString() }
}

/** The JSON name of a value's type, as messages show it. */
export function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  return typeof value === 'bigint' ? 'number' : typeof value
}
