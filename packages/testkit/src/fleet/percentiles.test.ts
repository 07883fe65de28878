import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { median, percentiles } from './percentiles.ts'

test('percentiles are values that were measured, by nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index)
  assert.deepEqual(percentiles(hundred), { count: 100, min: 1, p50: 50, p90: 90, p99: 99, max: 100 })
  assert.deepEqual(percentiles([7]), { count: 1, min: 7, p50: 7, p90: 7, p99: 7, max: 7 })
  assert.deepEqual(percentiles([]), { count: 0, min: 0, p50: 0, p90: 0, p99: 0, max: 0 })
})

test('percentiles sort numbers, not texts', () => {
  assert.deepEqual(percentiles([10, 9, 2]), { count: 3, min: 2, p50: 9, p90: 10, p99: 10, max: 10 })
})

test('percentiles are ordered, members of the input, and leave it alone', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1e6 }), { minLength: 1 }), (durations) => {
      const before = [...durations]
      const { count, min, p50, p90, p99, max } = percentiles(durations)
      assert.deepEqual(durations, before)
      assert.equal(count, durations.length)
      assert.ok(min <= p50 && p50 <= p90 && p90 <= p99 && p99 <= max)
      for (const value of [min, p50, p90, p99, max]) assert.ok(durations.includes(value))
      assert.ok(durations.filter((value) => value <= p50).length * 2 >= count)
      assert.ok(durations.filter((value) => value >= p50).length * 2 >= count)
    }),
  )
})

test('the median of an even number of values is the mean of the middle two', () => {
  assert.equal(median([]), undefined)
  assert.equal(median([3]), 3)
  assert.equal(median([10, 9]), 9.5)
  assert.equal(median([100, 1, 20]), 20)
})
