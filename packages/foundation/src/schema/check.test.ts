import fc from 'fast-check'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../errors/index.ts'
import { canonicalJson, checkSchema, equalJson, type ObjectSchema, parseSchema, type Schema, toJsonSchema } from './index.ts'

const lines = (schema: Schema, value: unknown): readonly string[] =>
  checkSchema(schema, value).violations.map(({ field, message }) => `${field} ${message}`)

const schema = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 3, pattern: '^[a-z]*$' },
    kind: { type: 'string', enum: ['A', 'B'], default: 'A' },
    count: { type: 'integer', minimum: 1, maximum: 2_000_000 },
    ratio: { type: 'number' },
    big: { type: 'int64', unsigned: true },
    on: { type: 'boolean' },
    share: { type: 'intOrString' },
    time: { type: 'string', format: 'date-time' },
    after: { type: 'string', format: 'duration' },
    free: { type: 'any' },
    note: { type: 'string', nullable: true },
    tags: { type: 'map', values: { type: 'string' } },
    code: { type: 'integer', enum: [301, 302] },
    items: {
      type: 'array',
      minItems: 1,
      maxItems: 2,
      items: { type: 'object', properties: { port: { type: 'integer' } }, required: ['port'] },
    },
    nested: { type: 'object', default: {}, properties: { deep: { type: 'string', default: 'x' } } },
  },
  required: ['name'],
} as const satisfies ObjectSchema

test('defaults are filled in, also inside defaulted objects, and keys come in schema order', () => {
  const { value, unknown } = checkSchema(schema, { on: true, name: 'a', extra: 1, nested: { other: 2 } })
  assert.equal(JSON.stringify(value), '{"name":"a","kind":"A","on":true,"nested":{"deep":"x"}}')
  assert.deepEqual(unknown, ['extra', 'nested.other'])
})

test("violations are sorted by field and worded like the peers'", () => {
  assert.deepEqual(
    lines(schema, {
      name: 5,
      kind: 'C',
      count: 0,
      ratio: 'x',
      big: '-1',
      on: 'true',
      share: true,
      time: 'yesterday',
      after: 'soon',
      tags: { 'a b': 1 },
      code: 200,
      items: [{}, { port: 1.5 }],
      nested: [],
    }),
    [
      'after in body must be of type duration: "soon"',
      'big in body should be greater than or equal to 0',
      'code in body should be one of [301 302]',
      'count in body should be greater than or equal to 1',
      'items[0].port in body is required',
      'items[1].port in body must be of type integer: "number"',
      'kind in body should be one of [A B]',
      'name in body must be of type string: "number"',
      'nested in body must be of type object: "array"',
      'on in body must be of type boolean: "string"',
      'ratio in body must be of type number: "string"',
      'share in body must be of type integer: "boolean"',
      'tags["a b"] in body must be of type string: "number"',
      'time in body must be of type date-time: "yesterday"',
    ],
  )
  assert.deepEqual(lines(schema, { name: '', count: 3_000_000, items: [] }), [
    'count in body should be less than or equal to 2e+06',
    'items in body should have at least 1 items',
    'name in body should be at least 1 chars long',
  ])
  assert.deepEqual(lines(schema, { name: 'abcd', items: [{ port: 1 }, { port: 1 }, { port: 1 }] }), [
    'items in body should have at most 2 items',
    'name in body should be at most 3 chars long',
  ])
  assert.deepEqual(lines(schema, { name: 'A' }), ["name in body should match '^[a-z]*$'"])
  assert.deepEqual(lines(schema, []), [' in body must be of type object: "array"'])
  assert.deepEqual(lines(schema, undefined), [' in body is required'])
})

test('null is absence, unless the schema knows null', () => {
  assert.deepEqual(checkSchema(schema, { name: 'a', count: null, kind: null, note: null }).value, {
    name: 'a',
    kind: 'A',
    note: null,
    nested: { deep: 'x' },
  })
  assert.deepEqual(lines(schema, { name: null }), ['name in body is required'])
  assert.deepEqual(lines(schema, { name: 'a', items: [null] }), ['items[0] in body must be of type object: "null"'])
})

test("profiles: exact names, Go's case-blind names, protobuf's names and zero values", () => {
  const given = { NAME: 'a', Count: 1 }
  assert.deepEqual(checkSchema(schema, given).unknown, ['NAME', 'Count'])
  assert.equal(checkSchema(schema, given, { profile: 'json' }).value?.count, 1)
  const proto = {
    type: 'object',
    properties: {
      someName: { type: 'string' },
      size: { type: 'integer' },
      total: { type: 'int64' },
      mode: { type: 'string', enum: ['None', 'Some'] },
      set: { type: 'boolean', presence: 'explicit' },
      list: { type: 'array', items: { type: 'string' } },
      wait: { type: 'string', format: 'seconds' },
      part: { type: 'object', properties: {} },
    },
  } as const satisfies ObjectSchema
  const check = (value: unknown): unknown => checkSchema(proto, value, { profile: 'proto' }).value
  assert.deepEqual(check({ some_name: 'x', size: '5', total: 7, mode: 1, wait: '1.50s' }), {
    someName: 'x',
    size: 5,
    total: '7',
    mode: 'Some',
    wait: '1.500s',
  })
  assert.deepEqual(check({ someName: '', size: 0, total: '0', mode: 'None', set: false, list: [], part: {} }), { set: false, part: {} })
  assert.deepEqual(check({ some_name: 'loose', someName: 'exact' }), { someName: 'exact' })
  assert.deepEqual(checkSchema(proto, { mode: 7 }, { profile: 'proto' }).violations[0]?.message, 'in body should be one of [None Some]')
})

