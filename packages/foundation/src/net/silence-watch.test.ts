import assert from 'node:assert/strict'
import { it } from 'node:test'
import { FakeClock } from '../time/index.ts'
import { createSilenceWatch } from './silence-watch.ts'

const limitMs = 8500

function setUp() {
  const clock = new FakeClock()
  const watch = createSilenceWatch({ clock, limitMs })
  const pass = (seconds: number): void => {
    for (let second = 0; second < seconds; second += 1) clock.advance(1000)
  }
  return { watch, clock, pass }
}

it('a connection that says nothing is given up within ten seconds, once, and one that speaks is not', () => {
  const { watch, pass } = setUp()
  const [silent, speaking] = [{ bytesRead: 7 }, { bytesRead: 7 }]
  let given = 0
  let wrongly = 0
  watch.watch(silent, () => void (given += 1))
  watch.watch(speaking, () => void (wrongly += 1))
  for (let second = 0; second < 8; second += 1) {
    pass(1)
    if (second % 5 === 0) speaking.bytesRead += 17
  }
  assert.equal(given, 0)
  pass(1)
  speaking.bytesRead += 17
  assert.equal(given, 1)
  pass(8)
  assert.deepEqual([given, wrongly], [1, 0])
})

it('time in which this process stood still is no silence of the peer', () => {
  const { watch, clock, pass } = setUp()
  const connection = { bytesRead: 0 }
  let given = 0
  watch.watch(connection, () => void (given += 1))
  for (let stalls = 0; stalls < 5; stalls += 1) {
    clock.stall(60_000)
    pass(1)
  }
  assert.equal(given, 0)
  connection.bytesRead += 17
  pass(1)
  clock.stall(60_000)
  pass(7)
  assert.equal(given, 0)
  pass(3)
  assert.equal(given, 1, 'and real silence is noticed as ever')
})

it('nothing runs while there is nothing to watch', () => {
  const { watch, clock, pass } = setUp()
  assert.equal(clock.pending, 0)
  const end = watch.watch({ bytesRead: 0 }, () => assert.fail('it left in order'))
  assert.equal(clock.pending, 1)
  end()
  assert.equal(clock.pending, 0)
  pass(20)
})
