import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createOfflineMesh, readResourceDocuments } from '@weft/inspect'
import { defaultMeshSettings } from '@weft/mesh'
import { parseYamlDocuments } from '@weft/resources'
import type { ApiServerDeps } from './api-deps.ts'
import { registry, type Scene, withApi } from './api-scene.fixture.ts'

const world = `
type: Mesh
name: m
---
type: Dataplane
mesh: m
name: web
labels: {kuma.io/workload: web}
networking:
  address: 10.0.0.1
  inbound: [{port: 80, name: main, protocol: http}]
---
type: MeshService
mesh: m
name: api
spec:
  selector: {dataplaneLabels: {matchLabels: {app: api}}}
  ports: [{port: 80, name: http, targetPort: 8080, appProtocol: http}]
---
type: MeshHTTPRoute
mesh: m
name: route
spec:
  to:
  - targetRef: {kind: MeshService, labels: {kuma.io/display-name: api}}
    rules: [{matches: [{path: {type: PathPrefix, value: /v1}}], default: {}}]
---
type: MeshTimeout
mesh: m
name: slow
spec:
  rules: [{default: {idleTimeout: 3s}}]
---
type: MeshTimeout
mesh: m
name: route-slow
spec:
  to: [{targetRef: {kind: MeshHTTPRoute, labels: {kuma.io/display-name: route}}, default: {http: {requestTimeout: 9s}}}]
`

/** An API over facts that nobody wrote yet, in another role. */
async function withMeshAt(
  of: { readonly role: 'global'; readonly sync: NonNullable<ApiServerDeps['sync']> },
  run: (scene: Scene) => Promise<void>,
) {
  await using offline = await createOfflineMesh({ registry, resources: [], settings: { ...defaultMeshSettings, mode: 'global', zone: '' } })
  await withApi({ role: of.role, deps: { store: offline.store, mesh: offline.mesh, sync: of.sync } }, async (scene) => {
    await scene.seed({ type: 'Mesh', name: 'm', spec: {} })
    await run(scene)
  })
}

async function withMesh(run: (scene: Scene, settled: () => Promise<void>) => Promise<void>): Promise<void> {
  const documents = parseYamlDocuments(world).map(({ line, value }) => ({ source: String(line), value }))
  const place = { mode: 'zone', zone: 'default', federated: false, environment: 'universal' } as const
  const { resources, refused } = readResourceDocuments(registry, documents, place)
  assert.deepEqual(refused, [])
  await using offline = await createOfflineMesh({ registry, resources, settings: defaultMeshSettings })
  await withApi({ role: 'standalone', deps: { store: offline.store, mesh: offline.mesh } }, (scene) =>
    run(scene, () => offline.mesh.settled()),
  )
}

const base = '/meshes/m/dataplanes/web'
const outbound = 'kri_msvc_m_default__api_http'

void test('rules, policies and layout of a dataplane', async () => {
  await withMesh(async (api) => {
    const rules = await api.get(`${base}/_rules`)
    assert.equal(rules.status, 200)
    assert.deepEqual(
      rules.json['rules'].map((rule: { type: string }) => rule.type),
      ['MeshHTTPRoute', 'MeshTimeout'],
    )
    assert.equal(rules.json['httpMatches'].length, 1)
    const inbound = await api.get(`${base}/_inbounds/kri_dp_m_default__web_main/_policies`)
    assert.deepEqual(inbound.json['policies'][0].rules, [{ kri: 'kri_mt_m_default__slow_', conf: { idleTimeout: '3s' } }])
    const routes = await api.get(`${base}/_outbounds/${outbound}/_routes`)
    assert.equal(routes.json['routes'][0].rules[0].kri, 'kri_mhttpr_m_default__route_')
    const route = await api.get(`${base}/_outbounds/${outbound}/_routes/kri_mhttpr_m_default__route_/_policies`)
    assert.deepEqual(route.json['policies'][0].conf, [{ http: { requestTimeout: '9s' } }])
    const layout = await api.get(`${base}/_layout`)
    assert.deepEqual(layout.json['inbounds'][0].proxyResourceName, 'self_inbound_dp_main')
    assert.ok(layout.json['outbounds'].some(({ kri }: { kri: string }) => kri === outbound))
  })
})

