import assert from 'node:assert/strict'
import { it } from 'node:test'
import { AppError, hasCode } from '@weft/foundation/errors'
import { type Logger, silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { whenReachable } from './when-reachable.ts'

const away = (why = 'connection refused') => new AppError('store/unavailable', why, { retryable: true })

/** Attempts fail with what is in `failures`, one each, and succeed after them. */
function scene(failures: unknown[]) {
  const clock = new FakeClock()
  const lines: string[] = []
  const note = (...[, line]: readonly unknown[]): void => void lines.push(String(line))
  const log: Logger = { ...silentLogger, warn: note, info: note, child: () => log }
  const attempts: number[] = []
  const act = async (): Promise<string> => {
    attempts.push(clock.now())
    const failure = failures.shift()
    if (failure !== undefined) throw failure
    return 'opened'
  }
  return { clock, log, lines, attempts, act }
}

const turn = (): Promise<void> => new Promise((next) => void setImmediate(next))

it('tries again with growing pauses, says why once, and that it is over', async () => {
  const { clock, log, lines, attempts, act } = scene(Array.from({ length: 12 }, () => away()))
  const opened = whenReachable(act, { clock, log })
  const begin = clock.now()
  for (const ms of [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 5000, 5000]) {
    await turn()
    clock.advance(ms - 1)
    await turn()
    const before = attempts.length
    clock.advance(1)
    await turn()
    assert.equal(attempts.length, before + 1, `after ${clock.now() - begin} ms`)
  }
  assert.equal(await opened, 'opened')
  assert.deepEqual(lines, ['the database is away: the start waits for it', 'the database is there, the start goes on'])
})

it('tells another reason, and the same one again after a minute', async () => {
  const { clock, log, lines, act } = scene([away(), away('starting up'), ...Array.from({ length: 20 }, () => away('starting up'))])
  const opened = whenReachable(act, { clock, log })
  for (let step = 0; step < 22; step++) {
    await turn()
    clock.advance(5000)
  }
  await opened
  assert.equal(lines.filter((line) => line.startsWith('the database is away')).length, 3)
})

it('what waiting cannot mend is thrown at once', async () => {
  const { clock, log, lines, act } = scene([new AppError('store/schema-outdated', 'run weft migrate up')])
  await assert.rejects(whenReachable(act, { clock, log }), (error) => hasCode(error, 'store/schema-outdated'))
  assert.deepEqual(lines, [])
})

it('ends when it is told to', async () => {
  const { clock, log, attempts, act } = scene([away(), away()])
  const stop = new AbortController()
  const opened = whenReachable(act, { clock, log, signal: stop.signal })
  await turn()
  stop.abort()
  await assert.rejects(opened, (error) => hasCode(error, 'store/unavailable'))
  assert.equal(attempts.length, 1)
})
