// Our global against a stock zone that speaks raw messages.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { FakeClock } from '@weft/foundation/time'
import { codec } from '@weft/proto'
import type { KdsServer } from './contract.ts'
import { defaultMassDelete } from './mass-delete-guard.ts'
import { createKdsServer, type KdsServerOptions } from './server.ts'
import { type Member, memberOf, memoryStore, serverOptions, until } from './testing/federation.ts'
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  jsonResource,
  jsonResources,
  methods,
  type RawStream,
  type RawZone,
  rawZone,
  stockFeatures,
} from './testing/raw-zone.ts'

interface Global extends AsyncDisposable, Member {
  readonly server: KdsServer
}

async function startGlobal(extra: Partial<KdsServerOptions> = {}): Promise<Global> {
  const store = memoryStore()
  const server = createKdsServer(serverOptions(store, extra))
  await server.start()
  return {
    ...memberOf(store),
    server,
    [Symbol.asyncDispose]: async () => {
      await server.stop()
      await store.close()
    },
  }
}

function subscribe(zone: RawZone, stream: RawStream, type: string, extra: Partial<Parameters<typeof encodeRequest>[0]> = {}): void {
  stream.send(encodeRequest({ node: zone.node(), typeUrl: type, resourceNamesSubscribe: ['*'], ...extra }))
}

async function answer(zone: RawZone, stream: RawStream, error?: string): Promise<ReturnType<typeof decodeResponse>> {
  const response = decodeResponse(await stream.next())
  stream.send(
    encodeRequest({
      node: { id: zone.node().id ?? '' },
      ...(response.typeUrl === undefined ? {} : { typeUrl: response.typeUrl }),
      ...(response.nonce === undefined ? {} : { responseNonce: response.nonce }),
      ...(error === undefined ? {} : { errorDetail: { message: error }, resourceNamesSubscribe: ['*'] }),
    }),
  )
  return response
}

test('every subscribe is answered with the complete list, an unknown type with an empty one', async () => {
  // the others wait for Mesh as long as it takes: time stands still
  await using global = await startGlobal({ clock: new FakeClock() })
  await global.put('Mesh', '', 'default', {})
  await global.put('MeshTimeout', 'default', 'mesh-timeout-all-default', { to: [] }, { 'kuma.io/mesh': 'default' })
  await using zone = rawZone('zone-1', global.server.port)
  const stream = zone.open(methods.globalToZone)
  for (const type of ['MeshTimeout', 'NoSuchType', 'Mesh']) subscribe(zone, stream, type)
  const responses = [decodeResponse(await stream.next()), decodeResponse(await stream.next()), decodeResponse(await stream.next())]
  assert.deepEqual(
    responses.map((response) => response.typeUrl),
    ['Mesh', 'MeshTimeout', 'NoSuchType'],
  )
  const [mesh, timeout, unknown] = responses
  assert.equal(unknown?.resources?.length, 0)
  assert.equal(mesh?.controlPlane?.identifier, 'global')
  assert.equal(mesh?.systemVersionInfo, '')
  const [meshResource] = mesh ? jsonResources(mesh) : []
  assert.deepEqual(meshResource?.meta, { name: 'default', mesh: '', labels: { 'kuma.io/origin': 'global' } })
  assert.equal(meshResource?.name, 'default.')
  assert.equal(meshResource?.spec, 'type.googleapis.com/kuma.mesh.v1alpha1.Mesh')
  const [policy] = timeout ? jsonResources(timeout) : []
  assert.equal(policy?.name, 'mesh-timeout-all-default-bv8z44b7bzb99xc7.default')
  assert.deepEqual(policy?.meta.labels, {
    'kuma.io/display-name': 'mesh-timeout-all-default',
    'kuma.io/mesh': 'default',
    'kuma.io/origin': 'global',
  })
  const any = timeout?.resources?.[0]?.resource
  assert.equal(any?.typeUrl, 'type.googleapis.com/kuma.mesh.v1alpha1.KumaResource')
  assert.equal(
    policy?.version,
    createHash('sha256')
      .update(any?.value ?? '')
      .digest('hex'),
  )
})

