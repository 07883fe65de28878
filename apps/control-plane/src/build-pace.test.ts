import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@weft/foundation/time'
import { createBuildPace } from './build-pace.ts'

function scene(proxies: number) {
  const clock = new FakeClock()
  const built: string[] = []
  const keys = Array.from({ length: proxies }, (_, n) => `p${n}`)
  const pace = createBuildPace(clock, (key) => built.push(key))
  /** How many of the proxies are built at once. */
  const change = (of: readonly string[] = keys): number => of.filter((key) => pace.mayGo(key)).length
  /** How long until all that wait are built. */
  const gapMs = (): number => {
    const before = built.length
    for (let ms = 1; ms <= 1000; ms += 1) {
      clock.advance(1)
      if (built.length > before) return ms
    }
    return Number.POSITIVE_INFINITY
  }
  return { clock, pace, keys, change, built, gapMs }
}

test('a first change is built at once, what follows is gathered', () => {
  const { change, built, gapMs } = scene(100)
  assert.equal(change(), 100)
  assert.deepEqual([change(), change(), built.length], [0, 0, 0])
  assert.equal(gapMs(), 50)
  assert.equal(built.length, 100, 'each once')
  assert.equal(change(), 0)
  assert.equal(gapMs(), 200, 'changes for all keep coming')
})

test('changes for few are never far apart, whatever came before', () => {
  const { change, gapMs, keys, clock } = scene(5)
  assert.equal(change(), 5)
  for (let round = 0; round < 20; round += 1) {
    assert.equal(change(), 0)
    assert.equal(gapMs(), 40, `round ${round}`)
  }
  clock.advance(40)
  assert.equal(change(), 5, 'an edit after the last build by as much')
  const [one = ''] = keys
  assert.equal(change([one]), 0)
  assert.equal(gapMs(), 40)
  assert.equal(change([one]), 0)
  assert.equal(gapMs(), 10)
})

test('while proxies join, the gap grows for few too, and not for long after', () => {
  const { change, gapMs, pace, clock } = scene(5)
  change()
  const gaps = [1, 2, 3, 4].map(() => {
    pace.joined()
    change()
    return gapMs()
  })
  assert.deepEqual(gaps, [50, 100, 200, 200])
  clock.advance(200)
  assert.equal(change(), 5)
  assert.equal(change(), 0)
  assert.equal(gapMs(), 40)
})

test('after a rest the gap is short again, and a proxy that is dropped is not built', () => {
  const { change, gapMs, clock, pace, keys, built } = scene(100)
  change()
  change()
  gapMs()
  change()
  assert.equal(gapMs(), 200)
  clock.advance(500)
  assert.equal(change(), 100)
  assert.equal(change(), 0)
  for (const key of keys) pace.drop(key)
  pace.release()
  assert.equal(built.length, 200)
  assert.equal(change(), 100, 'as if new')
})
