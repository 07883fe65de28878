import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseSample } from './metric-sample.ts'

const read = (line: string): unknown => {
  const sample = parseSample(line)
  return sample && [sample.name, Object.fromEntries(sample.labels), sample.value, sample.timeMs]
}

test('names, labels with escapes, values as Go writes them, times', () => {
  assert.deepEqual(read('up 1'), ['up', {}, 1, undefined])
  assert.deepEqual(read('up{} 1.5e-3 1700000000000'), ['up', {}, 0.0015, 1_700_000_000_000])
  assert.deepEqual(read(String.raw`m{a="x,y}",b="q\"\\\n" , c="" } +Inf`), ['m', { a: 'x,y}', b: 'q"\\\n', c: '' }, Infinity, undefined])
  assert.deepEqual(read('m{a="b",} -.5'), ['m', { a: 'b' }, -0.5, undefined])
  assert.deepEqual(read('m NaN'), ['m', {}, Number.NaN, undefined])
  assert.deepEqual(read('m_total 3 1700000000.25 # {trace="1"} 4'), ['m_total', {}, 3, 1_700_000_000_250])
})

test('what is no sample', () => {
  for (const line of ['', '# TYPE m counter', '1m 2', 'm', 'm{a="b" 1', 'm{a=b} 1', 'm x', 'm 1 2 3', 'm 0x10', '{a="b"} 1'])
    assert.equal(parseSample(line), undefined, line)
})

test('any line is read without an exception, in time that grows with its length', () => {
  fc.assert(fc.property(fc.string({ maxLength: 300 }), (line) => parseSample(`m{${line}`) === undefined || true))
  assert.equal(parseSample(`m{${'a="b",'.repeat(100_000)}`), undefined)
  assert.equal(parseSample(`m{a="${'\\\\'.repeat(500_000)}`), undefined)
})
