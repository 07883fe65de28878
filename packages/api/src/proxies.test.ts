import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@weft/foundation/errors'
import type { EnvoyAdminOptions } from './api-deps.ts'
import { timeout, withApi } from './api-scene.fixture.ts'
import { configDiff, type PatchOperation } from './config-diff.ts'

const dataplane = { type: 'Dataplane', mesh: 'm', name: 'dp', spec: { networking: { address: '1.1.1.1' } } }

describe('questions to a proxy', () => {
  it('are passed on with their options', async () => {
    const asked: [string, EnvoyAdminOptions][] = []
    const envoyAdmin = {
      ask: async (kind: string, _dataplane: unknown, options: EnvoyAdminOptions) => {
        asked.push([kind, options])
        return Buffer.from(`${kind} text`)
      },
    }
    await withApi({ deps: { envoyAdmin } }, async ({ get, seed, ask }) => {
      await seed({ type: 'Mesh', name: 'm' })
      await seed(dataplane)
      const base = '/meshes/m/dataplanes/dp'
      assert.equal((await get(`${base}/xds?include_eds=true`)).headers['content-type'], 'application/json')
      assert.deepEqual(
        [(await get(`${base}/stats`)).text, (await get(`${base}/stats?format=json&usedonly=false`)).headers['content-type']],
        ['stats text', 'application/json'],
      )
      assert.equal((await ask('GET', `${base}/clusters`, { from: '10.0.0.7' })).headers['content-type'], 'text/plain')
      assert.deepEqual(asked, [
        ['configDump', { includeEds: true }],
        ['stats', { format: 'text', usedOnly: true }],
        ['stats', { format: 'json', usedOnly: false }],
        ['clusters', { format: 'text' }],
      ])
      assert.equal((await get(`${base}/xds?include_eds=perhaps`)).status, 400)
      assert.equal((await get('/meshes/m/dataplanes/none/stats')).json['title'], 'Could not get dataplane resource')
      assert.equal((await get(`${base}/other`)).json['detail'], 'Not found')
    })
  })

  it('failures are told to the operator, our own are not', async () => {
    let failure: Error = new AppError('cli/request-failed', "couldn't execute stats operation, zone is offline")
    await withApi({ deps: { envoyAdmin: { ask: () => Promise.reject(failure) } } }, async ({ get, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      await seed(dataplane)
      const told = await get('/meshes/m/dataplanes/dp/stats')
      assert.deepEqual(
        [told.status, told.json['title'], told.json['detail']],
        [400, 'Could not execute admin operation', "couldn't execute stats operation, zone is offline"],
      )
      failure = new TypeError('x is not a function')
      const own = await get('/meshes/m/dataplanes/dp/stats')
      assert.deepEqual([own.status, own.json['detail']], [500, 'Internal Server Error'])
    })
  })
})

describe('the configuration of a proxy', () => {
  const proxyConfig = {
    config: async (_dataplane: unknown, { shadow }: { shadow: boolean }) => ({
      'type.googleapis.com/L': { l: { timeout: shadow ? '2s' : '1s' } },
    }),
  }

  it('in a zone, with shadow policies and the difference they make', () =>
    withApi({ role: 'zone', deps: { proxyConfig } }, async ({ get, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      await seed(dataplane)
      const base = '/meshes/m/dataplanes/dp/_config'
      assert.deepEqual((await get(base)).json, { xds: { 'type.googleapis.com/L': { l: { timeout: '1s' } } } })
      const { diff } = (await get(`${base}?shadow=true&include=diff`)).json
      const path = '/type.googleapis.com~1L/l/timeout'
      assert.deepEqual(diff, [
        { op: 'test', path, value: '1s' },
        { op: 'remove', path, value: '1s' },
        { op: 'add', path, value: '2s' },
      ])
      assert.deepEqual((await get(`${base}?include=diff`)).json['diff'], [])
      for (const [query, name] of [
        ['shadow=trrrue', 'shadow'],
        ['include=else', 'include'],
      ] as const) {
        assert.equal((await get(`${base}?${query}`)).json['detail'], `bad request: unsupported value for query parameter '${name}'`)
      }
      assert.equal((await get('/meshes/m/dataplanes/none/_config')).json['title'], 'Could not retrieve Dataplane')
    }))

  it('not on global', () =>
    withApi({ deps: { proxyConfig } }, async ({ get }) => {
      assert.equal((await get('/meshes/m/dataplanes/dp/_config')).status, 405)
    }))
})

describe('differences', () => {
  /** Applies operations as any JSON patch library would. */
  const apply = (document: unknown, operations: readonly PatchOperation[]): unknown => {
    const root = { '': structuredClone(document) }
    for (const { op, path, value } of operations) {
      const parts = ['', ...path.split('/').slice(1)].map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
      const last = parts.pop() ?? ''
      const holder = parts.reduce<unknown>((at, part) => Reflect.get(Object(at), part), root)
      if (op === 'test') assert.deepEqual(Reflect.get(Object(holder), last), value, path)
      else if (Array.isArray(holder)) holder.splice(Number(last), op === 'add' ? 0 : 1, ...(op === 'add' ? [structuredClone(value)] : []))
      else if (op === 'add') Reflect.set(Object(holder), last, structuredClone(value))
      else Reflect.deleteProperty(Object(holder), last)
    }
    return root['']
  }

  it('turn one into the other', async () => {
    const { default: fc } = await import('fast-check')
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(0, 1, 'a', 'b/c~d', null, true),
        fc.array(tie('any'), { maxLength: 5 }),
        fc.dictionary(fc.constantFrom('x', 'y/', 'z~'), tie('any'), { noNullPrototype: true }),
      ),
    })).any
    fc.assert(
      fc.property(value, value, (before, after) => assert.deepEqual(apply(before, configDiff(before, after)), after)),
      { numRuns: 500 },
    )
    fc.assert(fc.property(value, (same) => assert.deepEqual(configDiff(same, structuredClone(same)), [])))
  })

  it('keep what lists have in common', () => {
    const paths = (before: unknown, after: unknown) =>
      configDiff(before, after)
        .filter(({ op }) => op !== 'test')
        .map(({ op, path }) => `${op} ${path}`)
    assert.deepEqual(paths({ l: ['a', 'c'] }, { l: ['a', 'b', 'c'] }), ['add /l/1'])
    assert.deepEqual(paths({ l: [{ n: 1 }] }, { l: [{ n: 2 }, { n: 3 }, { n: 4 }] }), [
      'remove /l/0/n',
      'add /l/0/n',
      'add /l/1',
      'add /l/1',
    ])
  })
})

