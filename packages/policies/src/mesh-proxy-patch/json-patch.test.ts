import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { applyJsonPatches, type JsonPatch } from './json-patch.ts'

const patch = (op: JsonPatch['op'], path: string, more: Partial<JsonPatch> = {}): JsonPatch => ({
  op,
  path,
  from: '',
  value: undefined,
  ...more,
})
const apply = (document: unknown, ...patches: readonly JsonPatch[]): unknown => applyJsonPatches(document, patches)

test('add sets members, inserts into lists and makes the path it needs', () => {
  assert.deepEqual(apply({ a: 1 }, patch('add', '/b', { value: 2 })), { a: 1, b: 2 })
  assert.deepEqual(apply({ a: [1, 3] }, patch('add', '/a/1', { value: 2 }), patch('add', '/a/-', { value: 4 })), { a: [1, 2, 3, 4] })
  assert.deepEqual(apply({}, patch('add', '/a/b/0/c', { value: 1 })), { a: { b: [{ c: 1 }] } })
  assert.deepEqual(apply({ a: [1, 2] }, patch('add', '/a/-1', { value: 9 })), { a: [1, 9, 2] })
  assert.deepEqual(apply({}, patch('add', '/a~1b~0c', { value: 1 })), { 'a/b~c': 1 })
  assert.equal(apply({ a: 1 }, patch('add', '', { value: 5 })), 5)
})

test('remove takes away what is there and passes over what is not', () => {
  assert.deepEqual(apply({ a: [1, 2], b: 1 }, patch('remove', '/a/0'), patch('remove', '/b'), patch('remove', '/c/d')), { a: [2] })
})

test('replace, move and copy need what they name', () => {
  assert.deepEqual(apply({ a: { b: 1 } }, patch('replace', '/a/b', { value: 2 })), { a: { b: 2 } })
  assert.deepEqual(apply({ a: 1 }, patch('move', '/b', { from: '/a' })), { b: 1 })
  assert.deepEqual(apply({ a: [1] }, patch('copy', '/b', { from: '/a/0' })), { a: [1], b: 1 })
  for (const wrong of [patch('replace', '/x', { value: 1 }), patch('move', '/b', { from: '/x' }), patch('copy', '/b', { from: '/a/9' })])
    assert.throws(() => apply({ a: [1] }, wrong), /there is nothing at/)
  assert.throws(() => apply({ a: [1] }, patch('add', '/a/7', { value: 1 })), /there is nothing at/)
  assert.throws(() => apply({}, patch('add', 'a', { value: 1 })), /not a JSON pointer/)
})

test('hostile names are data, and the document stays as it was', () => {
  const document = Object.freeze({ a: Object.freeze([Object.freeze({ b: 1 })]) })
  const patched = apply(document, patch('add', '/__proto__/polluted', { value: true }), patch('replace', '/a/0/b', { value: 2 }))
  assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false)
  assert.deepEqual(JSON.parse(JSON.stringify(patched)), JSON.parse('{"a":[{"b":2}],"__proto__":{"polluted":true}}'))
  assert.deepEqual(document, { a: [{ b: 1 }] })
})

test('what was added can be removed again', () => {
  const name = fc.string({ minLength: 1 }).filter((text) => text !== '-')
  fc.assert(
    fc.property(fc.dictionary(name, fc.jsonValue()), name, fc.jsonValue(), (document, key, value) => {
      fc.pre(!Object.hasOwn(document, key) && value !== undefined)
      const path = `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
      assert.deepEqual(
        JSON.stringify(apply(document, patch('add', path, { value }), patch('remove', path))),
        JSON.stringify(Object.fromEntries(Object.entries(document))),
      )
    }),
    { numRuns: 100 },
  )
})
