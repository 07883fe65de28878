import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from './fake-clock.ts'

test('timers fire in time order, also those started on the way, and cancelled ones do not', () => {
  const clock = new FakeClock(0)
  const fired: string[] = []
  clock.after(20, () => fired.push(`b@${clock.now()}`))
  clock.after(10, () => {
    fired.push(`a@${clock.now()}`)
    clock.after(5, () => fired.push(`c@${clock.now()}`))
  })
  const cancelled = clock.after(12, () => fired.push('never'))
  cancelled.cancel()
  clock.advance(19)
  assert.deepEqual(fired, ['a@10', 'c@15'])
  clock.advance(1)
  assert.deepEqual(fired, ['a@10', 'c@15', 'b@20'])
  assert.equal(clock.pending, 0)
})
