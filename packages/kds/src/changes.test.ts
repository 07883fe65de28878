// Single changes followed over real gRPC: our zones and a stock one against our global.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '@weft/foundation/metrics'
import { codec } from '@weft/proto'
import type { KdsServer } from './contract.ts'
import { nodeFeatures } from './features.ts'
import { createKdsClient } from './client.ts'
import { createOwnChanges } from './own-changes.ts'
import type { Delivery } from './received-progress.ts'
import { createKdsServer } from './server.ts'
import { clientOptions, federation, memberOf, memoryStore, registry, running, serverOptions, until } from './testing/federation.ts'
import { decodeResponse, encodeRequest, methods, rawZone, type RawStream, stockFeatures } from './testing/raw-zone.ts'

const resources = codec('kuma.mesh.v1alpha1.KumaResource')
const pongs = codec('weft.sync.v1.Pong')

const statesOf = (server: KdsServer, name: string, op = 'put') => {
  const found = server.changes({ limit: 1_000 }).items.find((change) => change.name === name && change.op === op)
  return Object.fromEntries(found?.zones.map(({ zone, state }) => [zone, state]) ?? [])
}

/** Proxies of a zone that are moved by hand. */
function proxies(): Delivery & { reach(figures: { pushed: number; acked: number; refusing?: number }): void } {
  const listeners = new Set<() => void>()
  let at = { pushed: 0, acked: 0, refusing: 0 }
  return {
    get pushed() {
      return at.pushed
    },
    get acked() {
      return at.acked
    },
    get refusing() {
      return at.refusing
    },
    onProgress: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    reach: (figures) => {
      at = { refusing: 0, ...figures }
      for (const listener of listeners) listener()
    },
  }
}

test('a write at global is seen stored, pushed and acked in its zone; a deletion too', async () => {
  const delivery = proxies()
  const metrics = createMetrics()
  await using fed = await federation(['east'], { client: { delivery }, server: { metrics } })
  const { server } = fed.global
  const { store, client } = fed.zone('east')
  await until(() => client.connection().complete, 'the first lists')
  const seq = await fed.global.put('Mesh', '', 'default', {})
  await until(() => statesOf(server, 'default')['east'] === 'stored', 'stored')
  assert.equal(client.connection().peer, 'own')
  delivery.reach({ pushed: store.seq, acked: 0 })
  await until(() => statesOf(server, 'default')['east'] === 'pushed', 'pushed')
  delivery.reach({ pushed: store.seq, acked: store.seq, refusing: 1 })
  await until(() => statesOf(server, 'default')['east'] === 'acked', 'acked')
  const change = server.changes({ limit: 1_000 }).items.find(({ name }) => name === 'default')
  const [inEast] = change?.zones ?? []
  assert.deepEqual([change?.seq, change?.op, change?.type, change?.actor], [seq, 'put', 'Mesh', 'user:test'])
  assert.ok(inEast && inEast.storedMs !== undefined && inEast.pushedMs !== undefined && inEast.ackedMs !== undefined)
  assert.ok(inEast.storedMs <= inEast.pushedMs && inEast.pushedMs <= inEast.ackedMs)
  assert.equal(inEast.refusing, 1)
  await fed.global.remove('Mesh', '', 'default')
  await until(() => statesOf(server, 'default', 'delete')['east'] === 'stored', 'the deletion stored')
  delivery.reach({ pushed: store.seq, acked: store.seq })
  await until(() => statesOf(server, 'default', 'delete')['east'] === 'acked', 'the deletion acked')
  assert.match((await metrics.expose()).text, /kds_convergence_seconds_count\{stage="acked"\} 2/)
  const east = server.changes({ limit: 0 }).zones.find(({ zone }) => zone === 'east')
  const mesh = east?.types.find(({ type }) => type === 'Mesh')
  assert.ok(mesh && mesh.acked === mesh.stored && mesh.stored > seq)
})

