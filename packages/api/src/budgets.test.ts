// What the API answers when somebody wants too much of it.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Budget, createAttempts, createBudget } from '@weft/foundation/budget'
import { AppError, hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { type Answer, type Scene, withApi } from './api-scene.fixture.ts'

const verifyUserToken = async (token: string) => {
  if (token === 'jane' || token === 'joe' || token === 'late-jane') return { name: token.replace('late-', ''), groups: ['team'] }
  throw new AppError('token/invalid', 'token is not valid')
}
const clock = new FakeClock()
const budget = (limit: number, refusal: string): Budget => createBudget({ name: 'test', limit, refusal, clock, log: silentLogger })
const attempts = () =>
  createAttempts({
    budget: budget(3, 'too many failed attempts from this address'),
    isFailure: (error) => hasCode(error, 'token/invalid'),
  })
type More = NonNullable<Parameters<Scene['ask']>[2]>
const by = (token: string, from: string, more: More = {}): More => ({ ...more, from, headers: { authorization: `Bearer ${token}` } })
const tooMany = (what: string) => ({
  status: 429,
  retryAfter: '60',
  contentType: 'application/json',
  body: {
    type: '/std-errors',
    status: 429,
    title: 'Too Many Requests',
    detail: `${what}: try again in 60s`,
    details: `${what}: try again in 60s`,
  },
})
const shown = ({ status, headers, json }: Answer) => ({
  status,
  retryAfter: headers['retry-after'],
  contentType: headers['content-type'],
  body: json,
})

describe('bad user tokens', () => {
  const refused = tooMany('too many failed attempts from this address')

  it('make their address wait, with 429 and when to come back; others go on', () =>
    withApi({ deps: { verifyUserToken, budgets: { attempts: attempts() } } }, async ({ ask }) => {
      const meshes = async (token: string, from = '203.0.113.9') => ask('GET', '/meshes', by(token, from))
      assert.equal((await meshes('jane')).status, 200)
      for (const token of ['a', 'b', 'c']) assert.equal((await meshes(token)).status, 401)
      assert.deepEqual(shown(await meshes('d')), refused)
      assert.deepEqual(shown(await meshes('joe')), refused)
      assert.equal((await meshes('jane')).status, 200, 'a token that was good before')
      assert.equal((await meshes('joe', '::ffff:203.0.113.9')).status, 429, 'the same address')
      assert.equal((await meshes('joe', '203.0.113.10')).status, 200)
      // no token, nothing to look at
      assert.equal((await ask('GET', '/meshes', { from: '203.0.113.9' })).status, 200)
      assert.equal((await ask('GET', '/', by('d', '203.0.113.9'))).status, 200, 'the index looks at no token')
    }))

  it('keep nobody on this machine out', () =>
    withApi({ deps: { verifyUserToken, budgets: { attempts: attempts() } } }, async ({ ask, get }) => {
      for (let n = 0; n < 10; n += 1) assert.equal((await ask('GET', '/meshes', by(`bad-${n}`, '127.0.0.1'))).status, 401)
      assert.equal((await ask('GET', '/who-am-i', by('joe', '127.0.0.1'))).json['name'], 'joe')
      assert.equal((await get('/global-secrets')).status, 200)
    }))

  it('from one /64 count together', () =>
    withApi({ deps: { verifyUserToken, budgets: { attempts: attempts() } } }, async ({ ask }) => {
      for (const last of ['1', '2', 'ffff:3']) assert.equal((await ask('GET', '/meshes', by('bad', `2001:db8::${last}`))).status, 401)
      assert.deepEqual(shown(await ask('GET', '/meshes', by('joe', '2001:db8::4'))), refused)
      assert.equal((await ask('GET', '/meshes', by('joe', '2001:db8:0:1::1'))).status, 200)
    }))

  it('are refused before a body is read', () =>
    withApi({ deps: { verifyUserToken, budgets: { attempts: attempts() } } }, async ({ ask }) => {
      for (const token of ['a', 'b', 'c']) await ask('PUT', '/meshes/m', by(token, '203.0.113.9', { body: { type: 'Mesh', name: 'm' } }))
      assert.deepEqual(shown(await ask('PUT', '/meshes/m', by('joe', '203.0.113.9', { body: 'x'.repeat(100_000) }))), refused)
    }))
})

describe('questions to proxies', () => {
  it('have a budget for each user, and for each address without one', async () => {
    let asked = 0
    const envoyAdmin = {
      ask: async () => {
        asked += 1
        return Buffer.from('{}')
      },
    }
    const deps = { verifyUserToken, envoyAdmin, budgets: { questions: budget(3, 'too many questions to proxies') } }
    await withApi({ deps }, async ({ ask, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      await seed({ type: 'Dataplane', mesh: 'm', name: 'web', spec: { networking: { address: '127.0.0.1' } } })
      const question = async (what: string, more: More) => ask('GET', `/meshes/m/dataplanes/web/${what}`, more)
      for (const what of ['xds', 'stats', 'clusters']) assert.equal((await question(what, by('jane', '203.0.113.9'))).status, 200, what)
      for (const what of ['xds', 'stats', 'clusters'])
        assert.deepEqual(shown(await question(what, by('jane', '203.0.113.10'))), tooMany('too many questions to proxies'), what)
      assert.equal(asked, 3, 'what is refused reaches no proxy')
      assert.equal((await question('xds', by('joe', '203.0.113.9'))).status, 200)
      for (const last of [1, 2, 3]) assert.equal((await question('stats', { from: `2001:db8::${last}` })).status, 200)
      assert.equal((await question('stats', { from: '2001:db8::4' })).status, 429)
      assert.equal((await question('stats', { from: '203.0.113.9' })).status, 200)
      // what asks no proxy is free, also for those who have used theirs up
      assert.equal((await ask('GET', '/meshes/m/dataplanes/web', by('jane', '203.0.113.9'))).status, 200)
      assert.equal((await ask('GET', '/meshes/m/dataplanes/none/xds', by('jane', '203.0.113.9'))).status, 404)
    })
  })
})

describe('changes', () => {
  it('have a budget for each user, if the operator wants one', () =>
    withApi({ deps: { verifyUserToken, budgets: { writes: budget(3, 'too many changes') } } }, async ({ ask, store }) => {
      const put = async (token: string) => ask('PUT', '/meshes/m', by(token, '203.0.113.9', { body: { type: 'Mesh', name: 'm' } }))
      assert.equal((await put('jane')).status, 201)
      assert.equal((await put('jane')).status, 200)
      assert.equal((await ask('DELETE', '/meshes/none', by('jane', '203.0.113.9'))).status, 404)
      const { seq } = store
      assert.deepEqual(shown(await put('jane')), tooMany('too many changes'))
      assert.deepEqual(shown(await ask('DELETE', '/meshes/m', by('late-jane', '203.0.113.10'))), tooMany('too many changes'))
      assert.equal(store.seq, seq, 'nothing changed')
      assert.equal((await ask('GET', '/meshes/m', by('jane', '203.0.113.9'))).status, 200)
      assert.equal((await put('joe')).status, 200)
    }))

  it('are without one otherwise', () =>
    withApi({ deps: { verifyUserToken } }, async ({ ask }) => {
      for (let n = 0; n < 50; n += 1) {
        const { status } = await ask('PUT', '/meshes/m', by('jane', '203.0.113.9', { body: { type: 'Mesh', name: 'm' } }))
        assert.equal(status, n === 0 ? 201 : 200)
      }
    }))
})
