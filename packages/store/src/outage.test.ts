import assert from 'node:assert/strict'
import { it } from 'node:test'
import { FakeClock } from '@weft/foundation/time'
import { createOutage } from './outage.ts'

/** The pause before the next look after a failure, and whether the failure is to be told. */
function failing() {
  const clock = new FakeClock()
  const outage = createOutage(clock)
  const fail = (reason: string): readonly [number, boolean] => {
    const at = clock.monotonic()
    let pause = -1
    const isTold = outage.failed(reason, () => (pause = clock.monotonic() - at))
    while (pause < 0) clock.advance(100)
    return [pause, isTold]
  }
  return { clock, outage, fail }
}

it('looks again after growing pauses and is told once', () => {
  const { clock, outage, fail } = failing()
  const pauses = Array.from({ length: 8 }, () => fail('refused'))
  assert.deepEqual(
    pauses.map(([ms]) => ms),
    [100, 200, 400, 800, 1600, 3200, 5000, 5000],
  )
  assert.deepEqual(
    pauses.map(([, isTold]) => isTold),
    [true, ...Array.from({ length: 7 }, () => false)],
  )
  assert.equal(outage.over(), 16_300)
  clock.advance(2000)
  assert.deepEqual(fail('refused'), [100, false], 'the next one begins anew')
})

it('a full disk, which answers and fails every write, is told once a minute and asked less and less often', () => {
  const { clock, outage, fail } = failing()
  const pauses: number[] = []
  let told = 0
  const begin = clock.monotonic()
  while (clock.monotonic() - begin < 120_000) {
    const [ms, isTold] = fail('no space left')
    pauses.push(ms)
    told += isTold ? 1 : 0
    assert.equal(outage.over() !== undefined, isTold, 'what was not told has no end either')
  }
  assert.deepEqual(pauses.slice(0, 8), [100, 200, 400, 800, 1600, 3200, 5000, 5000])
  assert.equal(told, 2)
})

it('another reason is told at once', () => {
  const { outage, fail } = failing()
  fail('no space left')
  outage.over()
  assert.deepEqual(fail('refused')[1], true)
})