test('what one zone sends is followed into the others, not back, with the change of its origin', async () => {
  await using fed = await federation(['east', 'west'])
  const { server } = fed.global
  await fed.global.put('Mesh', '', 'default', {})
  await until(() => ['east', 'west'].every((zone) => fed.zone(zone).client.connection().complete), 'the first lists')
  const labels = { 'kuma.io/mesh': 'default', 'kuma.io/origin': 'zone', 'kuma.io/zone': 'east' }
  const seq = await fed.zone('east').put('MeshService', 'default', 'web', { ports: [{ port: 80 }] }, labels)
  const found = () => server.changes({ limit: 1_000 }).items.find(({ type }) => type === 'MeshService')
  await until(() => found()?.zones.some(({ state }) => state === 'stored') ?? false, 'stored in the other zone')
  assert.deepEqual(
    found()?.zones.map(({ zone, state }) => [zone, state]),
    [['west', 'stored']],
  )
  assert.deepEqual([found()?.originSeq, found()?.actor], [seq, 'zone:east'])
})

test('a zone shows its own changes: with its proxies, at global, and which change of global made them; a new connection starts afresh', async () => {
  const delivery = proxies()
  const metrics = createMetrics()
  const [globalStore, store] = [memoryStore(), memoryStore()]
  const [global, east] = [memberOf(globalStore), memberOf(store)]
  await using server = await running(createKdsServer(serverOptions(globalStore, { metrics })))
  const options = clientOptions(store, 'east', server.port)
  await using changes = await running(createOwnChanges({ ...options, store, registry, delivery }))
  const client = createKdsClient({ ...options, delivery, changes })
  await client.start()
  try {
    const seq = await global.put('Mesh', '', 'default', {})
    const seen = (name: string) => changes.report({ limit: 10 }).items.find((change) => change.name === name)
    const states = (name: string) => Object.fromEntries(seen(name)?.zones.map(({ zone, state }) => [zone, state]) ?? [])
    await until(() => seen('default')?.originSeq === seq, 'the change of global')
    await east.put('MeshService', 'default', 'web', { ports: [{ port: 80 }] }, { 'kuma.io/origin': 'zone', 'kuma.io/zone': 'east' })
    await until(() => states('web')['global'] === 'stored', 'stored at global')
    delivery.reach({ pushed: store.seq, acked: store.seq })
    assert.deepEqual([states('default'), states('web')], [{ east: 'acked' }, { east: 'acked', global: 'stored' }])
    // what was true on one connection is not told on the next one before it is true again
    await client.stop()
    await until(() => server.zones().length === 0)
    await client.start()
    await until(() => client.connection().complete && client.status().lastPing !== undefined, 'the next connection')
    await global.put('Mesh', '', 'other', {})
    await until(() => statesOf(server, 'other')['east'] === 'stored', 'stored')
    delivery.reach({ pushed: store.seq, acked: store.seq })
    await until(() => statesOf(server, 'other')['east'] === 'acked', 'acked')
    assert.doesNotMatch((await metrics.expose()).text, /kds_convergence_reports_refused_total [1-9]/)
  } finally {
    await client.stop()
  }
})

async function subscribed(zone: ReturnType<typeof rawZone>, features: readonly string[]): Promise<{ stream: RawStream; first: Buffer }> {
  const stream = zone.open(methods.globalToZone)
  stream.send(encodeRequest({ node: zone.node(features), typeUrl: 'Mesh', resourceNamesSubscribe: ['*'] }))
  return { stream, first: await stream.next() }
}

