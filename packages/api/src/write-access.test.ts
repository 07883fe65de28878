import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Role, timeout, withApi } from './api-scene.fixture.ts'

const mesh = { type: 'Mesh', name: 'm' }

describe('who may write what', () => {
  const cases: readonly [Role, string, string, unknown, number][] = [
    [
      'global',
      'Dataplane',
      '/meshes/m/dataplanes/x',
      { type: 'Dataplane', mesh: 'm', name: 'x', networking: { address: '10.0.0.1' } },
      405,
    ],
    ['global', 'MeshInsight', '/mesh-insights/m', { type: 'MeshInsight', name: 'm' }, 405],
    ['zone', 'Mesh', '/meshes/x', { type: 'Mesh', name: 'x' }, 405],
    [
      'zone',
      'MeshMultiZoneService',
      '/meshes/m/meshmultizoneservices/x',
      { type: 'MeshMultiZoneService', mesh: 'm', name: 'x', spec: {} },
      405,
    ],
    [
      'zone',
      'Dataplane',
      '/meshes/m/dataplanes/x',
      { type: 'Dataplane', mesh: 'm', name: 'x', networking: { address: '10.0.0.1', inbound: [{ port: 80 }] } },
      201,
    ],
    ['standalone', 'Mesh', '/meshes/x', { type: 'Mesh', name: 'x' }, 201],
  ]
  for (const [role, type, path, body, status] of cases) {
    it(`${role}: ${type} ${status}`, () =>
      withApi({ role }, async ({ put, seed }) => {
        await seed({ type: 'Mesh', name: 'm' })
        const answer = await put(path, body)
        assert.equal(answer.status, status, answer.text)
        if (status === 405) assert.equal(answer.json['title'], 'Method not allowed')
        if (role === 'global' && type === 'Dataplane') assert.match(answer.json['detail'], /^On global/)
      }))
  }

  it('readOnly refuses everything', () =>
    withApi({ settings: { readOnly: true } }, async ({ put, delete: remove }) => {
      assert.equal((await put('/meshes/m', mesh)).status, 405)
      assert.equal((await remove('/meshes/m')).status, 405)
    }))

  it('origin labels: a federated zone asks for zone, global refuses zone', async () => {
    await withApi({ role: 'zone' }, async ({ put, seed, get }) => {
      await seed({ type: 'Mesh', name: 'm' })
      const without = await put('/meshes/m/meshtimeouts/t', timeout('t'))
      assert.deepEqual([without.status, without.json['invalid_parameters'][0]['field']], [400, 'labels["kuma.io/origin"]'])
      assert.equal((await put('/meshes/m/meshtimeouts/t', timeout('t', { 'kuma.io/origin': 'zone' }))).status, 201)
      const { labels } = (await get('/meshes/m/meshtimeouts/t')).json
      assert.deepEqual(labels, {
        'kuma.io/display-name': 't',
        'kuma.io/env': 'universal',
        'kuma.io/mesh': 'm',
        'kuma.io/origin': 'zone',
        'kuma.io/zone': 'east',
      })
      const foreign = await put('/meshes/m/meshtimeouts/t', timeout('t', { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'west' }))
      assert.equal(foreign.status, 400)
      assert.equal((await put('/meshes/m/meshtimeouts/t', timeout('t', { 'kuma.io/origin': 'zone', 'kuma.io/mesh': 'n' }))).status, 400)
    })
    await withApi({}, async ({ put, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      assert.equal((await put('/meshes/m/meshtimeouts/t', timeout('t', { 'kuma.io/origin': 'zone' }))).status, 400)
      assert.equal((await put('/meshes/m/meshtimeouts/t', timeout('t', { 'kuma.io/origin': 'global' }))).status, 201)
    })
    await withApi({ role: 'zone', settings: { disableOriginLabelValidation: true } }, async ({ put, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      assert.equal((await put('/meshes/m/meshtimeouts/t', timeout('t'))).status, 201)
    })
  })

  it('a copy synced from elsewhere can be neither overwritten nor deleted', async () => {
    await withApi({ role: 'zone' }, async ({ put, delete: remove, seed, store }) => {
      await seed({ type: 'Mesh', name: 'm' })
      await seed({ ...timeout('t-hash', { 'kuma.io/origin': 'global', 'kuma.io/display-name': 't' }) })
      const before = store.seq
      const over = await put('/meshes/m/meshtimeouts/t-hash', timeout('t-hash', { 'kuma.io/origin': 'zone' }))
      assert.deepEqual([over.status, over.json['invalid_parameters'][0]['field']], [400, 'labels["kuma.io/origin"]'])
      const gone = await remove('/meshes/m/meshtimeouts/t-hash')
      assert.deepEqual([gone.status, gone.json['invalid_parameters'][0]['field']], [400, '["kuma.io/origin"]'])
      assert.equal(store.seq, before)
    })
    await withApi({}, async ({ put, delete: remove, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      await seed({ ...timeout('t-hash', { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'east' }) })
      assert.equal((await put('/meshes/m/meshtimeouts/t-hash', timeout('t-hash'))).status, 400)
      assert.equal((await remove('/meshes/m/meshtimeouts/t-hash')).status, 400)
    })
  })

  it('zone labels never change, also on global', () =>
    withApi({}, async ({ put, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      assert.equal((await put('/meshes/m/meshtimeouts/t', timeout('t', { 'kuma.io/zone': 'a' }))).status, 201)
      const moved = await put('/meshes/m/meshtimeouts/t', timeout('t', { 'kuma.io/zone': 'b' }))
      assert.deepEqual([moved.status, moved.json['title']], [400, 'Could not update a resource'])
      assert.deepEqual(moved.json['causes'], [
        { field: 'labels["kuma.io/zone"]', message: 'is immutable, cannot be changed from "a" to "b"' },
      ])
    }))

  it('every mistake in names and labels is told at once, in the order of the peers', () =>
    withApi({ role: 'zone' }, async ({ put, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      const wrong = timeout('D_', { 'kuma.io/origin': 'x', 'kuma.io/zone': 'west', 'a/b/c': 'd' })
      const answer = await put('/meshes/m/meshtimeouts/t', wrong)
      assert.deepEqual(
        answer.json['causes'].map(({ field, message }: { field: string; message: string }) => `${field} ${message.slice(0, 40)}`),
        [
          'name name from the URL has to be the same as ',
          'labels["kuma.io/origin"] unknown resource origin "x"',
          `labels["kuma.io/origin"] the origin label must be set to 'zone'`,
          'labels["kuma.io/zone"] kuma.io/zone label should have east valu',
          'labels["a/b/c"] a valid label key must consist of alphan',
          'name invalid characters. A lowercase RFC 1123',
        ],
      )
      const long = 'a'.repeat(300)
      const lengthy = await put(`/meshes/m/meshtimeouts/${long}`, timeout(long, { 'kuma.io/origin': 'zone' }))
      assert.deepEqual(
        lengthy.json['causes'].map(({ message }: { message: string }) => message),
        ['the length of the name must be shorter', 'value length must less or equal 253'],
      )
    }))

  it('a workload label is checked in zones and refused on global kinds', () =>
    withApi({ role: 'zone' }, async ({ put, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      const dataplane = (workload: string) => ({
        type: 'Dataplane',
        mesh: 'm',
        name: 'x',
        labels: { 'kuma.io/workload': workload },
        networking: { address: '10.0.0.1', inbound: [{ port: 80 }] },
      })
      assert.match(
        (await put('/meshes/m/dataplanes/x', dataplane('Nope'))).json['detail'],
        /^bad request: labels\["kuma.io\/workload"\]: must be a valid DNS-1035 label/,
      )
      assert.equal((await put('/meshes/m/dataplanes/x', dataplane('web'))).status, 201)
    }))
})
