// Budgets on a real Redis: one for all replicas, and what is left of it when Redis goes or says something else.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Budget, createBudget } from '@weft/foundation/budget'
import { hasCode } from '@weft/foundation/errors'
import { FakeClock } from '@weft/foundation/time'
import { recordedLog } from '../testing/recorded-log.ts'
import { cleanRedis } from '../testing/clean-redis.ts'
import { startRedis, withoutRedis } from '../testing/redis-server.ts'
import { until } from '../testing/until.ts'
import { createRedisTally } from './budget-tally.ts'
import { createRedisLink, type RedisLink } from './redis-link.ts'
import type { RedisSettings } from './settings.ts'

interface Replica extends Disposable {
  readonly budget: Budget
  readonly link: RedisLink
  readonly lines: string[]
  /** Of the budget. */
  readonly clock: FakeClock
  /** Whether the budget gave one. */
  spends(key?: string): Promise<boolean>
  isUp(): Promise<void>
  /** The time for an answer is over. */
  late(): void
}

/** Longer than any test, so that no window of Redis ends within one. */
const windowMs = 3_600_000

function replica(
  url: string,
  { storeId = 'store-1', limit = 4, ...who }: Partial<RedisSettings> & { storeId?: string; limit?: number } = {},
): Replica {
  const { log, lines } = recordedLog()
  const linkClock = new FakeClock()
  const clock = new FakeClock()
  const link = createRedisLink({ settings: { url, ...who }, clock: linkClock, log })
  const tally = createRedisTally({ link, storeId, log })
  const budget = createBudget({ name: 'questions', limit, windowMs, refusal: 'too many questions', clock, log, tally })
  link.start()
  return {
    budget,
    link,
    lines,
    clock,
    spends: async (key = 'user jane') => {
      try {
        await budget.spend(key)
        return true
      } catch (error) {
        assert.ok(hasCode(error, 'budget/exhausted'))
        return false
      }
    },
    isUp: () => until('the link is up', () => link.isUp),
    late: () => linkClock.advance(800),
    [Symbol.dispose]: () => link.stop(),
  }
}
const inTurn = async (...spends: readonly (() => Promise<boolean>)[]): Promise<readonly boolean[]> => {
  const given: boolean[] = []
  for (const spend of spends) given.push(await spend())
  return given
}

