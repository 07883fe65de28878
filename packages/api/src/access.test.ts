import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@weft/foundation/errors'
import { defaultAccessRules } from './access.ts'
import { withApi } from './api-scene.fixture.ts'

const verifyUserToken = async (token: string) => {
  if (token === 'good') return { name: 'jane', groups: ['team'] }
  if (token === 'admin') return { name: 'mesh-system:admin', groups: ['mesh-system:admin'] }
  throw new AppError('token/invalid', 'no')
}

describe('who asks', () => {
  it('the operator on this machine is admin, unless anything says otherwise', () =>
    withApi({ deps: { verifyUserToken } }, async ({ ask }) => {
      const secretsWith = async (headers: Record<string, string>, from = '127.0.0.1') =>
        (await ask('GET', '/global-secrets', { headers, from })).status
      assert.equal(await secretsWith({}), 200)
      for (const host of ['127.0.0.1:5681', '[::1]:5681', 'localhost']) assert.equal(await secretsWith({ host }), 200, host)
      assert.equal(await secretsWith({}, '::1'), 200)
      assert.equal(await secretsWith({}, '::ffff:127.0.0.1'), 200)
      assert.equal(await secretsWith({ origin: 'http://localhost:5681', 'sec-fetch-site': 'same-origin' }), 200)
      assert.equal(await secretsWith({}, '10.0.0.7'), 403)
      for (const headers of [
        { 'x-forwarded-for': '1.2.3.4' },
        { 'x-real-ip': '1.2.3.4' },
        { forwarded: 'for=1.2.3.4' },
        { origin: 'http://evil' },
        { origin: 'null' },
        { origin: 'http://localhost:9999' },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-site' },
        { host: 'evil.example' },
        { host: 'localhost.evil.example' },
        { host: '127.0.0.1.evil.example' },
        { host: 'localhost:5681@evil' },
      ]) {
        assert.equal(await secretsWith(headers), 403, JSON.stringify(headers))
      }
      const denied = await ask('GET', '/global-secrets', { from: '10.0.0.7' })
      assert.equal(denied.json['title'], 'Access Denied')
      assert.match(denied.json['detail'], /^user "mesh-system:anonymous\/mesh-system:unauthenticated" cannot access /)
    }))

  it('localhostIsAdmin can be switched off', () =>
    withApi({ settings: { localhostIsAdmin: false } }, async ({ get }) => {
      assert.equal((await get('/global-secrets')).status, 403)
      assert.deepEqual((await get('/who-am-i')).json, { name: 'mesh-system:anonymous', groups: ['mesh-system:unauthenticated'] })
    }))

  it('user tokens: good ones name the user, bad ones are refused everywhere but on the index', () =>
    withApi({ deps: { verifyUserToken } }, async ({ ask }) => {
      const as = (token: string, url: string) => ask('GET', url, { headers: { authorization: `Bearer ${token}` }, from: '10.0.0.7' })
      assert.deepEqual((await as('good', '/who-am-i')).json, { name: 'jane', groups: ['team', 'mesh-system:authenticated'] })
      assert.equal((await as('good', '/global-secrets')).status, 403)
      assert.equal((await as('admin', '/global-secrets')).status, 200)
      const bad = await as('x', '/meshes')
      assert.deepEqual([bad.status, bad.json['title'], bad.json['detail']], [401, 'Invalid authentication data', 'Unauthenticated'])
      assert.equal((await as('x', '/')).status, 200)
      const local = await ask('GET', '/meshes', { headers: { authorization: 'Bearer x' } })
      assert.equal(local.status, 401, 'a bad token is not made good by coming from this machine')
    }))

  it('rights can be given to others', () =>
    withApi(
      { deps: { verifyUserToken }, settings: { access: { ...defaultAccessRules, controlPlaneMetadata: { users: [], groups: ['team'] } } } },
      async ({ ask, get }) => {
        assert.equal((await get('/config')).status, 403)
        assert.equal((await ask('GET', '/config', { headers: { authorization: 'Bearer good' } })).text, '{"mode":"global"}')
      },
    ))

  it('everybody may write policies, only administrators secrets', () =>
    withApi({}, async ({ ask, put, seed }) => {
      assert.equal((await ask('PUT', '/meshes/m', { body: { type: 'Mesh', name: 'm' }, from: '10.0.0.7' })).status, 201)
      const secret = { type: 'Secret', mesh: 'm', name: 's', data: 'dGVzdA==' }
      assert.equal((await ask('PUT', '/meshes/m/secrets/s', { body: secret, from: '10.0.0.7' })).status, 403)
      assert.equal((await ask('GET', '/meshes/m/secrets', { from: '10.0.0.7' })).status, 403)
      assert.equal((await ask('GET', '/secrets', { from: '10.0.0.7' })).status, 403)
      assert.equal((await put('/meshes/m/secrets/s', secret)).status, 201)
      assert.equal((await ask('DELETE', '/meshes/m/secrets/s', { from: '10.0.0.7' })).status, 403)
      assert.equal((await ask('GET', '/meshes/m/secrets/s', { from: '10.0.0.7' })).status, 403)
      await seed({ type: 'GlobalSecret', name: 'g', spec: { data: '' } })
      assert.equal((await ask('DELETE', '/global-secrets/g', { from: '10.0.0.7' })).status, 403)
    }))
})

