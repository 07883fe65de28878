import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field, isObject } from '@weft/foundation/json'
import { explainDataplane, type ExplainQuestion } from './explain.ts'
import type { OfflineMesh } from './offline-mesh.ts'
import { offlineZone, registry, resourceOf } from './sample.fixture.ts'

const world = `
type: Mesh
name: default
---
type: MeshIdentity
mesh: default
name: identity
spec:
  selector: {dataplane: {matchLabels: {}}}
  spiffeID: {trustDomain: a, path: '/{{ label "kuma.io/workload" }}'}
  provider: {type: Bundled, bundled: {autogenerate: {enabled: true}, insecureAllowSelfSigned: true}}
---
type: Dataplane
mesh: default
name: web
labels: {kuma.io/workload: web}
networking:
  address: 10.0.0.1
  inbound: [{port: 80, name: main, protocol: http}]
---
type: Dataplane
mesh: default
name: api-1
labels: {kuma.io/workload: api, app: api}
networking:
  address: 10.0.0.2
  inbound: [{port: 8080, name: http, protocol: http}]
---
type: Dataplane
mesh: default
name: api-2
labels: {kuma.io/workload: api, app: api}
networking:
  address: 10.0.0.3
  inbound: [{port: 8080, name: http, protocol: http, state: NotReady}]
---
type: MeshService
mesh: default
name: api-svc
labels: {kuma.io/display-name: api-svc}
spec:
  selector: {dataplaneLabels: {matchLabels: {app: api}}}
  ports: [{port: 80, name: http, targetPort: 8080, appProtocol: http}]
---
type: MeshService
mesh: default
name: far
labels: {kuma.io/origin: global, kuma.io/zone: west, kuma.io/display-name: far}
spec:
  selector: {dataplaneLabels: {matchLabels: {app: far}}}
  ports: [{port: 80, name: http, targetPort: 8080, appProtocol: http}]
---
type: MeshTrafficPermission
mesh: default
name: web-only
spec:
  targetRef: {kind: Dataplane, labels: {app: api}}
  rules:
  - default: {allow: [{spiffeID: {type: Exact, value: 'spiffe://a/web'}}]}
---
type: MeshTimeout
mesh: default
name: base
spec:
  to:
  - targetRef: {kind: Mesh}
    default: {connectionTimeout: 1s, idleTimeout: 9s}
---
type: MeshTimeout
mesh: default
name: api-timeout
spec:
  to:
  - targetRef: {kind: MeshService, labels: {kuma.io/display-name: api-svc}}
    default: {connectionTimeout: 2s}
---
type: MeshTimeout
mesh: default
name: for-others
spec:
  targetRef: {kind: Dataplane, labels: {app: api}}
  rules: [{default: {idleTimeout: 3s}}]
---
type: MeshTimeout
mesh: default
name: of-west
labels: {kuma.io/zone: west}
spec:
  rules: [{default: {idleTimeout: 3s}}]
---
type: MeshTimeout
mesh: default
name: preview
labels: {kuma.io/effect: shadow}
spec:
  rules: [{default: {idleTimeout: 3s}}]
---
type: MeshTimeout
mesh: default
name: no-such-port
spec:
  targetRef: {kind: Dataplane, sectionName: admin}
  rules: [{default: {idleTimeout: 3s}}]
`

async function explain(zone: OfflineMesh, name: string, question: ExplainQuestion): Promise<Record<string, unknown>> {
  const explained = await explainDataplane(resourceOf(zone, name), question, {
    here: { zone: 'east', source: zone.source },
    perspectiveOf: async () => undefined,
  })
  assert.ok(explained)
  return { ...explained }
}

function items(value: unknown, name: string): readonly Record<string, unknown>[] {
  const list = field(value, name)
  assert.ok(Array.isArray(list))
  return list.filter(isObject).map((item) => ({ ...item }))
}

void test('policies that do not select a dataplane say what keeps them away', async () => {
  await using zone = await offlineZone(world)
  const [timeout] = items(await explain(zone, 'web', { kind: registry.get('MeshTimeout') ?? assert.fail() }), 'policies')
  assert.deepEqual(
    items(timeout, 'notSelected').map(({ name, reason }) => [name, reason]),
    [
      ['for-others', 'labels'],
      ['no-such-port', 'section'],
      ['of-west', 'zone'],
      ['preview', 'shadow'],
    ],
  )
  assert.deepEqual(
    items(timeout, 'selected').map(({ name, order }) => [name, order]),
    [
      ['base', 1],
      ['api-timeout', 2],
    ],
  )
})