test('a stock zone gets the bytes it always got and is followed by its ACKs; an own one gets sequence numbers, with the same versions', async () => {
  const store = memoryStore()
  const global = memberOf(store)
  await using server = await running(createKdsServer(serverOptions(store)))
  await global.put('Mesh', '', 'default', {})
  await using stock = rawZone('stock', server.port)
  await using own = rawZone('own', server.port)
  const a = decodeResponse((await subscribed(stock, stockFeatures)).first)
  const b = decodeResponse((await subscribed(own, [...stockFeatures, nodeFeatures.originSeq])).first)
  const metaOf = (response: typeof a) => resources.decode(response.resources?.[0]?.resource?.value ?? new Uint8Array(0)).meta
  const stored = store.get({ type: 'Mesh', mesh: '', name: 'default' })
  assert.deepEqual([a.systemVersionInfo, metaOf(a)?.version], ['', ''])
  assert.deepEqual([b.systemVersionInfo, metaOf(b)?.version], [`weft:seq=${store.seq}`, String(stored?.version)])
  assert.equal(a.resources?.[0]?.version, b.resources?.[0]?.version, 'the version is that of the content')
})

test('a stock zone is followed as far as it tells: stored', async () => {
  const store = memoryStore()
  const global = memberOf(store)
  await using server = await running(createKdsServer(serverOptions(store)))
  await using zone = rawZone('stock', server.port)
  const { stream, first } = await subscribed(zone, stockFeatures)
  const answer = (bytes: Buffer, message?: string): void => {
    const { nonce = '' } = decodeResponse(bytes)
    const error = message === undefined ? {} : { errorDetail: { message } }
    stream.send(encodeRequest({ node: { id: 'stock' }, typeUrl: 'Mesh', responseNonce: nonce, ...error }))
  }
  answer(first)
  await global.put('Mesh', '', 'good', {})
  const second = await stream.next()
  assert.equal(statesOf(server, 'good')['stock'], 'sent')
  answer(second)
  await until(() => statesOf(server, 'good')['stock'] === 'stored', 'stored')
  await global.put('Mesh', '', 'bad', {})
  answer(await stream.next(), 'no thanks')
  await until(() => statesOf(server, 'bad')['stock'] === 'refused', 'refused')
  stream.call.cancel()
  await until(() => server.zones().length === 0)
  await global.put('Mesh', '', 'late', {})
  assert.equal(statesOf(server, 'late')['stock'], 'waiting')
})

test('what a hostile zone tells of its progress harms nothing: it is counted, and true words after it count', async () => {
  const metrics = createMetrics()
  const store = memoryStore()
  const global = memberOf(store)
  await using server = await running(createKdsServer(serverOptions(store, { metrics })))
  await using zone = rawZone('east', server.port)
  const { stream, first } = await subscribed(zone, [...stockFeatures, nodeFeatures.originSeq])
  const acknowledge = (bytes: Buffer): void => {
    stream.send(encodeRequest({ node: { id: 'east' }, typeUrl: 'Mesh', responseNonce: decodeResponse(bytes).nonce ?? '' }))
  }
  acknowledge(first)
  const seq = await global.put('Mesh', '', 'default', {})
  acknowledge(await stream.next())
  await until(() => statesOf(server, 'default')['east'] === 'stored', 'stored')
  const pings = zone.open(methods.ping)
  await pings.next()
  const tell = (type: string, figures: readonly [stored: number | bigint, pushed: number | bigint, acked: number | bigint]): void => {
    const [stored, pushed, acked] = figures.map(Number)
    const progress = [{ type, stored: stored ?? 0, pushed: pushed ?? 0, acked: acked ?? 0 }]
    pings.send(pongs.encode({ sequence: 0, progress }))
  }
  tell('Mesh', [2 ** 60, 2 ** 60, 2 ** 60])
  tell('Mesh', [seq + 1_000, 0, 0])
  tell('Mesh', [seq, 0, seq])
  tell('x'.repeat(100_000), [1, 1, 1])
  pings.send(pongs.encode({ progress: Array.from({ length: 10_000 }, () => ({ type: 'Nonsense' })) }))
  tell('Mesh', [seq, seq, seq])
  await until(() => statesOf(server, 'default')['east'] === 'acked', 'acked')
  assert.match((await metrics.expose()).text, /kds_convergence_reports_refused_total 10004\n/)
  assert.equal(server.changes({ limit: 0 }).zones[0]?.types.length, 1, 'no type that a zone made up is kept')
})
