import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@weft/foundation/time'
import { createReaderWatch, defaultReaderLimits } from './reader-watch.ts'

/** A clock of a process that may be stopped: time goes on, timers do not. */
class StoppableClock extends FakeClock {
  #stopped = 0
  stop(ms: number): void {
    this.#stopped += ms
  }
  override monotonic(): number {
    return super.monotonic() + this.#stopped
  }
}

function setUp() {
  const clock = new StoppableClock()
  const cuts: string[] = []
  let rooms = 0
  const watch = createReaderWatch({
    clock,
    limits: { ...defaultReaderLimits, windowBytes: 1000, budgetBytes: 5000, slowestBytesPerSecond: 100 },
    room: () => void rooms++,
    cut: ({ reason, error }) => void cuts.push(`${reason} ${error.code} ${error.message}`),
  })
  return { clock, watch, cuts, rooms: () => rooms }
}

test('a reader that keeps up costs no timer and gets no verdict', () => {
  const { clock, watch, cuts } = setUp()
  for (let count = 0; count < 100; count++) {
    const passed = watch.handed(900)
    watch.asked('Mesh', 900)
    clock.advance(20_000)
    passed()
    watch.answered('Mesh')
    assert.equal(clock.pending, 0)
    assert.equal(watch.view, undefined)
  }
  assert.deepEqual(cuts, [])
})

test('more waits than the window: it is full until enough is passed on, and says once that there is room', () => {
  const { watch, rooms } = setUp()
  const passed = [watch.handed(600), watch.handed(600), watch.handed(600)]
  assert.equal(watch.isFull, true)
  assert.deepEqual(watch.view, { waitingBytes: 1800, stillMs: 0, full: true })
  passed[0]?.()
  assert.equal(rooms(), 0)
  passed[1]?.()
  // told twice, counted once
  passed[1]?.()
  assert.equal(watch.isFull, false)
  assert.deepEqual(watch.view, { waitingBytes: 600, stillMs: 0, full: false })
  passed[2]?.()
  assert.equal(rooms(), 1)
})

test('a reader that stands still is cut off after half a minute, once', () => {
  const { clock, watch, cuts } = setUp()
  watch.handed(100)
  watch.handed(100)
  clock.advance(30_000)
  assert.deepEqual(watch.view, { waitingBytes: 200, stillMs: 30_000, full: false })
  assert.deepEqual(cuts, [])
  // the second that its bytes may take, at the next beat
  clock.advance(5_000)
  assert.deepEqual(cuts, ['still kds/slow-reader the peer took nothing for 35 s while 200 bytes wait for it'])
  clock.advance(1_000_000)
  watch.handed(1_000_000)
  assert.equal(cuts.length, 1)
  assert.equal(clock.pending, 0)
})

test('a slow reader that takes one message after the other is not cut off', () => {
  const { clock, watch, cuts } = setUp()
  const passed = Array.from({ length: 20 }, () => watch.handed(100))
  for (const pass of passed) {
    clock.advance(29_000)
    pass()
  }
  clock.advance(200_000)
  assert.deepEqual(cuts, [])
  assert.equal(clock.pending, 0)
})

test('a large message may take the time of its bytes on a slow link', () => {
  const { clock, watch, cuts } = setUp()
  watch.handed(4_000)
  clock.advance(69_999)
  assert.deepEqual(cuts, [])
  clock.advance(1)
  assert.match(cuts[0] ?? '', /^still /)
})

test('what does not wait for room has a budget', () => {
  const { clock, watch, cuts } = setUp()
  for (let count = 0; count < 5; count++) watch.handed(1_000)
  assert.deepEqual(cuts, [])
  watch.handed(1)
  assert.deepEqual(cuts, ['budget kds/slow-reader 5001 bytes wait for a peer that does not take them'])
  assert.equal(clock.pending, 0)
})

test('each type has to be answered within two minutes, whatever the others do', () => {
  const { clock, watch, cuts } = setUp()
  watch.asked('Mesh', 0)
  for (let count = 0; count < 12; count++) {
    watch.asked('Secret', 0)
    watch.handed(10)()
    clock.advance(9_999)
    watch.answered('Secret')
  }
  assert.deepEqual(cuts, [])
  clock.advance(5_000)
  assert.match(cuts.join(), /^unanswered kds\/slow-reader the peer did not answer a response of type Mesh for 12\d s$/)
})

test('time in which this process stood still says nothing about the reader', () => {
  const { clock, watch, cuts } = setUp()
  watch.handed(0)
  watch.asked('Mesh', 0)
  for (let count = 0; count < 3; count++) {
    clock.stop(600_000)
    clock.advance(5_000)
  }
  assert.deepEqual(cuts, [])
  clock.advance(30_000)
  assert.equal(cuts.length, 1)
})

test('a closed watch gives no verdict and holds no timer', () => {
  const { clock, watch, cuts } = setUp()
  const passed = watch.handed(10)
  watch.asked('Mesh', 10)
  watch.close()
  clock.advance(1_000_000)
  passed()
  watch.handed(10)
  assert.deepEqual(cuts, [])
  assert.equal(clock.pending, 0)
})