void test('policies that the zone refuses, or has not got yet, are told apart from those that it has', async () => {
  await using zone = await offlineZone(world)
  const since = '2026-01-01T00:00:00Z'
  const sync = {
    refused: (type: string) =>
      type === 'MeshTimeout'
        ? [
            { name: 'base', reason: 'not valid', since },
            { name: 'never-seen', reason: 'cannot be decoded', since },
          ]
        : [],
    isOnItsWay: ({ name }: { readonly name: string }) => name === 'api-timeout',
  }
  const here = { zone: 'east', source: { ...zone.source, sync } }
  const question = { kind: registry.get('MeshTimeout') ?? assert.fail() }
  const explained = await explainDataplane(resourceOf(zone, 'web'), question, { here, perspectiveOf: async () => undefined })
  const [timeout] = items(explained, 'policies')
  assert.deepEqual(
    items(timeout, 'selected').map(({ name, heldBack }) => [name, field(heldBack, 'reason')]),
    [
      ['base', 'quarantined'],
      ['api-timeout', 'not synced yet'],
    ],
  )
  assert.deepEqual(items(timeout, 'notSelected').at(-1), {
    name: 'never-seen',
    reason: 'quarantined',
    message: `the zone refuses it since ${since}: cannot be decoded`,
  })
})

void test('every field of a merged conf names who set it and whom it overrides', async () => {
  await using zone = await offlineZone(world)
  const explained = await explain(zone, 'web', { kind: registry.get('MeshTimeout') ?? assert.fail(), to: 'api-svc:80' })
  const [timeout] = items(explained, 'policies')
  const [to] = items(timeout, 'to')
  const base = 'kri_mt_default_east__base_'
  assert.deepEqual(items(to, 'fields'), [
    { path: 'connectionTimeout', value: '2s', from: ['kri_mt_default_east__api-timeout_'], overridden: [base] },
    { path: 'idleTimeout', value: '9s', from: [base] },
  ])
})

void test('endpoints say why they are there, and dataplanes why they are not', async () => {
  await using zone = await offlineZone(world)
  const [destination] = items(await explain(zone, 'web', { to: 'api-svc' }), 'destinations')
  assert.deepEqual(
    items(destination, 'endpoints').map(({ address, priority, message }) => [address, priority, message]),
    [['10.0.0.2', 0, 'a ready inbound in this zone']],
  )
  assert.deepEqual(items(destination, 'leftOut'), [{ what: 'dataplane api-2', message: 'its inbound http is not ready' }])
})

void test('a service of another zone without an ingress address says so', async () => {
  await using zone = await offlineZone(world)
  const [destination] = items(await explain(zone, 'web', { to: 'far' }), 'destinations')
  assert.deepEqual(items(destination, 'leftOut'), [{ what: 'zone west', message: 'no MeshZoneAddress says where its ingress is' }])
  assert.deepEqual(items(destination, 'permission'), [
    { zone: 'west', message: 'the inbounds of zone west decide: ask the global control plane' },
  ])
})

void test('a call names the rule that allows it, or that none does', async () => {
  await using zone = await offlineZone(world)
  const verdicts = async (client: string) => {
    const [destination] = items(await explain(zone, client, { to: 'api-svc' }), 'destinations')
    return items(destination, 'permission').map(({ dataplane, allowed, by }) => [dataplane, allowed, by])
  }
  assert.deepEqual(await verdicts('web'), [
    ['api-1', true, 'kri_mtp_default_east__web-only_'],
    ['api-2', true, 'kri_mtp_default_east__web-only_'],
  ])
  assert.deepEqual(await verdicts('api-1'), [
    ['api-1', false, undefined],
    ['api-2', false, undefined],
  ])
})

void test('an unknown destination is an empty list', async () => {
  await using zone = await offlineZone(world)
  assert.deepEqual(items(await explain(zone, 'web', { to: 'nobody' }), 'destinations'), [])
})
