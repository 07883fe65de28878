import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isRegex } from './index.ts'

test('the grammar is that of RE2', () => {
  for (const good of ['', '.*', '(?i)^foo$', '\\Aa\\z', '(?P<name>x)', '[[:alpha:]]+', '\\pL', 'a{1,1000}'])
    assert.equal(isRegex(good), true, good)
  for (const bad of ['(', '[', 'a**', '(?=x)', '(?<!x)y', '\\1', 'a{1,100000}', '\\', 'x'.repeat(5000)])
    assert.equal(isRegex(bad), false, bad)
})

test('any text is judged without an exception', () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme', maxLength: 50 }), (text) => typeof isRegex(text) === 'boolean'))
})
