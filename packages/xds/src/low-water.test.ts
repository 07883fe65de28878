import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LowWater } from './low-water.ts'

test('the first position held is the lowest of all that are held, in whatever order they come and go', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 9 }))), (steps) => {
      const water = new LowWater()
      const held: number[] = []
      for (const [isHeld, position] of steps) {
        if (isHeld) {
          water.hold(position)
          held.push(position)
        } else {
          // letting go of what is not held does nothing
          water.release(position)
          const at = held.indexOf(position)
          if (at >= 0) held.splice(at, 1)
        }
        assert.equal(water.first, held.length === 0 ? undefined : Math.min(...held))
      }
    }),
  )
})
