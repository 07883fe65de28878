import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withApi } from './api-scene.fixture.ts'

const mesh = { type: 'Mesh', name: 'm' }

describe('meshes', () => {
  it('a new mesh has its default policies and key in the same transaction', () =>
    withApi({}, async ({ put, store, get }) => {
      const batches: string[][] = []
      store.watch(0, (changes) => batches.push(changes.map(({ key }) => `${key.type}/${key.name}`)))
      assert.equal((await put('/meshes/m', mesh)).status, 201)
      assert.deepEqual(batches, [
        [
          'Mesh/m',
          'MeshTimeout/mesh-timeout-all-m',
          'MeshTimeout/mesh-timeout-to-all-m',
          'MeshCircuitBreaker/mesh-circuit-breaker-all-m',
          'MeshRetry/mesh-retry-all-m',
          'Secret/dataplane-token-signing-key-m-1',
        ],
      ])
      assert.equal((await put('/meshes/m', mesh)).status, 200)
      assert.equal(batches.length, 1, 'an equal put changes nothing')
      const retry = (await get('/meshes/m/meshretries/mesh-retry-all-m')).json
      assert.equal(retry['labels']['kuma.io/origin'], 'global')
      assert.deepEqual(retry['spec']['to'][0]['default']['tcp'], { maxConnectAttempt: 5 })
      assert.equal((await get('/meshes/m')).json['kri'], 'kri_m____m_')
    }))

  it('initial policies can be skipped by type or all at once', () =>
    withApi({}, async ({ put, store }) => {
      await put('/meshes/m', { ...mesh, skipCreatingInitialPolicies: ['MeshTimeout'] })
      assert.deepEqual(
        ['MeshTimeout', 'MeshRetry', 'MeshCircuitBreaker'].map((type) => store.list(type).length),
        [0, 1, 1],
      )
      await put('/meshes/n', { type: 'Mesh', name: 'n', skipCreatingInitialPolicies: ['*'] })
      assert.deepEqual([store.list('MeshRetry', 'n').length, store.list('Secret', 'n').length], [0, 1])
    }))

  it('default policies are valid in the API that made them', () =>
    withApi({}, async ({ put, get, store }) => {
      await put('/meshes/m', mesh)
      for (const type of ['MeshTimeout', 'MeshRetry', 'MeshCircuitBreaker']) {
        for (const { name } of store.list(type, 'm')) {
          const path = `/meshes/m/${{ MeshTimeout: 'meshtimeouts', MeshRetry: 'meshretries', MeshCircuitBreaker: 'meshcircuitbreakers' }[type]}/${name}`
          const before = store.seq
          const answer = await put(path, (await get(path)).json)
          assert.deepEqual([answer.status, answer.json, store.seq], [200, {}, before], path)
        }
      }
    }))

  it('goes only without proxies, and takes everything along', () =>
    withApi({}, async ({ put, delete: remove, seed, store }) => {
      await put('/meshes/m', mesh)
      await put('/meshes/other', { type: 'Mesh', name: 'other' })
      await seed({ type: 'Dataplane', mesh: 'm', name: 'dp', labels: { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'east' } })
      const refused = await remove('/meshes/m')
      assert.equal(refused.status, 400)
      assert.equal(refused.json['invalid_parameters'][0]['field'], 'mesh')
      await store.transact([{ op: 'delete', key: { type: 'Dataplane', mesh: 'm', name: 'dp' } }], {
        actor: 't',
        reason: 't',
        class: 'observed',
      })
      assert.equal((await remove('/meshes/m')).status, 200)
      assert.deepEqual(
        ['Mesh', 'MeshTimeout', 'Secret'].map((type) => store.list(type).map((found) => found.mesh || found.name)),
        [['other'], ['other', 'other'], ['other']],
      )
      assert.equal((await remove('/meshes/m')).status, 404)
    }))

  it('unsafeDelete deletes a mesh with proxies', () =>
    withApi({ settings: { unsafeDelete: true } }, async ({ put, delete: remove, seed, store }) => {
      await put('/meshes/m', mesh)
      await seed({ type: 'Dataplane', mesh: 'm', name: 'dp' })
      assert.equal((await remove('/meshes/m')).status, 200)
      assert.equal(store.list('Dataplane').length, 0)
    }))

  it('a name that is no label is refused', () =>
    withApi({}, async ({ put }) => {
      const dotted = await put('/meshes/a.b', { type: 'Mesh', name: 'a.b' })
      assert.deepEqual([dotted.status, dotted.json['title']], [400, 'Failed to create a resource'])
      assert.equal((await put(`/meshes/${'a'.repeat(64)}`, { type: 'Mesh', name: 'a'.repeat(64) })).status, 400)
    }))

  it('a failing key generator creates nothing', () =>
    withApi({ deps: { generateSigningKey: () => Promise.reject(new Error('no entropy')) } }, async ({ put, store }) => {
      const answer = await put('/meshes/m', mesh)
      assert.deepEqual([answer.status, answer.json['title'], store.seq], [500, 'Failed to create a resource', 0])
    }))

  it('two clients creating a mesh at once both succeed', () =>
    withApi({}, async ({ put, store }) => {
      const answers = await Promise.all([put('/meshes/m', mesh), put('/meshes/m', mesh)])
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 201])
      assert.equal(store.list('Secret').length, 1)
    }))
})
