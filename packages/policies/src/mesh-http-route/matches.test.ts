import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpMatch } from '../route-model.ts'
import { envoyMatches } from './matches.ts'

const match = (more: Partial<HttpMatch>): HttpMatch => ({ path: undefined, method: undefined, headers: [], queryParams: [], ...more })
const regex = (value: string) => ({ type: 'RegularExpression', name: 'n', value }) as const

test('a match with an expression that Envoy cannot compile takes no request', () => {
  for (const value of ['(', 'a(?=b)', '\\1']) {
    assert.deepEqual(envoyMatches(match({ path: regex(value) })), [])
    assert.deepEqual(envoyMatches(match({ headers: [regex('a'), regex(value)] })), [])
    assert.deepEqual(envoyMatches(match({ queryParams: [regex(value)] })), [])
  }
  const [found] = envoyMatches(
    match({ path: regex('(?i)/a.*'), headers: [regex('x')], queryParams: [{ type: 'Exact', name: 'q', value: '(' }] }),
  )
  assert.deepEqual(found?.match, {
    safeRegex: { regex: '(?i)/a.*' },
    headers: [{ name: 'n', stringMatch: { safeRegex: { regex: 'x' } } }],
    queryParameters: [{ name: 'q', stringMatch: { exact: '(' } }],
  })
})