test('canonical scalars: 64-bit integers, durations, base64', () => {
  const value = (one: Schema, given: unknown): unknown => checkSchema(one, given).value
  assert.equal(value({ type: 'int64' }, '007'), '7')
  assert.equal(value({ type: 'int64' }, '9223372036854775808'), undefined)
  assert.equal(value({ type: 'int64', unsigned: true }, '18446744073709551615'), '18446744073709551615')
  assert.equal(value({ type: 'string', format: 'duration' }, '90s'), '1m30s')
  assert.equal(value({ type: 'string', format: 'bytes' }, 'YQ'), 'YQ==')
  assert.equal(value({ type: 'string', format: 'bytes' }, 'YQA'), 'YQA=')
  assert.equal(value({ type: 'string', format: 'bytes' }, 'A'), undefined)
  assert.equal(value({ type: 'string', format: 'seconds' }, '-0s'), '0s')
  assert.equal(Object.is(value({ type: 'integer' }, -0), 0), true)
})

test('hostile names are ordinary data', () => {
  const given: unknown = JSON.parse('{"name":"a","__proto__":{"kind":"B"},"constructor":1,"tags":{"__proto__":"x","toString":"y"}}')
  const { value, unknown } = checkSchema(schema, given)
  assert.deepEqual(unknown, ['__proto__', 'constructor'])
  assert.equal(value?.kind, 'A')
  assert.deepEqual(Object.keys(value?.tags ?? {}), ['__proto__', 'toString'])
  assert.equal(Object.getPrototypeOf(value?.tags), Object.prototype)
  const inherited: unknown = Object.create({ name: 'inherited' })
  assert.deepEqual(lines(schema, inherited), ['name in body is required'])
})

test('size, depth and the number of reports are bounded', () => {
  let deep: unknown = 1
  for (let i = 0; i < 1000; i += 1) deep = [deep]
  assert.deepEqual(lines(schema, { name: 'a', free: deep }), ['free is nested deeper than 64 levels'])
  const wide = { type: 'array', items: { type: 'integer' } } as const
  const { violations } = checkSchema(
    wide,
    Array.from({ length: 1000 }, () => 'x'),
  )
  assert.equal(violations.length, 100)
  assert.deepEqual(
    checkSchema(
      wide,
      Array.from({ length: 50 }, () => 1),
      { maxValues: 20 },
    ).violations.map((item) => item.message),
    ['has too many values'],
  )
  assert.deepEqual(lines(schema, { name: 'a', free: { f: () => 1 } }), ['free in body must be JSON'])
})

test('never throws, and a checked value checks again to itself', () => {
  fc.assert(
    fc.property(
      fc.anything({ withNullPrototype: true, withDate: true, withMap: true, withBigInt: true, withSparseArray: true }),
      (anything) => {
        for (const profile of ['exact', 'json', 'proto'] as const) {
          checkSchema(schema, anything, { profile })
          checkSchema(schema, { name: 'a', free: anything, tags: anything, items: [anything] }, { profile })
        }
      },
    ),
  )
  fc.assert(
    fc.property(fc.record({ name: fc.constant('a'), free: fc.jsonValue(), tags: fc.dictionary(fc.string(), fc.string()) }), (given) => {
      const once = checkSchema(schema, given).value
      assert.deepEqual(checkSchema(schema, once).value, once)
    }),
  )
})

test('parseSchema throws with the violations', () => {
  assert.deepEqual(parseSchema({ type: 'boolean' }, true, 'a flag'), true)
  assert.throws(
    () => parseSchema(schema, {}, 'the thing'),
    (error: unknown) =>
      hasCode(error, 'schema/invalid') &&
      error.message === 'the thing is not valid: name in body is required' &&
      error.violations.length === 1,
  )
})

test('canonical JSON and equality agree', () => {
  assert.equal(canonicalJson({ b: [1, { d: undefined, c: null }], a: 'ä' }), '{"a":"ä","b":[1,{"c":null}]}')
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      assert.equal(equalJson(a, b), canonicalJson(a) === canonicalJson(b))
      assert.equal(equalJson(a, JSON.parse(JSON.stringify(a))), true)
      assert.equal(equalJson(a, b), equalJson(b, a))
    }),
  )
  assert.equal(equalJson({ a: undefined }, {}), true)
  assert.equal(equalJson(JSON.parse('{"__proto__":1}'), {}), false)
})

test('JSON schema shows types, bounds, defaults and what is required', () => {
  assert.deepEqual(
    toJsonSchema({
      type: 'object',
      properties: { a: { type: 'integer', minimum: 1, default: 2 }, b: { type: 'string', nullable: true } },
      required: ['a'],
    }),
    {
      type: 'object',
      properties: { a: { type: 'integer', minimum: 1, default: 2 }, b: { anyOf: [{ type: 'string' }, { type: 'null' }] } },
      required: ['a'],
    },
  )
  assert.deepEqual(toJsonSchema({ type: 'map', values: { type: 'intOrString' } }), {
    type: 'object',
    additionalProperties: { type: ['integer', 'string'], 'x-kubernetes-int-or-string': true },
  })
})
