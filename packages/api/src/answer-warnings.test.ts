// Warnings of an answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { warningHeader, warnOfAnswer, withWarnings } from './answer-warnings.ts'

test('each answer has its own warnings, once each, wherever on the way they are said', async () => {
  const later = Promise.withResolvers<void>()
  const make = (name: string) =>
    withWarnings(async () => {
      warnOfAnswer(`${name} begins`)
      await later.promise
      await Promise.all([1, 2].map(async () => warnOfAnswer(`${name} is not whole`)))
      return name
    })
  const both = Promise.all([make('one'), make('two')])
  warnOfAnswer('said outside')
  later.resolve()
  assert.deepEqual(await both, [
    { answer: 'one', warnings: ['one begins', 'one is not whole'] },
    { answer: 'two', warnings: ['two begins', 'two is not whole'] },
  ])
  assert.deepEqual(await withWarnings(() => 1), { answer: 1, warnings: [] })
  await assert.rejects(
    withWarnings(() => {
      throw new TypeError('broken')
    }),
    TypeError,
  )
})

test('the header is one line of ASCII, however many and long they are', () => {
  const header = warningHeader(['a "quoted"\r\nset-cookie: ä', ...Array.from({ length: 30 }, (_, n) => `${n}`.repeat(500))])
  assert.match(header, /^299 - "a \\"quoted\\"\?\?set-cookie: \?", 299 - "0{300}", /)
  assert.equal(header.split('299 - ').length - 1, 20)
})
