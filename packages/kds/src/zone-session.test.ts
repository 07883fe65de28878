// One live session for each zone over real connections: raw stock peers, and our own zones on one store.
import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { FakeClock, systemClock } from '@weft/foundation/time'
import { createKdsClient } from './client.ts'
import { createKdsServer, type KdsServerOptions } from './server.ts'
import { clientOptions, memberOf, memoryStore, running, serverOptions, until } from './testing/federation.ts'
import { decodeResponse, encodeRequest, methods, type RawStream, type RawZone, rawZone, stockFeatures } from './testing/raw-zone.ts'
import { createStoreLease, epochConfig } from './zone-lease.ts'

const startGlobal = async (extra: Partial<KdsServerOptions> = {}) => running(createKdsServer(serverOptions(memoryStore(), extra)))
/** However long an answer to its ping takes on a busy machine, it waits. */
const patientGlobal = () => startGlobal({ clock: new FakeClock() })

/** Opens both sync streams as the control plane `id` and subscribes to Mesh. */
function join(zone: RawZone, id: string): { readonly down: RawStream; readonly up: RawStream } {
  const up = zone.open(methods.zoneToGlobal)
  const down = zone.open(methods.globalToZone)
  down.send(encodeRequest({ node: zone.node(stockFeatures, { 'control-plane-id': id }), typeUrl: 'Mesh', resourceNamesSubscribe: ['*'] }))
  return { down, up }
}

test('a second stock control plane of a zone is refused while the first answers, shown, and let in afterwards', async () => {
  await using server = await patientGlobal()
  const first = rawZone('east', server.port)
  const one = join(first, 'cp-1')
  assert.equal(decodeResponse(await one.down.next()).typeUrl, 'Mesh')
  await one.up.next()
  await using second = rawZone('east', server.port)
  const two = join(second, 'cp-2')
  const refusal = await two.down.ended
  assert.equal(refusal.code, status.UNAVAILABLE)
  assert.match(refusal.details, /another control plane acts as zone east: cp-1 at 127\.0\.0\.1:\d+/)
  assert.equal((await two.up.ended).code, status.UNAVAILABLE)
  assert.equal(server.zones()[0]?.duplicate?.instanceId, 'cp-2')
  assert.match(String(server.liveness('east').reasons), /duplicate zone: cp-2/)
  // the first was not disturbed
  one.down.send(encodeRequest({ node: { id: 'east' }, typeUrl: 'Config', resourceNamesSubscribe: ['*'] }))
  assert.equal(decodeResponse(await one.down.next()).typeUrl, 'Config')
  await first[Symbol.asyncDispose]()
  one.down.call.cancel()
  one.up.call.cancel()
  await until(() => server.zones().length === 0)
  const again = join(second, 'cp-2')
  assert.equal(decodeResponse(await again.down.next()).typeUrl, 'Mesh')
  assert.equal(server.zones()[0]?.duplicate, undefined)
})

test('the same control plane on a new connection takes over at once; its old sync streams end with CANCELED', async () => {
  await using server = await startGlobal()
  await using first = rawZone('east', server.port)
  const one = join(first, 'cp-1')
  await one.down.next()
  const admin = first.open(methods.configDump)
  await until(() => server.zones()[0]?.streams.length === 3)
  await using second = rawZone('east', server.port)
  const two = join(second, 'cp-1')
  assert.equal((await one.down.ended).code, status.CANCELLED)
  assert.equal((await one.up.ended).code, status.CANCELLED)
  assert.equal(decodeResponse(await two.down.next()).typeUrl, 'Mesh')
  await two.up.next()
  assert.equal(admin.call.destroyed, false)
})

test('a control plane that does not answer for two seconds loses its place', async () => {
  await using server = await startGlobal()
  await using link = await freezableLink(server.port)
  await using first = rawZone('east', link.port)
  const one = join(first, 'cp-1')
  await one.down.next()
  link.freeze()
  await using second = rawZone('east', server.port)
  const askedAt = performance.now()
  const two = join(second, 'cp-2')
  assert.equal(decodeResponse(await two.down.next()).typeUrl, 'Mesh')
  assert.ok(performance.now() - askedAt >= 1_900, `${performance.now() - askedAt} ms`)
  link.thaw()
  assert.equal((await one.down.ended).code, status.CANCELLED)
  assert.equal(server.zones()[0]?.duplicate, undefined)
})

