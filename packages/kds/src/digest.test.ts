// Digests: what they tell apart, and that what a stream keeps up to date equals what is computed from scratch.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createDigest, digestPart } from './digest.ts'

const entry = fc.tuple(fc.string(), fc.string())

test('a digest depends on what is there, not on the order or on what was there before', () => {
  fc.assert(
    fc.property(fc.uniqueArray(entry, { selector: ([name]) => name }), fc.array(entry), fc.nat(), (present, passing, seed) => {
      const straight = createDigest()
      for (const [name, version] of present) straight.add(digestPart(name, version))
      const winding = createDigest()
      for (const [name, version] of passing) winding.add(digestPart(name, version))
      for (const [name, version] of present.toSorted(([a], [b]) => ((a.length * 31 + seed) % 7) - ((b.length * 31 + seed) % 7)))
        winding.add(digestPart(name, version))
      for (const [name, version] of passing.toReversed()) winding.remove(digestPart(name, version))
      assert.equal(winding.text(), straight.text())
      const first = present[0]
      if (!first) return
      const less = createDigest()
      for (const [name, version] of present.slice(1)) less.add(digestPart(name, version))
      assert.equal(straight.text([digestPart(...first)]), less.text())
      assert.notEqual(straight.text(), less.text())
      less.add(digestPart(first[0], `${first[1]}!`))
      assert.notEqual(straight.text(), less.text())
    }),
  )
})
