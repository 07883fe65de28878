import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FakeClock } from '@weft/foundation/time'
import { createFlushWindow } from './flush-window.ts'

describe('flush window', () => {
  it('flushes at once after rest', () => {
    const clock = new FakeClock()
    let flushes = 0
    const window = createFlushWindow(clock, 100, () => flushes++)
    window.mark()
    window.mark()
    assert.equal(flushes, 0)
    clock.advance(0)
    assert.equal(flushes, 1)
    clock.advance(100)
    window.mark()
    clock.advance(0)
    assert.equal(flushes, 2)
  })

  it('widens up to its limit while marks keep coming, and never starves them', () => {
    const clock = new FakeClock()
    const times: number[] = []
    const window = createFlushWindow(clock, 100, () => times.push(clock.monotonic()))
    for (let ms = 0; ms < 2_000; ms++) {
      window.mark()
      clock.advance(1)
    }
    const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0))
    assert.equal(times[0], 0)
    assert.ok(times.length < 30)
    assert.equal(Math.max(...gaps), 100)
    assert.equal(gaps.at(-1), 100)
    assert.ok((gaps[0] ?? 0) <= 5)
  })

  it('does nothing once stopped', () => {
    const clock = new FakeClock()
    const window = createFlushWindow(clock, 100, () => assert.fail())
    window.mark()
    window.stop()
    clock.advance(1_000)
    assert.equal(clock.pending, 0)
  })
})
