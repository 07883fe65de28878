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
      assert.match(await detail('[]'), /cannot unmarshal array/)
      assert.match(await detail('{"type":1}'), /cannot unmarshal number into Go struct field ResourceMeta.type/)
      assert.match(await detail('{"labels":{"a":1}}'), /labels of type string/)
      const bad = timeout('t')
      const answer = await put('/meshes/m/meshtimeouts/t', {
        ...bad,
        spec: { targetRef: { kind: 'Mesh' }, to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: 'bad' } }] },
      })
      assert.equal(answer.json['detail'], 'invalid MeshTimeout object: "time: invalid duration \\"bad\\""')
      assert.equal((await ask('PUT', '/meshes/m/meshtimeouts/t', { body: `${'['.repeat(200_000)}` })).status, 400)
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
      assert.deepEqual(loud.json['warnings'], ['unknown field networkin was dropped', 'unknown field ["naïve\\r\\nset-cookie: a"] was dropped'])
      assert.match(String(loud.headers['warning']), /^299 - "unknown field networkin was dropped", 299 - "unknown field \[\\"na\?ve/)
      assert.equal(loud.headers['set-cookie'], undefined)
      assert.deepEqual((await get('/meshes/m/dataplanes/x')).json['networking'], { address: '10.0.0.1', inbound: [{ port: 80 }] })
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

describe('lists', () => {
  const fill = async (put: (url: string, body: unknown) => Promise<unknown>, count: number) => {
    await put('/meshes/m', { ...mesh, skipCreatingInitialPolicies: ['*'] })
    for (let n = 0; n < count; n += 1) await put(`/meshes/m/meshtimeouts/t${n}`, timeout(`t${n}`, { team: n % 2 === 0 ? 'a' : 'b' }))
  }

  it('pages with absolute links', () =>
    withApi({}, async ({ put, get }) => {
      await fill(put, 5)
      const first = (await get('/meshes/m/meshtimeouts?size=2&filter[labels.kuma.io/origin]=global')).json
      assert.deepEqual([first['total'], first['items'].length], [5, 2])
      assert.equal(first['next'], 'http://localhost:5681/meshes/m/meshtimeouts?filter%5Blabels.kuma.io%2Forigin%5D=global&offset=2&size=2')
      const last = (await get('/meshes/m/meshtimeouts?size=2&offset=4')).json
      assert.deepEqual([last['items'][0]['name'], last['next']], ['t4', null])
      assert.deepEqual((await get('/meshtimeouts?offset=99')).json, { total: 5, items: [], next: null })
    }))

  it('wrong sizes and offsets', () =>
    withApi({}, async ({ get }) => {
      const reason = async (query: string) => (await get(`/meshes?${query}`)).json['invalid_parameters']?.[0]
      assert.deepEqual(await reason('size=x'), { field: 'size', reason: 'invalid format' })
      assert.deepEqual(await reason('size=0'), { field: 'size', reason: 'must be greater than 0' })
      assert.deepEqual(await reason('size=1001'), { field: 'size', reason: 'invalid page size of 1001. Maximum page size is 1000' })
      const offset = await get('/meshes?offset=abc')
      assert.deepEqual([offset.status, offset.json['title']], [400, 'Could not retrieve resources'])
      assert.match(offset.json['detail'], /^invalid: invalid offset: /)
    }))

  it('kumactl export, which never turns the page, gets a long one', () =>
    withApi({}, async ({ put, ask }) => {
      await fill(put, 120)
      assert.equal((await ask('GET', '/meshtimeouts')).json['items'].length, 100)
      assert.equal((await ask('GET', '/meshtimeouts', { headers: { 'user-agent': 'kumactl/3.0 (linux)' } })).json['items'].length, 120)
    }))

  it('filters', () =>
    withApi({}, async ({ put, get }) => {
      await fill(put, 4)
      const names = async (query: string) =>
        (await get(`/meshes/m/meshtimeouts?${query}`)).json['items']?.map(({ name }: { name: string }) => name)
      assert.deepEqual(await names('filter[labels.team]=a'), ['t0', 't2'])
      assert.deepEqual(await names('name=t3&filter[labels.team]=b'), ['t3'])
      assert.deepEqual(await names('filter[labels.team]=a&filter[labels.team]=b'), ['t1', 't3'])
      const bad = await get('/meshes/m/meshtimeouts?filter[name]=x')
      assert.deepEqual(bad.json['invalid_parameters'], [
        { field: '/meshes/{mesh}/meshtimeouts.filter[name]', reason: 'filters are only supported on labels' },
      ])
      assert.match((await get('/meshtimeouts?filter[labels.a][eq]=x')).json['invalid_parameters'][0]['reason'], /advanced filters/)
    }))

  it('proxies by tag and gateway', () =>
    withApi({}, async ({ seed, get }) => {
      await seed({ type: 'Mesh', name: 'm' })
      await seed({
        type: 'Dataplane',
        mesh: 'm',
        name: 'app',
        labels: { team: 'alpha', zone: 'x' },
        spec: { networking: { address: '1.1.1.1', inbound: [{ port: 80 }] } },
      })
      await seed({
        type: 'Dataplane',
        mesh: 'm',
        name: 'gw',
        labels: {},
        spec: { networking: { address: '1.1.1.2', gateway: { type: 'DELEGATED', tags: { team: 'beta' } } } },
      })
      const names = async (query: string) =>
        (await get(`/meshes/m/dataplanes?${query}`)).json['items']?.map(({ name }: { name: string }) => name)
      assert.deepEqual(await names('tag=team:alp'), ['app'])
      assert.deepEqual(await names('tag=team:beta'), ['gw'])
      assert.deepEqual(await names('tag=team:alpha&tag=zone:x'), ['app'])
      assert.deepEqual(await names('tag=nothing'), ['app', 'gw'])
      assert.deepEqual(await names('gateway=true'), ['gw'])
      assert.deepEqual(await names('gateway=false'), ['app'])
      assert.deepEqual(await names('gateway=builtin'), [])
      assert.equal(
        (await get('/meshes/m/dataplanes?gateway=maybe')).json['invalid_parameters'][0]['field'],
        '/meshes/{mesh}/dataplanes.gateway',
      )
    }))
})