test('the first list of a mesh-scoped type waits for Mesh, but not for ever', async () => {
  await using global = await startGlobal()
  await using zone = rawZone('zone-1', global.server.port)
  const stream = zone.open(methods.globalToZone)
  subscribe(zone, stream, 'MeshTimeout')
  assert.equal(decodeResponse(await stream.next()).typeUrl, 'MeshTimeout')
})

test('changes go at once, one response per type at a time, the latest value of each', async () => {
  await using global = await startGlobal()
  await using zone = rawZone('zone-1', global.server.port)
  const stream = zone.open(methods.globalToZone)
  subscribe(zone, stream, 'Mesh')
  await answer(zone, stream)
  await global.put('Mesh', '', 'a', {})
  const first = decodeResponse(await stream.next())
  assert.deepEqual(
    first.resources?.map((resource) => resource.name),
    ['a.'],
  )
  // not acknowledged yet: what happens now is collected
  await global.put('Mesh', '', 'b', {})
  await global.put('Mesh', '', 'b', { skipCreatingInitialPolicies: ['*'] })
  await global.put('Mesh', '', 'c', {})
  await global.remove('Mesh', '', 'c')
  await global.remove('Mesh', '', 'a')
  stream.send(encodeRequest({ node: { id: 'zone-1' }, typeUrl: 'Mesh', responseNonce: first.nonce ?? '' }))
  const second = await answer(zone, stream)
  assert.deepEqual(
    second.resources?.map((resource) => resource.name),
    ['b.'],
  )
  assert.deepEqual(second.removedResources, ['a.'])
  await global.put('Mesh', '', 'd', {})
  assert.deepEqual(
    (await answer(zone, stream)).resources?.map((resource) => resource.name),
    ['d.'],
  )
})

test('a stale or unknown nonce changes nothing', async () => {
  await using global = await startGlobal()
  await using zone = rawZone('zone-1', global.server.port)
  const stream = zone.open(methods.globalToZone)
  subscribe(zone, stream, 'Mesh')
  const first = decodeResponse(await stream.next())
  stream.send(encodeRequest({ node: { id: 'zone-1' }, typeUrl: 'Mesh', responseNonce: 'nonsense' }))
  stream.send(encodeRequest({ node: { id: 'zone-1' }, typeUrl: 'Config', responseNonce: first.nonce ?? '' }))
  await global.put('Mesh', '', 'a', {})
  // the Config above counts as a subscribe; Mesh still waits for its own ACK
  assert.equal(decodeResponse(await stream.next()).typeUrl, 'Config')
  stream.send(encodeRequest({ node: { id: 'zone-1' }, typeUrl: 'Mesh', responseNonce: first.nonce ?? '' }))
  assert.equal(decodeResponse(await stream.next()).typeUrl, 'Mesh')
})

test('a rejected response is not sent again until its content changes, and others flow', async () => {
  const failures: string[] = []
  await using global = await startGlobal({
    recorder: {
      ...serverOptions(memoryStore()).recorder,
      responseCounted: (_zone, _id, type, outcome, failure) => outcome === 'rejected' && failures.push(`${type}: ${failure}`),
    },
  })
  await using zone = rawZone('zone-1', global.server.port)
  const stream = zone.open(methods.globalToZone)
  subscribe(zone, stream, 'Mesh')
  await answer(zone, stream)
  await global.put('Mesh', '', 'bad', {})
  await answer(zone, stream, 'bad: no good')
  await global.put('Mesh', '', 'good', {})
  assert.deepEqual(
    (await answer(zone, stream)).resources?.map((resource) => resource.name),
    ['good.'],
  )
  await global.put('Mesh', '', 'bad', { skipCreatingInitialPolicies: ['*'] })
  assert.deepEqual(
    (await answer(zone, stream)).resources?.map((resource) => resource.name),
    ['bad.'],
  )
  assert.deepEqual(failures, ['Mesh: bad: no good'])
  assert.equal(global.server.zones()[0]?.inSync, false, 'the other direction is not open')
})

