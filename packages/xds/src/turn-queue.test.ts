import assert from 'node:assert/strict'
import { it } from 'node:test'
import { FakeClock } from '@weft/foundation/time'
import { createTurnQueue } from './turn-queue.ts'

it('runs every job once, in the order of asking', () => {
  const clock = new FakeClock()
  const queue = createTurnQueue(clock, 10)
  const ran: number[] = []
  const jobs = [0, 1, 2].map((id) => () => void ran.push(id))
  for (const job of [...jobs, ...jobs]) queue(job)
  assert.deepEqual([ran.length, clock.pending], [0, 1])
  clock.advance(0)
  assert.deepEqual(ran, [0, 1, 2])
  assert.equal(clock.pending, 0)
})

it('yields when its budget is spent, and goes on afterwards', () => {
  let spent = 0
  const scheduled: (() => void)[] = []
  const queue = createTurnQueue(
    {
      now: () => 0,
      monotonic: () => spent,
      after: (_, fn) => {
        scheduled.push(fn)
        return { cancel: () => {} }
      },
    },
    10,
  )
  const ran: number[] = []
  for (const id of [0, 1, 2, 3, 4]) {
    queue(() => {
      ran.push(id)
      spent += 6
    })
  }
  scheduled.shift()?.()
  assert.deepEqual(ran, [0, 1])
  scheduled.shift()?.()
  assert.deepEqual(ran, [0, 1, 2, 3])
  scheduled.shift()?.()
  assert.deepEqual(ran, [0, 1, 2, 3, 4])
  assert.equal(scheduled.length, 0)
})
