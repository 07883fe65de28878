import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fieldOrigins } from './field-origins.ts'
import { mergeConf } from './merge.ts'

const weak = { author: 'weak', conf: { http: { requestTimeout: '1s', idle: '9s' }, list: [1], appendMatch: ['a'] } }
const strong = { author: 'strong', conf: { http: { requestTimeout: '2s' }, list: [2], appendMatch: ['b'] } }

void test('the strongest author of a field is named, with those it overrides', () => {
  const fields = new Map(fieldOrigins([weak, strong]).map((each) => [each.path, each]))
  assert.deepEqual(fields.get('http.requestTimeout'), { path: 'http.requestTimeout', value: '2s', from: ['strong'], overridden: ['weak'] })
  assert.deepEqual(fields.get('http.idle'), { path: 'http.idle', value: '9s', from: ['weak'], overridden: [] })
  assert.deepEqual(fields.get('list'), { path: 'list', value: [2], from: ['strong'], overridden: ['weak'] })
})

void test('lists that grow name everyone who added to them', () => {
  const grown = fieldOrigins([weak, strong]).find((each) => each.path === 'appendMatch')
  assert.deepEqual(grown, { path: 'appendMatch', value: ['a', 'b'], from: ['weak', 'strong'], overridden: [] })
})

void test('items of a keyed list are fields of their own', () => {
  const keyed = { list: 'rules', key: 'matches', value: 'default', firstWins: true } as const
  const rule = (path: string, conf: object) => ({ matches: [{ path }], default: conf })
  const fields = fieldOrigins(
    [
      { author: 'a', conf: { rules: [rule('/x', { one: 1 }), rule('/x', { one: 2 }), rule('/y', { two: 1 })] } },
      { author: 'b', conf: { rules: [rule('/x', { three: 3 })] } },
    ],
    { keyed },
  )
  assert.deepEqual(
    fields.map(({ path, value, from }) => [path, value, from]),
    [
      ['rules[[{"path":"/x"}]].one', 1, ['a']],
      ['rules[[{"path":"/x"}]].three', 3, ['b']],
      ['rules[[{"path":"/y"}]].two', 1, ['a']],
    ],
  )
})

const leaf = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.integer(), { maxLength: 2 }))
const keys = fc.constantFrom('a', 'b', 'c', 'appendX')
const shape = (key: string): fc.Arbitrary<unknown> =>
  key === 'appendX' ? fc.array(fc.integer(), { maxLength: 2 }) : key === 'c' ? fc.dictionary(keys, leaf, { maxKeys: 2 }) : leaf
/** Confs as schemas allow them: a field has the same type wherever it is. */
const conf = fc
  .uniqueArray(keys, { maxLength: 4 })
  .chain((names) => fc.record(Object.fromEntries(names.map((name) => [name, shape(name)]))))

void test('the values of all fields are those of the merge', () => {
  fc.assert(
    fc.property(fc.array(conf, { minLength: 1, maxLength: 4 }), (confs) => {
      const flat = confs.map((each) => Object.fromEntries(Object.entries(each).filter(([key]) => key !== 'c')))
      const merged = mergeConf(flat) ?? {}
      const fields = fieldOrigins(flat.map((each, index) => ({ author: index, conf: each })))
      assert.deepEqual(Object.fromEntries(fields.map(({ path, value }) => [path, value])), Object.fromEntries(Object.entries(merged)))
    }),
  )
})