test('with initial_resource_versions nothing known is sent again and vanished names are removed', async () => {
  await using global = await startGlobal()
  await global.put('Mesh', '', 'same', {})
  await global.put('Mesh', '', 'changed', {})
  await using zone = rawZone('zone-1', global.server.port)
  const first = zone.open(methods.globalToZone)
  subscribe(zone, first, 'Mesh')
  const listed = decodeResponse(await first.next())
  const versions = new Map((listed.resources ?? []).map((resource) => [resource.name ?? '', resource.version ?? '']))
  await global.put('Mesh', '', 'changed', { skipCreatingInitialPolicies: ['*'] })
  const second = zone.open(methods.globalToZone)
  subscribe(zone, second, 'Mesh', { initialResourceVersions: { ...Object.fromEntries(versions), 'gone.': 'x' } })
  const resumed = decodeResponse(await second.next())
  assert.deepEqual(
    resumed.resources?.map((resource) => resource.name),
    ['changed.'],
  )
  assert.deepEqual(resumed.removedResources, ['gone.'])
})

test('a newer stream of a zone supersedes the older one and keeps getting updates', async () => {
  await using global = await startGlobal()
  await using older = rawZone('zone-1', global.server.port)
  await using newer = rawZone('zone-1', global.server.port)
  const first = older.open(methods.globalToZone)
  subscribe(older, first, 'Mesh')
  await answer(older, first)
  const second = newer.open(methods.globalToZone)
  subscribe(newer, second, 'Mesh')
  await answer(newer, second)
  const ended = await first.ended
  assert.equal(ended.code, status.CANCELLED)
  await global.put('Mesh', '', 'late', {})
  assert.deepEqual(
    (await answer(newer, second)).resources?.map((resource) => resource.name),
    ['late.'],
  )
  assert.deepEqual(
    global.server.zones().map((zone) => [zone.zone, zone.streams]),
    [['zone-1', ['globalToZone']]],
  )
})

test('a 2.14 zone gets a Mesh in Exclusive mode and policies with a targetRef', async () => {
  await using global = await startGlobal()
  await global.put('Mesh', '', 'default', { skipCreatingInitialPolicies: ['*'] })
  await global.put('MeshTimeout', 'default', 'slow', { to: [] })
  await using zone = rawZone('old', global.server.port)
  const headers = zone.headers()
  headers.remove('zone-version')
  const stream = zone.open(methods.globalToZone, headers)
  const node = {
    id: 'old',
    metadata: codec('google.protobuf.Struct').fromJson({ version: { kumaCp: { version: '2.14.3' } }, features: stockFeatures }),
  }
  for (const type of ['Mesh', 'MeshTimeout', 'TrafficRoute']) subscribe(zone, stream, type, { node })
  const mesh = decodeResponse(await stream.next())
  const wire = codec('kuma.mesh.v1alpha1.KumaResource').decode(mesh.resources?.[0]?.resource?.value ?? new Uint8Array(0))
  assert.equal(wire.spec?.typeUrl, 'type.googleapis.com/kuma.mesh.v1alpha1.Mesh')
  assert.deepEqual(codec('kuma.legacy.v2.Mesh').toJson(codec('kuma.legacy.v2.Mesh').decode(wire.spec?.value ?? new Uint8Array(0))), {
    skipCreatingInitialPolicies: ['*'],
    meshServices: { mode: 'Exclusive' },
  })
  assert.deepEqual(jsonResources(decodeResponse(await stream.next()))[0]?.spec, { targetRef: { kind: 'Mesh' }, to: [] })
  assert.equal(decodeResponse(await stream.next()).resources?.length, 0)
})

test('a zone without hash-suffix in its node gets plain names, without it in its headers is prefixed', async () => {
  await using global = await startGlobal()
  await global.put('Mesh', '', 'default', {})
  await global.put('MeshTimeout', 'default', 'slow', { to: [] })
  await using zone = rawZone('old', global.server.port)
  const headers = zone.headers()
  headers.remove('features')
  // what a client that joins its features looks like to a stock global
  headers.set('features', 'zone-ping-health')
  const down = zone.open(methods.globalToZone, headers)
  subscribe(zone, down, 'Mesh', { node: zone.node([]) })
  subscribe(zone, down, 'MeshTimeout', { node: zone.node([]) })
  await answer(zone, down)
  assert.equal(jsonResources(await answer(zone, down))[0]?.name, 'slow.default')
  const up = zone.open(methods.zoneToGlobal, headers)
  up.send(
    encodeResponse({
      typeUrl: 'MeshService',
      nonce: '1',
      resources: [jsonResource('default', 'web', { ports: [{ port: 80 }] }, { 'kuma.io/display-name': 'web' })],
    }),
  )
  await until(() => global.store.list('MeshService').length === 1)
  assert.equal(global.store.list('MeshService')[0]?.name, 'old.web')
})

