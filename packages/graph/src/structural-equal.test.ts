import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { structuralEqual } from './index.ts'

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .filter(([, v]) => v !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([k, v]) => [k, canonical(v)])
    .concat([['{}']])
}

describe('structuralEqual', () => {
  const small = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(null, 0, 1, '', 'a', true, false),
      fc.array(tie('value'), { maxLength: 2 }),
      fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'constructor'), fc.oneof(tie('value'), fc.constant(undefined)), { maxKeys: 2 }),
    ),
  })).value

  it('agrees with canonical JSON and is symmetric', () => {
    fc.assert(
      fc.property(small, small, (a, b) => {
        const expected = JSON.stringify(canonical(a)) === JSON.stringify(canonical(b))
        assert.equal(structuralEqual(a, b), expected)
        assert.equal(structuralEqual(b, a), expected)
        assert.ok(structuralEqual(a, structuredClone(a)))
      }),
      { numRuns: 2000 },
    )
  })

  it('compares maps, sets and bytes by content, other objects by identity', () => {
    assert.ok(structuralEqual(new Map([['a', [1]]]), new Map([['a', [1]]])))
    assert.ok(!structuralEqual(new Map([['a', 1]]), new Map([['a', 2]])))
    assert.ok(!structuralEqual(new Map(), {}))
    assert.ok(!structuralEqual({}, new Map()))
    assert.ok(structuralEqual(new Set(['a']), new Set(['a'])))
    assert.ok(!structuralEqual(Uint8Array.of(1), Uint8Array.of(2)))
    assert.ok(!structuralEqual(new Date(0), new Date(0)))
    assert.ok(structuralEqual(Number.NaN, Number.NaN))
    assert.ok(!structuralEqual({ a: undefined, b: 1 }, { b: undefined, a: 1 }))
  })
})