/** Passes bytes on until it is frozen; then they wait, as in a process that hangs. */
async function freezableLink(target: number) {
  const sockets = new Set<Socket>()
  const link = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    near.pipe(far)
    far.pipe(near)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => {})
    }
  })
  await new Promise<void>((resolve) => link.listen(0, '127.0.0.1', resolve))
  const address = link.address()
  assert.ok(address && typeof address === 'object')
  return {
    port: address.port,
    freeze: () => sockets.forEach((socket) => socket.pause()),
    thaw: () => sockets.forEach((socket) => socket.resume()),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => link.close(resolve))
    },
  }
}

test('of two processes on one store the later one acts; the earlier stands back and does not dial until it is told to', async () => {
  await using server = await startGlobal()
  const store = memoryStore()
  const options = (instanceId: string) =>
    clientOptions(store, 'east', server.port, {
      self: { instanceId, version: { version: '3.0.0', gitTag: '', gitCommit: '', buildDate: '' } },
    })
  await using first = await running(createKdsClient(options('one')))
  await until(() => first.connection().complete)
  await using second = await running(createKdsClient(options('two')))
  await until(() => second.connection().complete && first.connection().state === 'fenced')
  assert.match(first.connection().lastError ?? '', /epoch 2 of this zone's store took over from epoch 1.*weft sync rejoin/)
  // it does not come back by itself
  const { since } = first.connection()
  await new Promise((resolve) => systemClock.after(1_500, () => resolve(undefined)))
  assert.deepEqual([first.connection().state, first.connection().since], ['fenced', since])
  assert.equal(second.connection().state, 'connected')
  await first.rejoin()
  await until(() => first.connection().state === 'connected' && second.connection().state === 'fenced')
  await second.rejoin()
  await until(() => second.connection().state === 'connected' && first.connection().state === 'fenced')
})

test('an epoch from before a restored backup is told the newer one, and rejoins above it', async () => {
  await using server = await startGlobal()
  const store = memoryStore('kept')
  await memberOf(store).put('Config', '', epochConfig.name, { config: '41' })
  const current = await running(createKdsClient(clientOptions(store, 'east', server.port)))
  await until(() => current.connection().complete)
  await current.stop()
  const restored = memoryStore('kept')
  await using client = await running(createKdsClient(clientOptions(restored, 'east', server.port)))
  await until(() => client.connection().state === 'fenced')
  assert.match(client.connection().lastError ?? '', /epoch 1 of this zone's store is over: epoch 42 acts as zone east/)
  await client.rejoin()
  await until(() => client.connection().complete)
  assert.deepEqual(restored.get(epochConfig)?.spec, { config: '43' })
})

test('another store of the zone is refused while the first answers, and comes in when it ends', async () => {
  await using server = await patientGlobal()
  const first = await running(createKdsClient(clientOptions(memoryStore(), 'east', server.port, { self: self('one') })))
  await until(() => first.connection().complete)
  await using second = await running(createKdsClient(clientOptions(memoryStore(), 'east', server.port, { self: self('two') })))
  await until(() => second.connection().state === 'waiting')
  assert.match(second.connection().lastError ?? '', /another control plane acts as zone east: one/)
  assert.equal(server.zones()[0]?.duplicate?.instanceId, 'two')
  await first.stop()
  await until(() => second.connection().complete)
  assert.equal(server.zones()[0]?.duplicate, undefined)
})

const self = (instanceId: string) => ({ instanceId, version: { version: '3.0.0', gitTag: '', gitCommit: '', buildDate: '' } })

test('a lease tells a process that stood back when to come again', async () => {
  await using server = await startGlobal()
  const store = memoryStore()
  let grant = (): void => {}
  const lease = {
    ...createStoreLease(store),
    onGranted: (listener: () => void) => {
      grant = listener
      return () => {}
    },
  }
  await using first = await running(createKdsClient(clientOptions(store, 'east', server.port, { self: self('one'), lease })))
  await until(() => first.connection().complete)
  const second = await running(createKdsClient(clientOptions(store, 'east', server.port, { self: self('two') })))
  await until(() => first.connection().state === 'fenced')
  await second.stop()
  grant()
  await until(() => first.connection().state === 'connected')
})

test('epochs grow in the store, whoever writes at the same time, and survive lists of global', async () => {
  const store = memoryStore()
  const lease = createStoreLease(store)
  assert.deepEqual((await Promise.all([lease.acquire(), lease.acquire(), lease.acquire()])).sort(), [1, 2, 3])
  assert.equal(await lease.acquire(10), 11)
  assert.equal(await lease.acquire(3), 12)
  await memberOf(store).put('Config', '', epochConfig.name, { config: 'rubbish' })
  await assert.rejects(lease.acquire(), { code: 'store/invalid' })
})
