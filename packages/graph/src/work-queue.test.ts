import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createWorkQueue } from './index.ts'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const base = () => ({ name: 'test', log: silentLogger, clock: new FakeClock() })

describe('work queue', () => {
  it('merges reasons of a pending key and runs keys in order of their first mark', async () => {
    const runs: [string, string[]][] = []
    const queue = createWorkQueue<string>({ ...base(), run: (key, reasons) => void runs.push([key, [...reasons]]) })
    queue.mark('b', 'r1')
    queue.mark('a', 'r1')
    queue.mark('b', 'r2')
    assert.equal(runs.length, 0)
    await queue.idle()
    assert.deepEqual(runs, [
      ['b', ['r1', 'r2']],
      ['a', ['r1']],
    ])
  })

  it('has one run per key in flight and runs again when marked meanwhile', async () => {
    const gates: PromiseWithResolvers<void>[] = []
    const runs: string[][] = []
    const queue = createWorkQueue<string>({
      ...base(),
      concurrency: 4,
      run: (_, reasons) => {
        runs.push([...reasons])
        const gate = Promise.withResolvers<void>()
        gates.push(gate)
        return gate.promise
      },
    })
    queue.mark('a', '1')
    await turn()
    queue.mark('a', '2')
    queue.mark('a', '3')
    await turn()
    assert.deepEqual(runs, [['1']])
    gates[0]?.resolve()
    await turn()
    await turn()
    assert.deepEqual(runs, [['1'], ['2', '3']])
    gates[1]?.resolve()
    await queue.idle()
  })

  it('gives the event loop a turn when the budget is used up', async () => {
    const clock = new FakeClock()
    const order: string[] = []
    const queue = createWorkQueue<number>({
      ...base(),
      clock,
      budgetMs: 5,
      run: (key) => {
        order.push(`run ${key}`)
        clock.advance(3)
      },
    })
    for (let i = 0; i < 4; i++) queue.mark(i, 'r')
    setImmediate(() => order.push('turn'))
    await queue.idle()
    assert.deepEqual(order, ['run 0', 'run 1', 'turn', 'run 2', 'run 3'])
  })

  it('gives first-time builds a lower share and keeps the lane of the first mark', async () => {
    const order: string[] = []
    const queue = createWorkQueue<string>({ ...base(), run: (key) => void order.push(key) })
    for (let i = 0; i < 3; i++) queue.mark(`f${i}`, 'connect', 'first')
    for (let i = 0; i < 6; i++) queue.mark(`u${i}`, 'change')
    queue.mark('f2', 'change', 'update')
    assert.deepEqual(queue.depth(), { update: 6, first: 3, running: 0 })
    await queue.idle()
    assert.deepEqual(order, ['u0', 'u1', 'u2', 'f0', 'u3', 'u4', 'u5', 'f1', 'f2'])
  })

  it('survives failing runs and retries after the delay asked for, at once when marked again', async () => {
    const clock = new FakeClock()
    let runs = 0
    const attempts: number[] = []
    const queue = createWorkQueue<string>({
      ...base(),
      clock,
      retryMs: (_, attempt) => {
        attempts.push(attempt)
        return attempt < 3 ? 100 * attempt : undefined
      },
      run: (key) => {
        runs++
        if (key === 'sync') throw new Error('no')
        return Promise.reject(new Error('no'))
      },
    })
    queue.mark('async', 'r')
    await turn()
    await turn()
    assert.equal(runs, 1)
    clock.advance(100)
    await turn()
    await turn()
    assert.equal(runs, 2)
    queue.mark('async', 'again')
    await turn()
    await turn()
    assert.equal(runs, 3)
    assert.deepEqual(attempts, [1, 2, 3])
    queue.mark('sync', 'r')
    await turn()
    queue.drop('sync')
    await queue.idle()
    clock.advance(10_000)
    await turn()
    assert.equal(runs, 4)
  })

  it('stops: drops what waits, aborts the signal, waits for what runs', async () => {
    const gate = Promise.withResolvers<void>()
    const runs: string[] = []
    let aborted = false
    const queue = createWorkQueue<string>({
      ...base(),
      run: async (key, _, signal) => {
        runs.push(key)
        signal.addEventListener('abort', () => {
          aborted = true
        })
        await gate.promise
      },
    })
    queue.mark('a', 'r')
    queue.mark('b', 'r')
    await turn()
    queue.mark('a', 'again')
    const stopped = queue.stop()
    assert.ok(aborted)
    gate.resolve()
    await stopped
    queue.mark('c', 'r')
    await turn()
    assert.deepEqual(runs, ['a'])
  })
})