test('a stock zone is asked for all types that go up, with the node of a global', async () => {
  await using global = await startGlobal()
  await using zone = rawZone('zone-1', global.server.port)
  const stream = zone.open(methods.zoneToGlobal)
  const types: string[] = []
  for (let count = 0; count < 11; count++) {
    const request = decodeRequest(await stream.next())
    types.push(request.typeUrl ?? '')
    assert.deepEqual(request.resourceNamesSubscribe, ['*'])
    assert.equal(request.node?.id, 'zone-1')
    const metadata = codec('google.protobuf.Struct').toJson(request.node?.metadata ?? {})
    assert.deepEqual(Object.keys(metadata as object).sort(), ['config', 'control-plane-id', 'features', 'version', 'weft-store-id'])
  }
  // of the core kinds and the policy of this test
  assert.deepEqual(types.sort(), [
    'Dataplane',
    'DataplaneInsight',
    'HostnameGenerator',
    'MeshExternalService',
    'MeshIdentity',
    'MeshOpenTelemetryBackend',
    'MeshService',
    'MeshTimeout',
    'MeshTrust',
    'MeshZoneAddress',
    'Workload',
  ])
})

test('what a zone sends is stored under its session, whatever it claims to be', async () => {
  await using global = await startGlobal()
  await using zone = rawZone('zone-b', global.server.port)
  const stream = zone.open(methods.zoneToGlobal)
  const labels = { 'kuma.io/zone': 'zone-a', 'kuma.io/origin': 'global', 'kuma.io/display-name': 'web', __proto__x: 'y' }
  stream.send(
    encodeResponse({
      typeUrl: 'MeshService',
      nonce: '1',
      controlPlane: { identifier: 'zone-a' },
      resources: [
        jsonResource('default', 'web-hash', { ports: [{ port: 80 }] }, labels),
        jsonResource('default', 'bad', { ports: 'none' }, labels),
      ],
    }),
  )
  await until(() => global.store.list('MeshService').length === 1)
  assert.equal(global.store.list('MeshService')[0]?.labels['kuma.io/zone'], 'zone-b')
  assert.equal(global.store.list('MeshService')[0]?.labels['kuma.io/origin'], 'zone')
  let nack: ReturnType<typeof decodeRequest> | undefined
  while (!nack?.responseNonce) nack = decodeRequest(await stream.next())
  assert.equal(nack.typeUrl, 'MeshService')
  assert.match(nack.errorDetail?.message ?? '', /MeshService name=bad mesh=default: spec\.ports/)
  assert.deepEqual(nack.resourceNamesSubscribe, ['*'])
})

test('a zone cannot touch what belongs to another one', async () => {
  await using global = await startGlobal()
  await global.put('MeshService', 'default', 'web-x', { ports: [{ port: 1 }] }, { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'zone-a' })
  await using zone = rawZone('zone-b', global.server.port)
  const stream = zone.open(methods.zoneToGlobal)
  stream.send(
    encodeResponse({
      typeUrl: 'MeshService',
      nonce: '1',
      resources: [jsonResource('default', 'web-x', { ports: [{ port: 2 }] }), jsonResource('default', 'mine', {})],
    }),
  )
  let nack: ReturnType<typeof decodeRequest> | undefined
  while (!nack?.responseNonce) nack = decodeRequest(await stream.next())
  assert.match(nack.errorDetail?.message ?? '', /name=web-x .*already exists/)
  stream.send(encodeResponse({ typeUrl: 'MeshService', nonce: '2', removedResources: ['web-x.default', 'mine.default'] }))
  await until(() => global.store.get({ type: 'MeshService', mesh: 'default', name: 'mine' }) === undefined)
  assert.deepEqual(global.store.get({ type: 'MeshService', mesh: 'default', name: 'web-x' })?.spec, { ports: [{ port: 1 }] })
})

