import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDuration, parseDuration } from './duration.ts'

test('parses what Go parses', () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['10s', 10_000],
    ['1h2m3.5s', 3_723_500],
    ['250ms', 250],
    ['0', 0],
    ['0s', 0],
    ['-1.5h', -5_400_000],
    ['.5s', 500],
    ['1.s', 1000],
    ['+2m', 120_000],
    ['5us', 0.005],
    ['', undefined],
    ['10', undefined],
    ['s', undefined],
    ['1x', undefined],
    ['1s ', undefined],
    ['1h-2m', undefined],
    ['bad', undefined],
  ]
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms, text)
})

test('prints what Go prints', () => {
  assert.equal(formatDuration(0), '0s')
  assert.equal(formatDuration(90_000), '1m30s')
  assert.equal(formatDuration(1500), '1.5s')
  assert.equal(formatDuration(250), '250ms')
  assert.equal(formatDuration(432_000_000), '120h0m0s')
  assert.equal(formatDuration(-5000), '-5s')
})

test('whole milliseconds survive a round trip', () => {
  fc.assert(fc.property(fc.integer({ min: -1e11, max: 1e11 }), (ms) => parseDuration(formatDuration(ms)) === ms))
})
