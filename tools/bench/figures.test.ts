import assert from 'node:assert/strict'
import { test } from 'node:test'
import { catalogue, type FigureId, type Measured, rowsOf, table } from './figures.ts'

function run(values: Readonly<Partial<Record<FigureId, number>>>, rest: Partial<Measured> = {}): Measured {
  const entries = Object.entries(values) as [FigureId, number][]
  return { values: new Map(entries), incompleteRounds: 0, rounds: 0, nacks: 0, failures: [], ...rest }
}

test('each figure has an id of its own', () => {
  const ids = catalogue.map(({ id }) => id)
  assert.equal(new Set(ids).size, ids.length)
})

test('goals are met or missed by the first control plane; the ratio is second over first; runs give medians', () => {
  const ours = [run({ 'edits.otherP50': 60, 'idle.zoneCpu': 1 }), run({ 'edits.otherP50': 100, 'idle.zoneCpu': 1 })]
  const theirs = [run({ 'edits.otherP50': 160 })]
  const rows = rowsOf([ours, theirs], new Set(['edits', 'idle']))
  const edit = rows.find(({ id }) => id === 'edits.otherP50')
  assert.deepEqual([edit?.values, edit?.goal, edit?.isMet, edit?.ratio], [[80, 160], '<= 80', true, 2])
  const idle = rows.find(({ id }) => id === 'idle.zoneCpu')
  assert.deepEqual([idle?.goal, idle?.isMet, idle?.ratio], ['< 1', false, undefined])
})

test('what was asked for and not measured is shown as such', () => {
  const rows = rowsOf([[run({})]], new Set(['cold']))
  const cold = rows.find(({ id }) => id === 'cold.complete')
  assert.deepEqual([cold?.values, cold?.isMet], [[undefined], undefined])
  assert.match(table(rows, ['weft']), /cold start until every proxy is complete +- +ms +<= 3,000 +not measured/)
  assert.equal(
    rows.some(({ id }) => id === 'edits.otherP50'),
    false,
  )
})

test('incomplete rounds, refusals and failed steps are always told, over all runs', () => {
  const rows = rowsOf([[run({}, { rounds: 4, nacks: 1 }), run({}, { rounds: 4, incompleteRounds: 2, failures: ['cold: x'] })]], new Set())
  assert.deepEqual(
    rows.map(({ id, values, isMet }) => [id, values[0], isMet]),
    [
      ['all.incomplete', 2, false],
      ['all.nacks', 1, false],
      ['all.failures', 1, false],
    ],
  )
  assert.match(table(rows, ['weft']), /INCOMPLETE rounds, of 8 in all steps +2 .*MISSED/)
})

test('a table lines up its columns, with a ratio when two are compared', () => {
  const rows = rowsOf(
    [[run({ 'cold.complete': 2345.6, 'cold.bytes': 51.44 })], [run({ 'cold.complete': 23_456, 'cold.bytes': 5.144 })]],
    new Set(['cold']),
  )
  const lines = table(rows, ['weft', 'kuma-cp']).split('\n')
  assert.match(lines[0] ?? '', /^figure +weft +kuma-cp +ratio/)
  assert.match(lines[1] ?? '', /2,346 +23,456 +x 10 +ms +<= 3,000 +met$/)
  const end = (text: string, of: string): number => text.indexOf(of) + of.length
  assert.equal(end(lines[0] ?? '', 'weft'), end(lines[1] ?? '', '2,346'))
})