test('the first list of a stock zone deletes what it lacks, later responses only what they name', async () => {
  await using global = await startGlobal()
  const mine = { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'zone-1' }
  await global.put('Config', '', 'weft-kds-origin.zone-1', { config: '{"incarnation":"stock","held":{}}' })
  await global.put('MeshService', 'default', 'gone', {}, mine)
  await global.put('MeshService', 'default', 'kept', {}, mine)
  await using zone = rawZone('zone-1', global.server.port)
  const stream = zone.open(methods.zoneToGlobal)
  stream.send(encodeResponse({ typeUrl: 'MeshService', nonce: '1', resources: [jsonResource('default', 'kept', {}, mine)] }))
  await until(() => global.store.list('MeshService').length === 1)
  stream.send(encodeResponse({ typeUrl: 'MeshService', nonce: '2', resources: [jsonResource('default', 'new', {}, mine)] }))
  await until(() => global.store.list('MeshService').length === 2)
  assert.deepEqual(
    global.store.list('MeshService').map((service) => service.name),
    ['kept', 'new'],
  )
})

test('a first list that lacks most of a type is held until someone approves', async () => {
  await using global = await startGlobal({ massDelete: { ...defaultMassDelete, min: 3, atATime: 0 } })
  const mine = { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'zone-1' }
  await global.put('Config', '', 'weft-kds-origin.zone-1', { config: '{"incarnation":"stock","held":{}}' })
  await global.put('Mesh', '', 'default', {})
  for (const name of ['a', 'b', 'c', 'd']) await global.put('MeshService', 'default', name, {}, mine)
  await using zone = rawZone('zone-1', global.server.port)
  const stream = zone.open(methods.zoneToGlobal)
  stream.send(encodeResponse({ typeUrl: 'MeshService', nonce: '1', resources: [jsonResource('default', 'a', {}, mine)] }))
  await until(() => global.server.held().length === 1)
  assert.equal(global.store.list('MeshService').length, 4)
  stream.send(encodeResponse({ typeUrl: 'MeshService', nonce: '2', resources: [jsonResource('default', 'b', {}, mine)] }))
  await until(() => global.server.held()[0]?.keys.length === 2)
  assert.equal(await global.server.approveRemoval({ origin: 'zone-1', type: 'MeshService' }), 2)
  assert.deepEqual(
    global.store.list('MeshService').map((service) => service.name),
    ['a', 'b'],
  )
  assert.deepEqual(global.server.held(), [])
})

test('answers to admin requests nobody waits for are ignored', async () => {
  await using global = await startGlobal()
  await using zone = rawZone('zone-1', global.server.port)
  const stream = zone.open(methods.configDump)
  await until(() => global.server.zones().length === 1)
  const answers = codec('kuma.mesh.v1alpha1.XDSConfigResponse')
  stream.send(answers.encode({ requestId: 'unknown', config: Buffer.from('x') }))
  const proxy = {
    type: 'Dataplane',
    mesh: 'default',
    name: 'dp1-hash',
    labels: { 'kuma.io/display-name': 'dp1' },
    creationTime: '',
    modificationTime: '',
    version: 1,
    spec: {},
  }
  const asked = global.server.ask('zone-1', 'configDump', proxy, { includeEds: true })
  const request = codec('kuma.mesh.v1alpha1.XDSConfigRequest').decode(await stream.next())
  assert.deepEqual([request.resourceName, request.resourceMesh, request.includeEds], ['dp1', 'default', true])
  for (let twice = 0; twice < 2; twice++) stream.send(answers.encode({ requestId: request.requestId ?? '', config: Buffer.from('dump') }))
  assert.equal(Buffer.from(await asked).toString(), 'dump')
  const failing = global.server.ask('zone-1', 'configDump', proxy)
  const second = codec('kuma.mesh.v1alpha1.XDSConfigRequest').decode(await stream.next())
  stream.send(answers.encode({ requestId: second.requestId ?? '', error: 'no route' }))
  await assert.rejects(failing, { code: 'kds/admin-failed', message: 'no route' })
  await assert.rejects(global.server.ask('zone-1', 'stats', proxy), { code: 'kds/not-connected' })
  const dropped = global.server.ask('zone-1', 'configDump', proxy)
  await stream.next()
  stream.call.cancel()
  await assert.rejects(dropped, { code: 'kds/admin-failed' })
})

