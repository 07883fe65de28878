// The budgets of a control plane as its settings ask for them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attempts, Budget } from '@weft/foundation/budget'
import { AppError, hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { FakeClock } from '@weft/foundation/time'
import { loadControlPlaneConfig } from './config.ts'
import { createOwnBudgets } from './own-budgets.ts'

function budgets(env: Readonly<Record<string, string>>) {
  const metrics = createMetrics()
  const { config } = loadControlPlaneConfig({ env })
  const asked: string[] = []
  const tally = { add: (budget: string): undefined => void asked.push(budget) }
  const own = createOwnBudgets({ config, clock: new FakeClock(), log: silentLogger, metrics, tally })
  return { ...own, metrics, asked }
}
/** How many failures an address has, of at most 200. */
async function failures(attempts: Attempts, error: AppError): Promise<number> {
  for (let n = 0; n < 200; n += 1) {
    try {
      await attempts.check({ address: '203.0.113.9', credentials: [`bad-${n}`] }, () => Promise.reject(error))
    } catch (refusal) {
      if (hasCode(refusal, 'budget/exhausted')) return n
    }
  }
  return 200
}
async function uses(budget: Budget): Promise<number> {
  for (let n = 0; n < 2000; n += 1) {
    try {
      await budget.spend('user jane')
    } catch {
      return n
    }
  }
  return 2000
}
const badToken = new AppError('token/invalid', 'bad')
const badZone = new AppError('kds/unauthenticated', 'bad')
const badProxy = new AppError('xds/unauthenticated', 'bad')
const unknownKey = new AppError('token/invalid', 'bad', { details: { reason: 'unknown-key' } })

test('are generous by default', async () => {
  const { users, zones, proxies, questions, writes } = budgets({})
  assert.deepEqual([await failures(users, badToken), await failures(zones, badZone), await failures(proxies, badProxy)], [120, 120, 120])
  assert.deepEqual([await uses(questions), await uses(writes)], [1200, 2000])
})

test('follow their settings, each on its own, and are shared and counted by name', async () => {
  const { users, zones, proxies, questions, writes, metrics, asked } = budgets({
    WEFT_BUDGET_USER_FAILURES: '1',
    WEFT_BUDGET_ZONE_FAILURES: '2',
    WEFT_BUDGET_PROXY_FAILURES: '3',
    WEFT_BUDGET_QUESTIONS: '4',
    WEFT_BUDGET_WRITES: '5',
  })
  assert.deepEqual([await failures(users, badToken), await failures(zones, badZone), await failures(proxies, badToken)], [1, 2, 3])
  assert.deepEqual([await uses(questions), await uses(writes)], [4, 5])
  assert.deepEqual([...new Set(asked)], ['user-failures', 'zone-failures', 'proxy-failures', 'questions', 'writes'])
  const { text } = await metrics.expose()
  for (const name of new Set(asked)) assert.match(text, new RegExp(`^budget_refusals_total\\{budget="${name}"\\} 1$`, 'm'))
})

test('0 is without a limit', async () => {
  const { users, questions } = budgets({ WEFT_BUDGET_USER_FAILURES: '0', WEFT_BUDGET_QUESTIONS: '0' })
  assert.deepEqual([await failures(users, badToken), await uses(questions)], [200, 2000])
})

test('only what is wrong with a credential is a failure', async () => {
  const { users, zones, proxies } = budgets({})
  const later = new AppError('token/keys-missing', 'later', { retryable: true })
  for (const attempts of [users, zones, proxies]) assert.equal(await failures(attempts, later), 200)
  assert.equal(await failures(proxies, unknownKey), 200)
})

test('what is no count is refused by name', () => {
  for (const text of ['-1', '1.5', 'many'])
    assert.throws(
      () => budgets({ WEFT_BUDGET_QUESTIONS: text }),
      (error) => hasCode(error, 'config/invalid') && error.message.startsWith('WEFT_BUDGET_QUESTIONS must be'),
      JSON.stringify(text),
    )
})
