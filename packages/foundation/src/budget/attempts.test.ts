// Who is looked at, and who no more.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError, hasCode } from '../errors/index.ts'
import { type Logger, silentLogger } from '../log/index.ts'
import { FakeClock } from '../time/index.ts'
import { type AttemptsOptions, createAttempts, createBudget, uncountedAttempts } from './index.ts'

function door(options: Partial<AttemptsOptions> = {}) {
  const clock = new FakeClock()
  const lines: string[] = []
  const note = (...entry: readonly unknown[]): void => void lines.push(JSON.stringify(entry))
  const log = { ...silentLogger, debug: note, info: note, warn: note, error: note } as Logger // all that could say something
  const budget = createBudget({
    name: 'failures',
    limit: 3,
    refusal: 'too many failed attempts from this address',
    clock,
    log,
    maxKeys: 50,
  })
  const attempts = createAttempts({ budget, isFailure: (error) => hasCode(error, 'token/invalid'), ...options })
  const good = new Set(['good', 'other-good'])
  let looked = 0
  const show = async (credential: string, address = '203.0.113.9'): Promise<string> => {
    try {
      return await attempts.check({ address, credentials: [credential] }, async () => {
        looked += 1
        if (credential === 'later') throw new AppError('token/keys-missing', 'later', { retryable: true })
        if (credential === 'broken') throw new TypeError('a bug')
        if (!good.has(credential)) throw new AppError('token/invalid', 'bad')
        return 'in'
      })
    } catch (error) {
      return error instanceof AppError ? error.code : String(error)
    }
  }
  const fail = async (times: number, address?: string): Promise<void> => {
    for (let n = 0; n < times; n += 1) assert.equal(await show(`bad-${n}`, address), 'token/invalid')
  }
  return { budget, clock, lines, good, show, fail, looked: () => looked }
}

test('after so many failures an address is not looked at for the rest of the minute, others are', async () => {
  const { show, fail, looked, clock } = door()
  await fail(3)
  assert.equal(await show('good'), 'budget/exhausted')
  assert.equal(await show('bad'), 'budget/exhausted')
  assert.equal(looked(), 3)
  assert.equal(await show('good', '203.0.113.10'), 'in')
  clock.advance(60_000)
  assert.equal(await show('good'), 'in')
})

test('what was good before is looked at still, until it is good no more', async () => {
  const { show, fail, good } = door()
  assert.equal(await show('good'), 'in')
  await fail(3)
  assert.equal(await show('other-good'), 'budget/exhausted')
  assert.equal(await show('good'), 'in')
  assert.equal(await show('good'), 'in', 'again')
  good.delete('good')
  assert.equal(await show('good'), 'token/invalid')
  assert.equal(await show('good'), 'budget/exhausted')
})

test('only so many that were good are remembered', async () => {
  const { show, fail } = door({ maxKnown: 1 })
  assert.equal(await show('good'), 'in')
  assert.equal(await show('other-good'), 'in')
  await fail(3)
  assert.deepEqual([await show('good'), await show('other-good')], ['budget/exhausted', 'in'])
})

test('good ones cost nothing, and neither does what is not the fault of a credential', async () => {
  const { show, fail } = door()
  for (let n = 0; n < 20; n += 1) assert.equal(await show('good'), 'in')
  for (let n = 0; n < 20; n += 1) assert.equal(await show('later'), 'token/keys-missing')
  for (let n = 0; n < 20; n += 1) assert.equal(await show('broken'), 'TypeError: a bug')
  await fail(3)
})

test('this very host is never refused', async () => {
  const { show, fail, budget } = door()
  for (const address of ['127.0.0.1', '127.0.0.2', '::1', '::ffff:127.0.0.1']) {
    await fail(10, address)
    assert.equal(await show('good', address), 'in', address)
  }
  assert.equal(budget.size, 0)
})

test('addresses of one /64 are one, also an IPv4 address that comes by an IPv6 socket', async () => {
  const { show, fail } = door()
  await fail(1, '2001:db8::1')
  await fail(1, '2001:db8::2')
  await fail(1, '2001:db8:0:0:ffff::3')
  assert.equal(await show('good', '2001:db8::99'), 'budget/exhausted')
  assert.equal(await show('good', '2001:db8:0:1::1'), 'in')
  await fail(3, '::ffff:198.51.100.7')
  assert.equal(await show('bad', '198.51.100.7'), 'budget/exhausted')
})

test('many addresses cost no more memory, and nothing that was shown is kept or logged', async () => {
  const { show, budget, lines } = door()
  for (let n = 0; n < 2_000; n += 1) await show(`hunter2-${n}`, `10.1.${n >> 8}.${n & 255}`)
  for (const _ of [1, 2, 3, 4]) await show('hunter2', '10.9.9.9')
  assert.equal(budget.size, 50)
  assert.equal(lines.length, 1)
  assert.doesNotMatch(lines.join(), /hunter2/)
})

test('without a budget everything is looked at', async () => {
  assert.equal(await uncountedAttempts.check({ address: 'x', credentials: ['y'] }, async () => 1), 1)
})