describe('policies and proxies', () => {
  it('which proxies a policy selects, and which policies select a proxy', () =>
    withApi({ role: 'standalone' }, async ({ get, put, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      for (const name of ['a', 'b', 'c']) {
        await seed({
          type: 'Dataplane',
          mesh: 'm',
          name,
          labels: { team: name === 'c' ? 'y' : 'x', 'kuma.io/zone': 'default' },
          spec: { networking: { address: '1.1.1.1', inbound: [{ port: 80 }] } },
        })
      }
      const all = timeout('all')
      await put('/meshes/m/meshtimeouts/all', all)
      await put('/meshes/m/meshtimeouts/some', {
        ...timeout('some'),
        spec: { ...all.spec, targetRef: { kind: 'Dataplane', labels: { team: 'x' } } },
      })
      const names = async (path: string) => (await get(path)).json['items'].map(({ name }: { name: string }) => name)
      assert.deepEqual(await names('/meshes/m/meshtimeouts/all/_resources/dataplanes'), ['a', 'b', 'c'])
      assert.deepEqual(await names('/meshes/m/meshtimeouts/some/-resources/dataplanes'), ['a', 'b'])
      const page = (await get('/meshes/m/meshtimeouts/all/_resources/dataplanes?size=2')).json
      assert.deepEqual(
        [page['total'], page['next']],
        [3, 'http://localhost:5681/meshes/m/meshtimeouts/all/_resources/dataplanes?offset=2&size=2'],
      )
      assert.equal('next' in (await get('/meshes/m/meshtimeouts/all/_resources/dataplanes')).json, false)
      assert.deepEqual((await get('/meshes/m/meshtimeouts/some/dataplanes')).json['items'][1].dataplane, { mesh: 'm', name: 'b' })
      assert.equal((await get('/meshes/m/meshtimeouts/none/_resources/dataplanes')).json['title'], 'Could not retrieve policy')
      const matched = (await get('/meshes/m/dataplanes/c/policies')).json
      assert.deepEqual(
        matched['items'][0].matchedPolicies.MeshTimeout.map(({ name }: { name: string }) => name),
        ['all'],
      )
    }))
})
