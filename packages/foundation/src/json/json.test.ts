import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { field, isObject, listField, numberField, objectField, textField, textsField } from './index.ts'

test('each reader gives what it promises, or nothing', () => {
  const value = { text: 'a', list: ['x', 1, 'y'], object: { a: 1 }, number: 2.5, digits: '0042', null: null }
  assert.deepEqual([textField(value, 'text'), textField(value, 'number'), textField(value, 'no')], ['a', '', ''])
  assert.deepEqual([listField(value, 'list').length, listField(value, 'object')], [3, []])
  assert.deepEqual([textsField(value, 'list'), textsField(value, 'text')], [['x', 'y'], []])
  assert.deepEqual([objectField(value, 'object'), objectField(value, 'list'), objectField(value, 'null')], [{ a: 1 }, undefined, undefined])
  assert.deepEqual(
    [numberField(value, 'number'), numberField(value, 'digits'), numberField(value, 'text'), numberField({ a: Infinity }, 'a')],
    [2.5, 42, 0, 0],
  )
  assert.deepEqual([isObject([]), isObject(null), isObject({})], [false, false, true])
})

test('inherited names are absent, own ones are ordinary', () => {
  for (const name of ['constructor', '__proto__', 'toString', 'length']) {
    for (const value of [{}, [], 'text', 5, null, undefined]) assert.equal(field(value, name), undefined)
    const own: unknown = JSON.parse(`{${JSON.stringify(name)}:"own"}`)
    assert.equal(textField(own, name), 'own')
  }
})

test('nothing throws, whatever the value', () => {
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true }), fc.string(), (value, name) => {
      for (const read of [field, objectField, listField, textField, textsField, numberField]) read(value, name)
    }),
  )
})
