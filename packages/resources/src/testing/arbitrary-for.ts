// Generates canonical values from a schema literal, for property tests.
import type { ObjectSchema, Schema, StringSchema } from '@weft/foundation/schema'
import fc from 'fast-check'

export interface ArbitraryOptions {
  /** Leave out zero values, as the canonical form of protobuf kinds does. */
  readonly proto: boolean
}

/** Values that `checkSchema` accepts and returns unchanged. */
export function arbitraryFor(schema: Schema, options: ArbitraryOptions): fc.Arbitrary<unknown> {
  const zeroes = !options.proto || schema.presence === 'explicit'
  switch (schema.type) {
    case 'string':
      return textFor(schema, zeroes)
    case 'integer': {
      if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
      const minimum = schema.minimum ?? -(2 ** 31)
      return fc.integer({ min: zeroes ? minimum : Math.max(minimum, 1), max: Math.min(schema.maximum ?? 2 ** 31 - 1, 2 ** 32 - 1) })
    }
    case 'int64':
      return fc.bigInt({ min: zeroes ? 0n : 1n, max: 2n ** 63n - 1n }).map(String)
    case 'number':
      return fc.integer({ min: schema.minimum ?? -100, max: schema.maximum ?? 100 })
    case 'boolean':
      return zeroes ? fc.boolean() : fc.constant(true)
    case 'intOrString':
      return fc.oneof(fc.integer({ min: 0, max: 100 }), fc.constantFrom('12.5', '100', 'http'))
    case 'any':
      return fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value ?? 0)) ?? 0)
    case 'array':
      return fc.array(arbitraryFor(schema.items, options), {
        minLength: Math.max(schema.minItems ?? 0, zeroes ? 0 : 1),
        maxLength: Math.min(schema.maxItems ?? 3, 3),
      })
    case 'map':
      return fc.dictionary(keys, arbitraryFor(schema.values, options), { minKeys: zeroes ? 0 : 1, maxKeys: 3, noNullPrototype: true })
    case 'object':
      return objectFor(schema, options)
  }
}

const keys = fc.oneof(fc.constantFrom('app', 'kuma.io/zone', 'constructor', 'a b', 'ü'), fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/))

function objectFor(schema: ObjectSchema, options: ArbitraryOptions): fc.Arbitrary<unknown> {
  const required = new Set(schema.required ?? [])
  // an enum of one value is always zero in a protobuf kind
  const isAlwaysZero = (property: Schema): boolean => options.proto && property.type === 'string' && property.enum?.length === 1
  const members = Object.fromEntries(
    Object.entries(schema.properties)
      .filter(([, property]) => !isAlwaysZero(property))
      .map(([name, property]) => [name, arbitraryFor(property, options)]),
  )
  const always = Object.entries(schema.properties)
    .filter(([name, property]) => required.has(name) || ('default' in property && property.default !== undefined))
    .map(([name]) => name)
  // record keeps the order of the literal, which is the order of checked values
  return fc.record(members, { requiredKeys: always, noNullPrototype: true })
}

function textFor(schema: StringSchema, zeroes: boolean): fc.Arbitrary<string> {
  if (schema.enum !== undefined) {
    return fc.constantFrom(...(zeroes ? schema.enum : schema.enum.slice(1)))
  }
  switch (schema.format) {
    case 'duration':
      return fc.constantFrom('0s', '1s', '1m30s', '250ms', '1h0m0s')
    case 'seconds':
      return fc.constantFrom('0s', '1s', '1.500s', '0.000001s', '3600s')
    case 'date-time':
      return fc.constantFrom('2026-01-02T03:04:05Z', '2026-01-02T03:04:05.678Z', '1999-12-31T23:59:59.000001Z')
    case 'bytes':
      return fc.uint8Array({ minLength: zeroes ? 0 : 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('base64'))
    default:
      break
  }
  const { pattern } = schema
  if (pattern !== undefined)
    return fc.constantFrom(...['a', 'x-y', 'a.b.c', 'retry-after'].filter((text) => new RegExp(pattern, 'u').test(text)))
  return fc.string({
    minLength: Math.max(schema.minLength ?? 0, zeroes ? 0 : 1),
    maxLength: Math.min(schema.maxLength ?? 12, 12),
    unit: 'grapheme',
  })
}
