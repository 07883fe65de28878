import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { Resource } from '@weft/resources'
import { createMemoryStore, type Store } from '@weft/store'
import { type Role, timeout, withApi } from './api-scene.fixture.ts'

const mesh = { type: 'Mesh', name: 'm' }

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

  it('a page of everything looks at nothing beyond it', async () => {
    const store = createMemoryStore({ clock: new FakeClock(), log: silentLogger })
    const looked = new Set<string>()
    const watched = (resource: Resource): Resource =>
      new Proxy(resource, { get: (of, field) => (looked.add(of.name), Reflect.get(of, field) as unknown) })
    const list: Store['list'] = (type, of) => store.list(type, of).map(watched)
    await withApi({ deps: { store: { ...store, list } } }, async ({ put, get }) => {
      await fill(put, 40)
      looked.clear()
      const page = (await get('/meshes/m/meshtimeouts?size=3&offset=3')).json
      assert.deepEqual([page['total'], page['items'].length, looked.size], [40, 3, 3])
      await get('/meshes/m/meshtimeouts?size=3&name=t')
      assert.equal(looked.size, 40)
    })
  })

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

  it('what is known of sync, beside overviews and on its own', () => {
    const zones = [{ zone: 'east', state: 'Unknown', ageMs: 9_000, sending: { types: [] } }]
    const entries = [{ zone: 'west', address: '10.0.0.1:10001', state: 'failing' }]
    const sync = {
      zones: () => zones,
      liveness: (zone: string) => ({ state: zone === 'east' ? 'Unknown' : 'Offline' }),
      reachability: () => new Map([['east', entries]]),
    }
    return withApi({ deps: { sync } }, async ({ get, seed }) => {
      await seed({ type: 'Zone', name: 'east', spec: {} })
      assert.deepEqual((await get('/zones/east/_overview')).json['liveness'], { state: 'Unknown' })
      assert.deepEqual((await get('/zones+insights')).json['items'][0].liveness, { state: 'Unknown' })
      const { json } = await get('/_weft/sync')
      assert.deepEqual([json['mode'], json['seq'], json['zones']], ['global', 1, zones])
      assert.deepEqual((await get('/_weft/sync/east')).json, zones[0])
      assert.equal((await get('/_weft/sync/north')).status, 404)
      await seed({ type: 'Zone', name: 'west', spec: {} })
      assert.deepEqual((await get('/_weft/reachability')).json, {
        mode: 'global',
        rows: [
          { zone: 'east', state: 'Unknown', told: true, entries },
          { zone: 'west', state: 'Offline', told: false, entries: [] },
        ],
      })
    })
  })

  it('a zone shows its global, a standalone zone nothing', async () => {
    let rejoined = 0
    const sync = {
      global: () => ({ state: 'connected' }),
      rejoin: async () => void (rejoined += 1),
      reachability: () => [{ zone: 'west' }],
    }
    await withApi({ role: 'zone', deps: { sync } }, async ({ ask, get }) => {
      const { json } = await get('/_weft/sync')
      assert.deepEqual([json['mode'], json['zone'], json['global']], ['zone', 'east', { state: 'connected' }])
      assert.equal((await get('/_weft/sync/east')).status, 404)
      assert.equal((await ask('POST', '/_weft/sync/rejoin', { body: {}, from: '10.0.0.1' })).status, 403)
      assert.equal(rejoined, 0)
      assert.deepEqual((await ask('POST', '/_weft/sync/rejoin', { body: {} })).json, { state: 'connected' })
      assert.equal(rejoined, 1)
      assert.deepEqual((await get('/_weft/reachability')).json['rows'], [{ zone: 'east', told: true, entries: [{ zone: 'west' }] }])
    })
    await withApi({ role: 'standalone' }, async ({ get }) => assert.equal((await get('/_weft/sync')).status, 404))
  })

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