void test('an identifier that is none, of no kind or of nothing says so', async () => {
  await withMesh(async (api) => {
    const detailOf = async (path: string) => {
      const { status, json } = await api.get(`${base}/${path}`)
      return [status, json['detail']]
    }
    assert.deepEqual(await detailOf('_inbounds/x/_policies'), [400, 'bad request: invalid identifier string: "x"'])
    assert.deepEqual(await detailOf('_inbounds/id_dp_m_z__web_main/_policies'), [
      400,
      'bad request: identifier must start with \'kri\': "id_dp_m_z__web_main"',
    ])
    assert.deepEqual(await detailOf('_outbounds/kri_zz_m_z__api_http/_policies'), [
      400,
      'bad request: unknown short name of resource type: "zz"',
    ])
    assert.equal((await detailOf('_inbounds/kri_dp_m_default__web_nope/_policies'))[0], 404)
    assert.equal((await detailOf('_outbounds/kri_msvc_m_default__nope_http/_policies'))[0], 404)
    assert.equal((await detailOf(`_outbounds/${outbound}/_routes/kri_mhttpr_m_default__nope_/_policies`))[0], 404)
    assert.equal((await api.get('/meshes/m/dataplanes/nope/_rules')).json['title'], 'Could not retrieve Dataplane')
  })
})

void test('an explanation names policies, fields and endpoints', async () => {
  await withMesh(async (api) => {
    const { status, json } = await api.get(`${base}/_explain?policy=mt&to=api:80`)
    assert.equal(status, 200)
    assert.deepEqual(
      json['policies'].map((policy: { kind: string }) => policy.kind),
      ['MeshTimeout'],
    )
    assert.equal(json['destinations'][0].kri, outbound)
    assert.equal(json['destinations'][0].leftOut.length, 1)
    assert.equal((await api.get(`${base}/_explain?policy=mesh`)).json['detail'], 'bad request: "mesh" is no policy type')
    assert.equal((await api.get(`${base}/_explain?at=elsewhere`)).status, 404)
  })
})

void test('global tells which policies a zone refuses or has not acknowledged', () => {
  let accepted = 0
  const refusals = [
    { peer: 'east', refused: 'there', type: 'MeshTimeout', mesh: 'm', name: 'refused', reason: 'too new', since: 's' },
  ] as const
  const sync = {
    refusals: () => refusals,
    zones: () => [{ zone: 'east', sending: { cursor: { accepted } } }],
    liveness: () => ({ state: 'Online' }),
    reachability: () => new Map(),
  }
  return withMeshAt({ role: 'global', sync }, async ({ get, seed, store }) => {
    const spec = { rules: [{ default: { idleTimeout: '3s' } }] }
    await seed({ type: 'Zone', name: 'east', spec: {} })
    const labels = { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'east', 'kuma.io/display-name': 'web' }
    const networking = { address: '10.0.0.1', inbound: [{ port: 80, name: 'main', protocol: 'http' }] }
    await seed({ type: 'Dataplane', mesh: 'm', name: 'web-x', labels, spec: { networking } })
    await seed({ type: 'MeshTimeout', mesh: 'm', name: 'of-the-zone', labels: { ...labels, 'kuma.io/display-name': 'own' }, spec })
    for (const name of ['refused', 'known']) await seed({ type: 'MeshTimeout', mesh: 'm', name, spec })
    accepted = store.seq
    await seed({ type: 'MeshTimeout', mesh: 'm', name: 'later', spec })
    const { json } = await get('/meshes/m/dataplanes/web-x/_explain?policy=mt')
    const selected = json['policies'][0].selected as { name: string; heldBack?: { reason: string } }[]
    assert.deepEqual(Object.fromEntries(selected.map(({ name, heldBack }) => [name, heldBack?.reason])), {
      known: undefined,
      later: 'not synced yet',
      own: undefined,
      refused: 'quarantined',
    })
  })
})

void test('hostnames of a destination are those it holds', () =>
  withMesh(async ({ get, store }, settled) => {
    const services = (name: string) => `/meshes/m/meshservices/${name}/_hostnames`
    const context = { actor: 'user:test', reason: 'api', class: 'desired' } as const
    const generator = { type: 'HostnameGenerator', mesh: '', name: 'flat', labels: {} }
    const spec = { selector: { meshService: { matchLabels: {} } }, template: 'api.mesh.local' }
    const late = { type: 'MeshService', mesh: 'm', name: 'zz-late', labels: {}, spec: { ports: [{ port: 1 }] } }
    for (const resource of [{ ...generator, spec }, late]) await store.transact([{ op: 'put', resource }], context)
    await settled()
    assert.deepEqual((await get(services('api'))).json, { total: 1, items: [{ hostname: 'api.mesh.local', zones: [{ name: 'default' }] }] })
    assert.deepEqual((await get(services('zz-late'))).json, { total: 0, items: null })
  }))
