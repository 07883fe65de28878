import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withApi } from './api-scene.fixture.ts'

describe('HTTP behaviour', () => {
  it('indents by one space, says application/json without charset and takes a trailing slash', () =>
    withApi({}, async ({ get }) => {
      for (const path of ['/meshes', '/meshes/']) {
        const answer = await get(path)
        assert.equal(answer.status, 200)
        assert.equal(answer.text, '{\n "total": 0,\n "items": [],\n "next": null\n}\n')
        assert.equal(answer.headers['content-type'], 'application/json')
      }
    }))

  it('unknown routes, wrong verbs and doubled slashes', () =>
    withApi({}, async ({ ask, get }) => {
      const lost = await get('/nothing/here')
      assert.deepEqual([lost.status, lost.text], [404, '404: Page Not Found'])
      for (const method of ['HEAD', 'OPTIONS', 'POST', 'PATCH'] as const) {
        const answer = await ask(method, '/meshes')
        assert.deepEqual(
          [answer.status, answer.text, answer.headers['allow']],
          [405, method === 'HEAD' ? '' : '405: Method Not Allowed', 'GET'],
        )
      }
      const item = await ask('POST', '/meshes/m')
      assert.equal(item.headers['allow'], 'GET, PUT, DELETE')
      const doubled = await get('//meshes?size=1')
      assert.deepEqual([doubled.status, doubled.headers['location']], [307, '/meshes?size=1'])
    }))

  it('media types', () =>
    withApi({}, async ({ ask }) => {
      for (const type of [undefined, 'text/plain', 'application/yaml']) {
        const answer = await ask('PUT', '/meshes/m', { headers: type === undefined ? {} : { 'content-type': type } })
        assert.deepEqual([answer.status, answer.text], [415, '415: Unsupported Media Type'])
        assert.match(String(answer.headers['content-type']), /^text\/plain/)
      }
      assert.equal(
        (
          await ask('PUT', '/meshes/m', {
            body: { type: 'Mesh', name: 'm' },
            headers: { 'content-type': 'application/json; charset=utf-8' },
          })
        ).status,
        201,
      )
      const refused = await ask('GET', '/meshes', { headers: { accept: 'text/html' } })
      assert.equal(refused.status, 406)
      assert.match(refused.text, /Available representations: application\/json/)
      assert.equal((await ask('GET', '/meshes', { headers: { accept: 'text/html, */*;q=0.1' } })).status, 200)
    }))

  it('hostile paths and queries end as ordinary answers', () =>
    withApi({}, async ({ get, ask }) => {
      for (const path of [
        '/meshes/__proto__',
        '/meshes/constructor/meshtimeouts',
        '/_kri/__proto__',
        '/__proto__',
        '/constructor/x',
        '/meshes/%2e%2e%2fetc',
        '/toString',
      ]) {
        assert.ok([400, 404].includes((await get(path)).status), path)
      }
      assert.equal((await get('/meshes/%ff')).status, 400)
      assert.ok([400, 404, 414].includes((await get(`/meshes/${'a'.repeat(5000)}`)).status))
      assert.equal((await get('/meshes?filter[labels.__proto__]=x&filter[labels.constructor]=y&name=%00')).status, 200)
      const put = await ask('PUT', '/meshes/__proto__', { body: '{"type":"Mesh","name":"__proto__","labels":{"__proto__":"x"}}' })
      assert.equal(put.status, 400)
      assert.equal(({} as Record<string, unknown>)['x'], undefined)
    }))

  it('a body over the limit is refused', () =>
    withApi({ settings: { bodyLimitBytes: 1000 } }, async ({ put }) => {
      const answer = await put('/meshes/m', { type: 'Mesh', name: 'm', filler: 'x'.repeat(2000) })
      assert.equal(answer.status, 413)
    }))

  it('a base path prefixes every route', () =>
    withApi({ settings: { basePath: '/kuma/' } }, async ({ get }) => {
      assert.equal((await get('/kuma/meshes')).status, 200)
      assert.equal((await get('/kuma')).json['product'], 'Kuma')
      assert.equal((await get('/meshes')).status, 404)
    }))

  it('pages of allowed domains may read, others get no permission', () =>
    withApi({ settings: { corsAllowedDomains: ['https://ui.example', '.+\\.trusted\\.org'] } }, async ({ ask }) => {
      const allowed = await ask('GET', '/meshes', { headers: { origin: 'https://ui.example' } })
      assert.equal(allowed.headers['access-control-allow-origin'], 'https://ui.example')
      const preflight = await ask('OPTIONS', '/meshes/m', {
        headers: { origin: 'https://a.trusted.org', 'access-control-request-method': 'PUT' },
      })
      assert.equal(preflight.status, 200)
      const other = await ask('GET', '/meshes', { headers: { origin: 'https://evil.example' } })
      assert.equal(other.headers['access-control-allow-origin'], undefined)
    }))

  it('metrics count requests by route, not by name', () =>
    withApi({}, async ({ get, deps }) => {
      await get('/meshes/some-mesh')
      const text = (await deps.metrics?.expose())?.text ?? ''
      assert.match(text, /api_server_http_request_duration_seconds_count\{handler="\/meshes\/:name",method="GET",code="404"\} 1/)
      assert.doesNotMatch(text, /some-mesh/)
    }))

  it('an unexpected failure shows nothing of itself', () =>
    withApi({ deps: { configJson: () => assert.fail('secret detail') } }, async ({ get }) => {
      const answer = await get('/config')
      assert.equal(answer.status, 500)
      assert.equal(answer.json['detail'], 'Internal Server Error')
      assert.doesNotMatch(answer.text, /secret detail/)
    }))
})
