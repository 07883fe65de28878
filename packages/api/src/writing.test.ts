import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Role, timeout, withApi } from './api-scene.fixture.ts'

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

describe('bodies', () => {
  it('unreadable ones', () =>
    withApi({}, async ({ ask, put, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      const detail = async (body: string) => {
        const answer = await ask('PUT', '/meshes/m/meshtimeouts/t', { body })
        assert.deepEqual([answer.status, answer.json['title']], [400, 'Bad Request'])
        return answer.json['detail']
      }
      assert.equal(await detail('{,'), `invalid MeshTimeout object: "invalid character ',' looking for beginning of object key string"`)
      assert.equal(await detail(''), 'invalid MeshTimeout object: "unexpected end of JSON input"')
      assert.match(await detail('[]'), /a resource must be an object, not array/)
      assert.match(await detail('null'), /a resource must be an object, not null/)
      const bad = timeout('t')
      const answer = await put('/meshes/m/meshtimeouts/t', {
        ...bad,
        spec: { targetRef: { kind: 'Mesh' }, to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: 'bad' } }] },
      })
      assert.equal(answer.json['detail'], 'invalid MeshTimeout object: "time: invalid duration \\"bad\\""')
      assert.equal((await ask('PUT', '/meshes/m/meshtimeouts/t', { body: `${'['.repeat(200_000)}` })).status, 400)
    }))

  it('a wrong envelope: violations without a field for policies, an unreadable body for flat kinds', () =>
    withApi({}, async ({ put, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      const answer = await put('/meshes/m/meshtimeouts/t', { type: 1, labels: { a: 1 } })
      assert.deepEqual([answer.status, answer.json['title']], [400, 'Could not process a resource'])
      assert.deepEqual(
        answer.json['causes'],
        [
          '.name in body is required',
          '.spec in body is required',
          'labels.a in body must be of type string: "number"',
          'type in body must be of type string: "number"',
        ].map((message) => ({ field: '', message })),
      )
      const flat = await put('/meshes/m', { type: 'Mesh', name: true })
      assert.equal(
        flat.json['detail'],
        'invalid Mesh object: "json: cannot unmarshal bool into Go struct field ResourceMeta.name of type string"',
      )
      const retry = await put('/meshes/m/meshtimeouts/t', { ...timeout('t'), type: 'MeshRetry' })
      assert.deepEqual(retry.json['causes'], [{ field: '', message: 'type in body should be one of [MeshTimeout]' }])
    }))

  it('name, type and mesh must be those of the URL; the mesh of the URL must exist', () =>
    withApi({}, async ({ put, seed }) => {
      await seed({ type: 'Mesh', name: 'm' })
      const answer = await put('/meshes/m/meshtimeouts/t', { ...timeout('u'), mesh: 'n' })
      assert.deepEqual(
        answer.json['invalid_parameters'].map(({ field }: { field: string }) => field),
        ['name', 'mesh'],
      )
      assert.deepEqual(answer.json['causes'][0], { field: 'name', message: 'name from the URL has to be the same as in body' })
      const lost = await put('/meshes/nomesh/meshtimeouts/t', timeout('t'))
      assert.deepEqual([lost.status, lost.json['title'], lost.json['detail']], [404, 'Failed to retrieve Mesh', 'Not found'])
    }))

  it('unknown fields are dropped with a warning, those of earlier releases without', () =>
    withApi({ role: 'standalone' }, async ({ put, seed, get }) => {
      await seed({ type: 'Mesh', name: 'm' })
      const dataplane = {
        type: 'Dataplane',
        mesh: 'm',
        name: 'x',
        networking: { address: '10.0.0.1', inbound: [{ port: 80, tags: { a: 'b' } }] },
      }
      const quiet = await put('/meshes/m/dataplanes/x', dataplane)
      assert.deepEqual([quiet.status, quiet.json, quiet.headers['warning']], [201, {}, undefined])
      const loud = await put('/meshes/m/dataplanes/x', { ...dataplane, networkin: {}, 'naïve\r\nset-cookie: a': 1 })
      assert.equal(loud.status, 200)
      assert.deepEqual(loud.json['warnings'], [
        'unknown field networkin was dropped',
        'unknown field ["naïve\\r\\nset-cookie: a"] was dropped',
      ])
      assert.match(String(loud.headers['warning']), /^299 - "unknown field networkin was dropped", 299 - "unknown field \[\\"na\?ve/)
      assert.equal(loud.headers['set-cookie'], undefined)
      assert.deepEqual((await get('/meshes/m/dataplanes/x')).json['networking'], { address: '10.0.0.1', inbound: [{ port: 80 }] })
    }))

  it('a strict write refuses unknown fields by their paths, and takes what was read here', () =>
    withApi({}, async ({ put, get, store }) => {
      assert.equal((await put('/meshes/m', mesh)).status, 201)
      const before = store.seq
      const bad = timeout('t')
      const answer = await put('/meshes/m/meshtimeouts/t?strict=true', {
        ...bad,
        extra: 1,
        spec: { ...bad.spec, form: [], to: [{ targetRef: { kind: 'Mesh', naem: 'x' }, default: { connectionTimeout: '3s' } }] },
      })
      assert.equal(answer.status, 400)
      assert.deepEqual(
        answer.json['invalid_parameters'],
        ['extra', 'spec.form', 'spec.to[0].targetRef.naem'].map((field) => ({ field, reason: 'unknown field' })),
      )
      assert.equal((await put('/meshes/m?strict=true', { ...mesh, mtls: {} })).status, 400, 'retired fields too')
      assert.equal((await put('/meshes/m?strict=maybe', mesh)).status, 400)
      assert.equal(store.seq, before)
      const read = (await get('/meshes/m')).json
      assert.ok('meshServices' in read)
      assert.equal((await put('/meshes/m?strict=true', read)).status, 200)
      assert.equal((await put('/meshes/m/meshtimeouts/t?strict=false', { ...bad, extra: 1 })).status, 201)
    }))

  it('a status in a body is ignored, the stored one kept', () =>
    withApi({ role: 'standalone' }, async ({ put, seed, get, store }) => {
      await seed({ type: 'Mesh', name: 'm' })
      const service = {
        type: 'MeshService',
        mesh: 'm',
        name: 's',
        spec: { selector: { dataplaneLabels: { matchLabels: { app: 'a' } } }, ports: [{ port: 80 }] },
        status: { vips: [{ ip: '1.2.3.4' }] },
      }
      await put('/meshes/m/meshservices/s', service)
      assert.equal((await get('/meshes/m/meshservices/s')).json['status']['vips'], undefined)
      const stored = store.get({ type: 'MeshService', mesh: 'm', name: 's' })
      await store.transact(
        [
          {
            op: 'put',
            resource: { ...service, labels: stored?.labels ?? {}, spec: stored?.spec, status: { vips: [{ ip: '241.0.0.1' }] } },
          },
        ],
        { actor: 't', reason: 't', class: 'observed' },
      )
      await put('/meshes/m/meshservices/s', service)
      assert.deepEqual((await get('/meshes/m/meshservices/s')).json['status'], { vips: [{ ip: '241.0.0.1' }] })
    }))
})