test('a zone whose store is Kubernetes is asked about a proxy by name and namespace', async () => {
  await using global = await startGlobal()
  await using zone = rawZone('zone-1', global.server.port)
  const sync = zone.open(methods.globalToZone)
  sync.send(
    encodeRequest({
      node: zone.node(stockFeatures, { config: '{"environment":"kubernetes","store":{"type":"kubernetes"}}' }),
      typeUrl: 'Mesh',
      resourceNamesSubscribe: ['*'],
    }),
  )
  await sync.next()
  const stream = zone.open(methods.configDump)
  await until(() => global.server.zones()[0]?.streams.includes('configDump') === true)
  const proxy = {
    type: 'Dataplane',
    mesh: 'default',
    name: 'web-1-hash',
    labels: { 'kuma.io/display-name': 'web-1', 'k8s.kuma.io/namespace': 'shop' },
    creationTime: '',
    modificationTime: '',
    version: 1,
    spec: {},
  }
  const asked = global.server.ask('zone-1', 'configDump', proxy)
  const request = codec('kuma.mesh.v1alpha1.XDSConfigRequest').decode(await stream.next())
  assert.deepEqual([request.resourceType, request.resourceName, request.resourceMesh], ['Dataplane', 'web-1.shop', 'default'])
  const answer = codec('kuma.mesh.v1alpha1.XDSConfigResponse').encode({ requestId: request.requestId ?? '', config: Buffer.from('dump') })
  // a duplicate that comes late harms nobody
  for (let twice = 0; twice < 2; twice++) stream.send(answer)
  assert.equal(Buffer.from(await asked).toString(), 'dump')
})

test('a zone that is not admitted gets nothing and leaves nothing', async () => {
  await using global = await startGlobal({
    admit: ({ zone, authorization }) =>
      authorization[0] === 'Bearer good'
        ? { admitted: true, credential: 'zoneToken', expiresAt: undefined }
        : { admitted: false, reason: `${zone} may not` },
  })
  await using zone = rawZone('zone-1', global.server.port)
  assert.deepEqual(await zone.open(methods.globalToZone).ended, { code: status.UNAUTHENTICATED, details: 'zone-1 may not' })
  assert.deepEqual(global.store.list('Zone'), [])
  const headers = zone.headers()
  headers.set('authorization', 'Bearer good')
  const stream = zone.open(methods.globalToZone, headers)
  subscribe(zone, stream, 'Mesh')
  assert.equal(decodeResponse(await stream.next()).typeUrl, 'Mesh')
  assert.equal(global.store.list('Zone').length, 1)
})

test('recorded at once: subscription, description, counters, streams', async () => {
  const seen: string[] = []
  const note =
    (name: string) =>
    (...values: readonly unknown[]): void => {
      seen.push(
        `${name} ${values.filter((value) => value === 'zone-1' || value === 'Mesh' || value === 'sent' || value === 'acknowledged' || value === 'globalToZone').join(' ')}`.trim(),
      )
    }
  await using global = await startGlobal({
    recorder: {
      subscriptionOpened: note('opened'),
      subscriptionDescribed: note('described'),
      responseCounted: note('counted'),
      subscriptionClosed: note('closed'),
      subscriptionReopened: note('reopened'),
      streamOpened: note('stream'),
      streamClosed: note('stream closed'),
      healthChecked: note('health'),
    },
  })
  await using zone = rawZone('zone-1', global.server.port)
  const stream = zone.open(methods.globalToZone)
  subscribe(zone, stream, 'Mesh')
  await answer(zone, stream)
  await until(() => seen.length === 5)
  stream.call.cancel()
  await until(() => seen.length === 7)
  assert.deepEqual(seen, [
    'stream zone-1 globalToZone',
    'opened',
    'described zone-1',
    'counted zone-1 Mesh sent',
    'counted zone-1 Mesh acknowledged',
    'stream closed zone-1 globalToZone',
    'closed zone-1',
  ])
})