describe('tokens', () => {
  const issued: unknown[] = []
  const issue = async (claims: unknown) => {
    issued.push(claims)
    return 'a.b.c'
  }
  const deps = { tokens: { dataplane: issue, zone: issue, user: issue } }

  it('are issued to administrators', () =>
    withApi({ deps }, async ({ ask }) => {
      const answer = await ask('POST', '/tokens/dataplane', {
        body: { name: 'dp', mesh: 'm', tags: { a: ['b'] }, workload: 'w', validFor: '24h' },
      })
      assert.deepEqual([answer.status, answer.text, answer.headers['content-type']], [200, 'a.b.c', 'text/plain'])
      assert.deepEqual(issued.pop(), { name: 'dp', mesh: 'm', tags: { a: ['b'] }, type: '', workload: 'w', validForMs: 86_400_000 })
      assert.equal((await ask('POST', '/tokens/zone', { body: { zone: 'east', scope: null } })).status, 200)
      assert.deepEqual(issued.pop(), { zone: 'east', scope: [] })
      assert.equal((await ask('POST', '/tokens/user', { body: { name: 'jane', groups: ['g'], validFor: '1h' } })).status, 200)
      for (const kind of ['dataplane', 'zone', 'user']) {
        assert.equal((await ask('POST', `/tokens/${kind}`, { body: {}, from: '10.0.0.7' })).status, 403)
      }
    }))

  it('with wrong requests refused', () =>
    withApi({ deps }, async ({ ask }) => {
      const broken = await ask('POST', '/tokens/zone', { body: '{"zone":' })
      assert.deepEqual([broken.status, broken.text], [400, ''])
      const fields = async (path: string, body: unknown) =>
        (await ask('POST', path, { body })).json['invalid_parameters'].map(({ field }: { field: string }) => field)
      assert.deepEqual(await fields('/tokens/dataplane', {}), ['mesh'])
      assert.deepEqual(await fields('/tokens/dataplane', { mesh: 'm', validFor: 'soon' }), ['validFor'])
      assert.deepEqual(await fields('/tokens/user', {}), ['name', 'validFor'])
      assert.deepEqual(await fields('/tokens/zone', { zone: '', validFor: '-1h' }), ['zone', 'validFor'])
    }))

  it('a missing key and a disabled issuer are told apart', async () => {
    const missing = async () => {
      throw new AppError('token/keys-missing', 'no signing key')
    }
    await withApi({ deps: { tokens: { dataplane: missing, zone: missing, user: missing } } }, async ({ ask }) => {
      const answer = await ask('POST', '/tokens/zone', { body: { zone: 'east' } })
      assert.deepEqual([answer.status, answer.json['title']], [404, 'Signing Key not found'])
    })
    await withApi({}, async ({ ask }) => {
      const answer = await ask('POST', '/tokens/zone', { body: { zone: 'east' } })
      assert.equal(answer.status, 400)
      assert.match(answer.json['detail'], /disabled/)
    })
  })
})