describe('reading', () => {
  it('the Kubernetes form and wrong formats', () =>
    withApi({}, async ({ put, get, seed }) => {
      await put('/meshes/m', mesh)
      await put('/meshes/m/meshtimeouts/t', timeout('t'))
      const object = (await get('/meshes/m/meshtimeouts/t?format=k8s')).json
      assert.deepEqual(
        [object['kind'], object['apiVersion'], object['metadata']['namespace']],
        ['MeshTimeout', 'kuma.io/v1alpha1', 'kuma-system'],
      )
      await seed({ type: 'GlobalSecret', name: 'g', spec: { data: 'eA==' } })
      const secret = (await get('/globalsecrets/g?format=kubernetes&namespace=ns')).json
      assert.deepEqual([secret['kind'], secret['type'], secret['data']], ['Secret', 'system.kuma.io/global-secret', { value: 'eA==' }])
      assert.equal((await get('/meshes/m/meshtimeouts/t?format=toml')).json['invalid_parameters'][0]['field'], 'format')
    }))

  it('every listed kri leads back to its resource', () =>
    withApi({ role: 'zone' }, async ({ seed, get }) => {
      await seed({ type: 'Mesh', name: 'm' })
      await seed(timeout('local', { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'east', 'kuma.io/display-name': 'local' }))
      await seed(timeout('from-global-x4z5b6c7d8f9g2h2', { 'kuma.io/origin': 'global', 'kuma.io/display-name': 'from-global' }))
      await seed(timeout('other-x4z5b6c7d8f9g2h2', { 'kuma.io/origin': 'global', 'kuma.io/zone': 'west', 'kuma.io/display-name': 'other' }))
      for (const item of (await get('/meshes/m/meshtimeouts')).json['items']) {
        const found = await get(`/_kri/${item.kri}`)
        assert.deepEqual(found.json, item)
        assert.deepEqual((await get(`/_kri/${item.kri}section_1`)).json, item)
      }
      assert.equal((await get('/_kri/kri_mt_m_north__other_')).status, 404)
      assert.match((await get('/_kri/x')).json['detail'], /^bad request: invalid identifier string: "x"/)
      assert.match((await get('/_kri/kri_zz_____')).json['detail'], /unknown short name of resource type: "zz"/)
      assert.match((await get('/_kri/kri_constructor_____')).json['detail'], /unknown short name/)
    }))

  it('overviews of zones and proxies', () =>
    withApi({}, async ({ put, get, seed }) => {
      await put('/zones/east', { type: 'Zone', name: 'east', enabled: true })
      await seed({ type: 'Zone', name: 'west', spec: {} })
      await seed({ type: 'ZoneInsight', name: 'east', spec: { subscriptions: [{ id: '1', connectTime: '2026-01-01T00:00:00Z' }] } })
      for (const path of ['/zones/_overview', '/zones+insights']) {
        const { items, total } = (await get(path)).json
        assert.equal(total, 2)
        assert.deepEqual(
          [items[0].type, items[0].kri, items[0].zone, items[0].zoneInsight.subscriptions.length],
          ['ZoneOverview', 'kri_z____east_', { enabled: true }, 1],
        )
        assert.equal('zoneInsight' in items[1], false)
      }
      assert.deepEqual((await get('/zones/west/_overview')).json['zoneInsight'], {})
      assert.equal((await get('/zones+insights/east')).json['type'], 'ZoneOverview')
      assert.equal((await get('/zones/north/_overview')).status, 404)
      await seed({ type: 'Mesh', name: 'm' })
      await seed({ type: 'Dataplane', mesh: 'm', name: 'dp', spec: { networking: { address: '1.1.1.1' } } })
      assert.deepEqual((await get('/meshes/m/dataplanes/dp/_overview')).json['dataplane'], { networking: { address: '1.1.1.1' } })
      assert.equal((await get('/dataplanes/_overview?name=dp')).json['total'], 1)
      assert.equal((await get('/meshes/m/dataplanes+insights')).json['items'][0].type, 'DataplaneOverview')
      assert.equal((await get('/meshes/nomesh/dataplanes/_overview')).json['title'], 'Failed to retrieve Mesh')
    }))

  it('global totals', () =>
    withApi({}, async ({ put, get, clock }) => {
      await put('/meshes/m', mesh)
      const totals = (await get('/global-insight')).json
      assert.deepEqual(
        [totals['meshes'], totals['policies'], totals['zones']['controlPlanes']],
        [{ total: 1 }, { total: 4 }, { online: 0, total: 0 }],
      )
      await put('/meshes/n', { type: 'Mesh', name: 'n' })
      assert.equal((await get('/global-insight')).json['meshes'].total, 1, 'a second of age is fine')
      clock.advance(1000)
      assert.equal((await get('/global-insight')).json['meshes'].total, 2)
    }))

  it('catalogue: insights are read-only, a federated zone says so of everything, policies by the full rule', async () => {
    const readOnly = async (role: Role, path: string) => {
      let found: string[] = []
      await withApi({ role }, async ({ get }) => {
        const body = (await get(path)).json
        found = (body['resources'] ?? body['policies'])
          .filter((entry: { readOnly: boolean }) => entry.readOnly)
          .map((entry: { name: string }) => entry.name)
      })
      return found
    }
    assert.deepEqual(await readOnly('global', '/_resources'), ['DataplaneInsight', 'MeshInsight', 'ServiceInsight', 'ZoneInsight'])
    assert.equal((await readOnly('zone', '/_resources')).length, 34)
    assert.deepEqual(await readOnly('zone', '/policies'), [])
  })
})
