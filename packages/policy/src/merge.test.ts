import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { canonicalJson } from '@weft/foundation/schema'
import fc from 'fast-check'
import { type MergeSpec, mergeConf } from './index.ts'

const routes: MergeSpec = { keyed: { list: 'rules', key: 'matches', value: 'default', firstWins: true } }

describe('merging of confs', () => {
  it('merges objects deeply and replaces lists and scalars', () => {
    const weak = { a: 1, http: { x: 1, y: [1, 2] }, list: [1] }
    const strong = { http: { y: [3], z: 2 }, list: [], a: 'two' }
    assert.deepEqual(mergeConf([weak, strong]), { a: 'two', http: { x: 1, y: [3], z: 2 }, list: [] })
  })

  it('concatenates append lists, weak before strong, at every depth', () => {
    const weak = { appendMatch: [1], sidecar: { profiles: { appendProfiles: [{ name: 'All' }], exclude: [1] } } }
    const strong = { appendMatch: [2], sidecar: { profiles: { appendProfiles: [{ name: 'None' }], exclude: [2] } } }
    assert.deepEqual(mergeConf([weak, strong]), {
      appendMatch: [1, 2],
      sidecar: { profiles: { appendProfiles: [{ name: 'All' }, { name: 'None' }], exclude: [2] } },
    })
  })

  it('merges keyed lists: the first of one conf wins, the stronger conf comes first', () => {
    const rule = (match: string, value: object) => ({ matches: [{ path: match }], default: value })
    const weak = { rules: [rule('/a', { x: 1, y: 1 }), rule('/b', { x: 2 }), rule('/a', { x: 9, z: 9 })] }
    const strong = { rules: [rule('/c', { x: 3 }), rule('/a', { x: 4 })] }
    assert.deepEqual(mergeConf([weak, strong], routes), {
      rules: [rule('/c', { x: 3 }), rule('/a', { x: 4, z: 9, y: 1 }), rule('/b', { x: 2 })],
    })
  })

  it('ignores what is not an object, and null values', () => {
    assert.equal(mergeConf([]), undefined)
    assert.equal(mergeConf([null, 'x', [1], undefined]), undefined)
    assert.deepEqual(mergeConf([{ a: 1 }, { a: null, b: 2 }]), { a: 1, b: 2 })
  })

  it('keeps hostile names as data', () => {
    const conf = mergeConf([JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"a": 1}}'), { constructor: { b: 2 } }])
    assert.equal(Object.hasOwn({}, 'polluted'), false)
    assert.equal(canonicalJson(conf), '{"__proto__":{"polluted":true},"constructor":{"a":1,"b":2}}')
  })

  const key = fc.constantFrom('a', 'b', 'appendX', '__proto__')
  const tree = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, fc.integer(), fc.array(fc.integer(), { maxLength: 2 }), tie('object')),
    object: fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  })).object

  it('gives the same result merged at once or step by step, and changes no input', () => {
    fc.assert(
      fc.property(tree, tree, tree, (a, b, c) => {
        const before = canonicalJson([a, b, c])
        assert.equal(canonicalJson(mergeConf([mergeConf([a, b]), c])), canonicalJson(mergeConf([a, b, c])))
        assert.equal(canonicalJson([a, b, c]), before)
      }),
    )
  })

  it('lets the last scalar win', () => {
    fc.assert(fc.property(tree, fc.integer(), (a, n) => assert.deepEqual(mergeConf([a, { a: n }])?.['a'], n)))
  })
})
