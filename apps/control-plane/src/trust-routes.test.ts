import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adminUser, anonymousUser, type ApiReply, type ApiRequest, defaultAccessRules, Problem } from '@weft/api'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createGraph } from '@weft/graph'
import { createMeshCa } from '@weft/identity'
import { createMesh, defaultMeshSettings } from '@weft/mesh'
import { coreDescriptors, createRegistry } from '@weft/resources'
import { createMemoryStore } from '@weft/store'
import { trustRoutes } from './trust-routes.ts'

// the tests give a flat body
const queryOf = (body: unknown): Record<string, string> => body as Record<string, string>
const request = (method: string, body?: unknown, user = adminUser): ApiRequest => ({
  method,
  param: () => '',
  query: new URLSearchParams(method === 'DELETE' ? queryOf(body) : ''),
  path: '/_weft/trust',
  origin: 'http://127.0.0.1',
  body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
  user,
  address: '127.0.0.1',
  header: () => '',
})

test('an administrator sees whose trust reaches the others, approves a shared domain and takes it back', async () => {
  const clock = new FakeClock()
  const store = createMemoryStore({ clock, log: silentLogger })
  const mesh = createMesh({
    graph: createGraph({ clock, log: silentLogger }),
    store,
    registry: createRegistry(coreDescriptors),
    settings: { ...defaultMeshSettings, mode: 'global', zone: '' },
    clock,
    log: silentLogger,
  })
  const put = async (
    type: string,
    name: string,
    value: { readonly mesh?: string; readonly labels?: Record<string, string>; readonly spec?: unknown },
  ) => {
    const { mesh: of = 'default', labels = {}, spec = {} } = value
    await store.transact([{ op: 'put', resource: { type, mesh: of, name, labels, spec } }], {
      actor: 'user:t',
      reason: 'api',
      class: 'desired',
    })
    await mesh.settled()
  }
  mesh.start()
  const ofZone = (zone: string) => ({ 'kuma.io/origin': 'zone', 'kuma.io/zone': zone })
  const { certificatePem } = await createMeshCa({ trustDomain: 'corp.example', now: clock.now() })
  const trust = (trustDomain: string) => ({ trustDomain, caBundles: [{ type: 'Pem', pem: { value: certificatePem } }] })
  await put('Mesh', 'default', { mesh: '' })
  for (const zone of ['east', 'west']) {
    await put('Zone', zone, { mesh: '' })
    await put('MeshTrust', `mid-${zone}`, { labels: ofZone(zone), spec: trust('corp.example') })
  }
  await put('MeshTrust', 'forged', { labels: ofZone('west'), spec: trust('default.east.mesh.local') })
  await put('MeshIdentity', 'mid', { labels: { 'kuma.io/origin': 'global' }, spec: { spiffeID: { trustDomain: 'corp.example' } } })

  const [list, approvals] = trustRoutes({ store, mesh, mode: 'global', access: defaultAccessRules, log: silentLogger })
  const states = async (): Promise<Record<string, string>> => {
    const reply = await list?.handlers.GET?.(request('GET'))
    assert.ok(reply)
    // what the route answers
    const json = reply.json as { items: { name: string; state?: string }[] }
    return Object.fromEntries(json.items.map(({ name, state }) => [name.replace(/^zone-(\w+)-.*/, 'published $1'), state ?? '']))
  }
  const call = async (method: 'POST' | 'DELETE', body: unknown, user = adminUser): Promise<ApiReply> => {
    const reply = await approvals?.handlers[method]?.(request(method, body, user))
    assert.ok(reply)
    await mesh.settled()
    return reply
  }
  assert.deepEqual(await states(), { forged: 'foreign-domain', 'mid-east': 'needs-approval', 'mid-west': 'needs-approval' })
  const approved = await call('POST', { mesh: 'default', trustDomain: 'corp.example', zones: ['east'] })
  assert.deepEqual(approved.json, { mesh: 'default', trustDomain: 'corp.example', zones: ['east'] })
  assert.deepEqual(await states(), {
    forged: 'foreign-domain',
    'mid-east': 'published',
    'mid-west': 'needs-approval',
    'published east': '',
  })
  await call('POST', { mesh: 'default', trustDomain: 'corp.example' })
  assert.equal((await states())['mid-west'], 'published')
  await call('DELETE', { mesh: 'default', trustDomain: 'corp.example' })
  assert.deepEqual(await states(), { forged: 'foreign-domain', 'mid-east': 'needs-approval', 'mid-west': 'needs-approval' })

  const status = async (body: unknown, user = adminUser): Promise<number> => {
    try {
      await call('POST', body, user)
      return 200
    } catch (error) {
      assert.ok(error instanceof Problem)
      return error.status
    }
  }
  assert.equal(await status({ mesh: 'default', trustDomain: 'corp.example' }, anonymousUser), 403)
  assert.equal(await status({ mesh: 'default', trustDomain: 'default.east.mesh.local' }), 400)
  assert.equal(await status({ mesh: 'default', trustDomain: 'nobody.example' }), 404)
  assert.equal(await status({ mesh: 'default', trustDomain: 'corp.example', zones: ['north'] }), 404)
  for (const body of [undefined, 7, {}, { mesh: 'default' }, { mesh: 'default', trustDomain: 'corp.example', zones: [] }])
    assert.equal(await status(body), 400)
  // a zone decides nothing about trust
  assert.equal(trustRoutes({ store, mesh, mode: 'zone', access: defaultAccessRules, log: silentLogger }).length, 1)
  await mesh.stop()
  await store.close()
})
