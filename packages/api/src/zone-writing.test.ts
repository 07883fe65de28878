import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { withApi } from './api-scene.fixture.ts'

const mesh = { type: 'Mesh', name: 'm' }

describe('zones', () => {
  it('a connected zone stays, a gone one takes its resources along', () =>
    withApi({}, async ({ put, delete: remove, seed, store, clock }) => {
      await put('/zones/east', { type: 'Zone', name: 'east', enabled: true })
      await put('/meshes/m', mesh)
      const labels = { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'east' }
      await seed({ type: 'Dataplane', mesh: 'm', name: 'dp-hash', labels })
      await seed({ type: 'Dataplane', mesh: 'm', name: 'dp-west', labels: { ...labels, 'kuma.io/zone': 'west' } })
      await seed({ type: 'ZoneInsight', name: 'east', spec: { subscriptions: [{ id: '1', connectTime: '2026-01-01T00:00:00Z' }] } })
      const refused = await remove('/zones/east')
      assert.deepEqual([refused.status, refused.json['invalid_parameters'][0]['field']], [400, 'zone'])
      await seed({
        type: 'ZoneInsight',
        name: 'east',
        spec: { subscriptions: [{ id: '1', connectTime: '2026-01-01T00:00:00Z', disconnectTime: '2026-01-01T00:00:01Z' }] },
      })
      clock.advance(1)
      assert.equal((await remove('/zones/east')).status, 200)
      assert.deepEqual(
        store.list('Dataplane').map(({ name }) => name),
        ['dp-west'],
      )
      assert.equal(store.list('ZoneInsight').length, 0)
    }))

  it('enabled counts at the top and below spec', () =>
    withApi({}, async ({ put, get }) => {
      await put('/zones/east', { type: 'Zone', name: 'east', enabled: false })
      assert.equal((await get('/zones/east')).json['enabled'], false)
      await put('/zones/east', { type: 'Zone', name: 'east', spec: { enabled: true } })
      assert.equal((await get('/zones/east')).json['enabled'], true)
      const answer = await put('/zones/east', { type: 'Zone', name: 'east', spec: { enabled: false } })
      assert.deepEqual([answer.json, (await get('/zones/east')).json['enabled']], [{}, false])
    }))

  it('deleting a Zone in a zone keeps what the zone owns', () =>
    withApi({ role: 'standalone' }, async ({ put, delete: remove, seed, store }) => {
      await put('/meshes/m', mesh)
      await put('/zones/default', { type: 'Zone', name: 'default' })
      await seed({ type: 'Dataplane', mesh: 'm', name: 'dp', labels: { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'default' } })
      assert.equal((await remove('/zones/default')).status, 200)
      assert.equal(store.list('Dataplane').length, 1)
    }))
})