describe('a budget in Redis', { skip: withoutRedis() }, () => {
  const redis = cleanRedis()

  it('is one for two replicas, and another one for another control plane', async () => {
    using one = replica(redis.url)
    using other = replica(redis.url)
    using stranger = replica(redis.url, { storeId: 'store-2' })
    await Promise.all([one.isUp(), other.isUp(), stranger.isUp()])
    assert.deepEqual(await inTurn(one.spends, other.spends, one.spends, other.spends), [true, true, true, true])
    assert.deepEqual(await inTurn(other.spends, one.spends), [false, false])
    assert.deepEqual(await inTurn(stranger.spends, () => one.spends('user joe')), [true, true])
    assert.deepEqual(
      [...one.lines, ...other.lines].filter((line) => /"warn"/.test(line) && !/used up/.test(line)),
      [],
    )
  })

  it('is exact, however many ask at once', async () => {
    using one = replica(redis.url, { limit: 50 })
    using other = replica(redis.url, { limit: 50 })
    await Promise.all([one.isUp(), other.isUp()])
    const given = await Promise.all(Array.from({ length: 200 }, (_, n) => (n % 2 === 0 ? one : other).spends()))
    assert.equal(given.filter(Boolean).length, 50)
  })

  it('shows failures of an address to a replica with its first one there', async () => {
    using one = replica(redis.url)
    using other = replica(redis.url)
    await Promise.all([one.isUp(), other.isUp()])
    for (let n = 0; n < 4; n += 1) await one.budget.count('203.0.113.9')
    other.budget.require('203.0.113.9')
    await other.budget.count('203.0.113.9')
    for (const { budget } of [one, other]) assert.throws(() => budget.require('203.0.113.9'), /try again in 3600s/)
  })

  it('has keys that end by themselves and tell nothing', async () => {
    using one = replica(redis.url)
    await one.isUp()
    for (const key of ['user jane', 'address 203.0.113.9', 'user \u0000{}*\r\n']) await one.spends(key)
    const keys = await redis.raw.keys('*')
    assert.equal(keys.length, 3)
    for (const key of keys) {
      assert.match(key, /^weft:\{store-1\}:budget:questions:[\w-]{22}$/)
      const left = await redis.raw.pttl(key)
      assert.ok(left > 0 && left <= windowMs, String(left))
    }
  })

  it('is each replica its own without Redis', async () => {
    using one = replica('redis://127.0.0.1:1')
    using other = replica('redis://127.0.0.1:1')
    for (const { spends } of [one, other])
      assert.deepEqual(await inTurn(spends, spends, spends, spends, spends), [true, true, true, true, false])
  })

  it('loses nothing but the sharing when Redis is killed, and shares again when it is back', async () => {
    await using own = await startRedis()
    using one = replica(own.url)
    using other = replica(own.url)
    await Promise.all([one.isUp(), other.isUp()])
    assert.deepEqual(await inTurn(one.spends, one.spends, other.spends), [true, true, true])
    await own.kill()
    await until('both have noticed', () => !one.link.isUp && !other.link.isUp)
    // what each knew stays: two and three
    assert.deepEqual(await inTurn(other.spends, other.spends), [true, false])
    assert.deepEqual(await inTurn(one.spends, one.spends, one.spends), [true, true, false])
    assert.deepEqual(await inTurn(() => other.spends('user joe')), [true])
    await own.start()
    await Promise.all([one.isUp(), other.isUp()])
    assert.deepEqual(await inTurn(one.spends, other.spends), [false, false])
    const shared = (by: Replica) => () => by.spends('user eve')
    assert.deepEqual(await inTurn(shared(one), shared(other), shared(one), shared(other), shared(one)), [true, true, true, true, false])
  })

  it('waits for a Redis that stands still no longer than for any command, and then not at all', async () => {
    await using own = await startRedis()
    using one = replica(own.url)
    await one.isUp()
    await own.pause()
    const waiting = one.spends()
    let isOver = false
    void waiting.then(() => {
      isOver = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(isOver, false)
    await until('it is given up', () => {
      one.late()
      return isOver
    })
    assert.equal(await waiting, true)
    assert.equal(one.link.isUp, false)
    assert.deepEqual(await inTurn(one.spends, one.spends, one.spends, one.spends), [true, true, true, false])
    own.resume()
  })

  it('is counted alone where Redis says anything else', async () => {
    using one = replica(redis.url)
    await one.isUp()
    await one.spends()
    const [key = ''] = await redis.raw.keys('*')
    const hostile: readonly (() => Promise<unknown>)[] = [
      () => redis.raw.set(key, 'text'),
      () => redis.raw.del(key).then(() => redis.raw.hset(key, 'a', 'b')),
      () => redis.raw.set(key, '9223372036854775807'),
      () => redis.raw.set(key, '9007199254740993'),
      () => redis.raw.set(key, '-5'),
    ]
    for (const write of hostile) {
      using next = replica(redis.url)
      await next.isUp()
      await redis.raw.del(key)
      await write()
      const { spends } = next
      assert.deepEqual(await inTurn(spends, spends, spends, spends, spends), [true, true, true, true, false])
    }
    // a count that lasts for ever is cut to a window
    await redis.raw.set(key, '3')
    using last = replica(redis.url)
    await last.isUp()
    assert.deepEqual(await inTurn(last.spends, last.spends), [true, false])
    assert.ok((await redis.raw.pttl(key)) > 0)
    last.clock.advance(windowMs)
    last.budget.require('user jane')
  })

  it('says once that a user of Redis lacks the right to count', async () => {
    await using own = await startRedis(['--user', 'weft', 'on', '>staple-horse', '~weft:*', '+get', '+set', '+eval', '+info'])
    using one = replica(own.url, { user: 'weft', password: 'staple-horse' })
    await one.isUp()
    const { spends } = one
    assert.deepEqual(await inTurn(spends, spends, spends, spends, spends), [true, true, true, true, false])
    const warned = one.lines.filter((line) => line.includes('each replica counts alone'))
    assert.equal(warned.length, 1)
    assert.match(warned[0] ?? '', /NOPERM|can't run this command/)
    assert.doesNotMatch(one.lines.join(), /staple-horse/)
  })
})
