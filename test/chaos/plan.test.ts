// A seed decides the whole plan, every kind has its turn, and faults of one round do not get in each other's way.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseChaosOptions } from './main.ts'
import { allKinds, crashFaults, faultKinds, rounds } from './plan.ts'
import { createRandom } from './random.ts'

const planned = (seed: number, count: number, kinds = faultKinds('files')) => {
  const plan = rounds(createRandom(seed), kinds)
  return Array.from({ length: count }, () => plan.next().value)
}

test('the same seed gives the same plan, another one another', () => {
  const texts = (seed: number): readonly string[] => planned(seed, 50).map(({ faults }) => faults.map(({ name }) => name).join('; '))
  assert.deepEqual(texts(7), texts(7))
  assert.notDeepEqual(texts(7), texts(8))
})

test('every kind has its turn early, whatever the seed', () => {
  for (const kinds of [faultKinds('files'), faultKinds('databases'), crashFaults]) {
    for (let seed = 0; seed < 50; seed++) {
      const drawn = new Set(planned(seed, 2 * kinds.length, kinds).flatMap((round) => round.kinds))
      assert.deepEqual([...drawn].sort(), kinds.map(({ name }) => name).sort())
    }
  }
})

test('faults of one round touch different things', () => {
  for (const { faults } of planned(3, 500)) {
    const touched = faults.flatMap(({ touches }) => touches)
    assert.equal(new Set(touched).size, touched.length)
    assert.ok(faults.length > 0)
  }
})

test('kinds have names of their own, and each says what it awaits when it is not drawn', () => {
  assert.equal(new Set(allKinds.map(({ name }) => name)).size, allKinds.length)
  const drawn = [...faultKinds('files'), ...faultKinds('databases')]
  for (const kind of allKinds) assert.equal(drawn.includes(kind), kind.awaits === undefined)
})

test('the command line', () => {
  const options = parseChaosOptions(['--rounds', '3', '--seed', '9', '--only', 'partition, gzip bombs'])
  assert.ok(typeof options !== 'string')
  assert.deepEqual([options.rounds, options.seed, options.kinds?.map(({ name }) => name)], [3, 9, ['partition', 'gzip bombs']])
  const crashes = parseChaosOptions(['--only', 'crashes'])
  assert.ok(typeof crashes !== 'string')
  assert.deepEqual([crashes.kinds, crashes.layouts], [crashFaults, ['disks', 'databases']])
  assert.match(String(parseChaosOptions(['--help'])), /--rounds N/)
  assert.match(String(parseChaosOptions(['--list'])), /^partition$/m)
  for (const bad of [['--rounds', '0'], ['--seed', 'x'], ['--only', 'nothing'], ['--what']]) assert.throws(() => parseChaosOptions(bad))
})
