// What a budget gives and refuses, alone and with others, and what it costs when everybody comes at once.
import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { hasCode } from '../errors/index.ts'
import { createLogger } from '../log/index.ts'
import { createMetrics } from '../metrics/index.ts'
import { FakeClock } from '../time/index.ts'
import { type Budget, type BudgetOptions, createBudget, retryAfterSeconds, type SharedCount, type Tally } from './index.ts'

interface Scene {
  readonly budget: Budget
  readonly clock: FakeClock
  readonly lines: string[]
  refusals(): Promise<string | undefined>
}

function scene(options: Partial<BudgetOptions> = {}): Scene {
  const clock = new FakeClock()
  const metrics = createMetrics()
  const lines: string[] = []
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      const { time: _, ...line } = JSON.parse(chunk.toString())
      lines.push(JSON.stringify(line))
      done()
    },
  })
  const log = createLogger({ level: 'debug', destination })
  const budget = createBudget({ name: 'questions', limit: 3, refusal: 'too many questions', clock, log, metrics, ...options })
  return {
    budget,
    clock,
    lines,
    refusals: async () => /^budget_refusals_total\{budget="questions"\} (\d+)$/m.exec((await metrics.expose()).text)?.[1],
  }
}

const exhausted = (seconds: number) => (error: unknown) =>
  hasCode(error, 'budget/exhausted') &&
  error.message === `too many questions: try again in ${seconds}s` &&
  retryAfterSeconds(error) === seconds &&
  !error.retryable

describe('a budget of one process', () => {
  it('gives so much for each key in a minute, which begins with the first use', async () => {
    const { budget, clock, refusals } = scene()
    await budget.spend('a')
    clock.advance(20_000)
    for (const _ of [2, 3]) await budget.spend('a')
    await assert.rejects(budget.spend('a'), exhausted(40))
    await budget.spend('b')
    clock.advance(39_001)
    await assert.rejects(budget.spend('a'), exhausted(1))
    clock.advance(999)
    for (const _ of [1, 2, 3]) await budget.spend('a')
    await assert.rejects(budget.spend('a'), exhausted(60))
    assert.equal(await refusals(), '3')
  })

  it('counts what is tried at once', async () => {
    const { budget } = scene()
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => budget.spend('a')))
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 3)
  })

  it('refuses once as much as it gives was counted, and says so once', async () => {
    const { budget, clock, lines } = scene()
    for (const _ of [1, 2]) assert.equal(await budget.count('203.0.113.9'), true)
    budget.require('203.0.113.9')
    assert.equal(await budget.count('203.0.113.9'), true)
    assert.throws(() => budget.require('203.0.113.9'), exhausted(60))
    assert.equal(await budget.count('203.0.113.9'), false)
    budget.require('203.0.113.10')
    assert.deepEqual(lines, ['{"level":"warn","budget":"questions","from":"203.0.113.9","limit":3,"msg":"a budget is used up"}'])
    clock.advance(60_000)
    budget.require('203.0.113.9')
  })

  it('of 0 has no end, and remembers nobody', async () => {
    const { budget } = scene({ limit: 0 })
    for (let n = 0; n < 1000; n += 1) await budget.spend('a')
    budget.require('a')
    assert.equal(budget.size, 0)
  })

  it('remembers only so many, however many come, and starts no timer', async () => {
    const { budget, clock } = scene({ maxKeys: 100 })
    for (const _ of [1, 2, 3]) await budget.count('latest')
    for (let n = 0; n < 99; n += 1) await budget.count(`10.0.${n >> 8}.${n & 255}`)
    assert.throws(() => budget.require('latest'), exhausted(60))
    for (let n = 0; n < 5_000; n += 1) await budget.count(`${n}`.repeat(1000))
    assert.equal(budget.size, 100)
    assert.equal(clock.pending, 0)
    // what is over makes room without anybody being forgotten early
    clock.advance(60_000)
    await budget.count('new')
    assert.equal(budget.size, 1)
  })

  it('takes any text for a key', async () => {
    const { budget } = scene()
    for (const key of ['', '__proto__', 'constructor', '\u0000', '\ud800', 'x'.repeat(1 << 20)]) {
      for (const _ of [1, 2, 3]) await budget.spend(key)
      await assert.rejects(budget.spend(key), exhausted(60))
    }
  })
})

/** One place for several budgets. */
function place() {
  const counts = new Map<string, number>()
  const asked: string[] = []
  let answer: ((count: SharedCount) => Promise<SharedCount> | undefined) | undefined
  const tally: Tally = {
    add: (budget, id) => {
      asked.push(`${budget} ${id}`)
      const used = (counts.get(id) ?? 0) + 1
      const count = { used, endsInMs: 30_000 }
      if (answer) return answer(count)
      counts.set(id, used)
      return Promise.resolve(count)
    },
  }
  return {
    tally,
    counts,
    asked,
    /** Answers in another way from now on, and counts nothing. */
    answers: (next: typeof answer) => {
      answer = next
    },
  }
}

describe('a budget that several share', () => {
  it('is one for all', async () => {
    const { tally } = place()
    const [one, other] = [scene({ tally }), scene({ tally })]
    await one.budget.spend('a')
    await other.budget.spend('a')
    await one.budget.spend('a')
    // the others say when the window ends
    await assert.rejects(other.budget.spend('a'), exhausted(30))
    await assert.rejects(other.budget.spend('a'), exhausted(30))
    other.clock.advance(30_000)
    other.budget.require('a')
  })

  it('tells nobody the key, and asks nobody for what is refused anyhow', async () => {
    const { tally, asked } = place()
    const { budget } = scene({ tally })
    for (const _ of [1, 2, 3]) await budget.spend('user jane')
    for (const _ of [1, 2, 3]) await assert.rejects(budget.spend('user jane'), exhausted(30))
    assert.equal(asked.length, 3)
    assert.doesNotMatch(asked.join(), /jane/)
    assert.match(asked[0] ?? '', /^questions [\w-]{22}$/)
  })

  it('is counted alone while the others cannot be reached, fail, or have forgotten', async () => {
    const { tally, counts, answers } = place()
    const { budget } = scene({ tally })
    await budget.spend('a')
    answers(() => undefined)
    await budget.spend('a')
    answers(() => Promise.reject(new Error('no answer')))
    await budget.spend('a')
    await assert.rejects(budget.spend('a'), exhausted(30))
    counts.clear()
    answers(undefined)
    await assert.rejects(budget.spend('a'), exhausted(30))
    await budget.spend('b')
    counts.clear()
    for (const _ of [2, 3]) await budget.spend('b')
    await assert.rejects(budget.spend('b'), exhausted(30), 'what was counted here stays')
  })

  it('is never refused for longer than a window, whatever the others say', async () => {
    const { tally, answers } = place()
    const { budget, clock } = scene({ tally })
    answers(() => Promise.resolve({ used: 1_000_000, endsInMs: Number.MAX_SAFE_INTEGER }))
    await assert.rejects(budget.spend('a'), exhausted(60))
    clock.advance(60_000)
    budget.require('a')
  })

  it('counts here before the others have answered', async () => {
    const { tally, answers } = place()
    const { promise, resolve } = Promise.withResolvers<SharedCount>()
    answers(() => promise)
    const { budget } = scene({ tally })
    const spent = [1, 2, 3].map(() => budget.spend('a'))
    await assert.rejects(budget.spend('a'), exhausted(60))
    resolve({ used: 1, endsInMs: 1000 })
    await Promise.all(spent)
  })
})
