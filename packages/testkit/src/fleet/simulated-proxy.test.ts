import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@weft/foundation/time'
import { codec } from '@weft/proto'
import { simulatedTypeUrls } from './envoy-resource.ts'
import { type ReceivedResponse, SimulatedProxy, type SimulatedProxyOptions } from './simulated-proxy.ts'
import {
  assignment,
  cluster,
  listener,
  route,
  type Scripted,
  type ScriptedStream,
  secret,
  startScriptedServer,
  typeOf,
} from './testing/scripted-server.ts'

const node = { id: 'default.web', cluster: 'web', metadata: { 'dataplane.proxyType': 'dataplane', nested: { port: 1, on: true } } }
const limit = { timeout: 120_000 }

async function setUp(options: Partial<SimulatedProxyOptions> = {}) {
  const server = await startScriptedServer()
  const clock = new FakeClock()
  const responses: ReceivedResponse[] = []
  const proxy = new SimulatedProxy({
    address: server.address,
    token: 'token-1',
    node,
    clock,
    random: () => 0.5,
    onResponse: (_, response) => responses.push(response),
    ...options,
  })
  return {
    server,
    clock,
    responses,
    proxy,
    [Symbol.asyncDispose]: async () => {
      proxy.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** Answers a type and reads the acknowledgement. */
async function answered(
  stream: ScriptedStream,
  type: keyof typeof simulatedTypeUrls,
  resources: readonly Scripted[],
  removed: readonly string[] = [],
) {
  stream.send(type, resources, removed)
  const ack = await stream.next()
  assert.equal(typeOf(ack), type)
  assert.notEqual(ack.responseNonce, '')
  return ack
}

test('asks in the order Envoy does: clusters with the node, what they name, then listeners, then their routes', limit, async () => {
  await using scene = await setUp({ backends: ['backend'] })
  const { server, proxy } = scene
  proxy.connect()
  const stream = await server.stream()
  assert.equal(stream.authorization, 'token-1')
  const first = await stream.next()
  assert.equal(typeOf(first), 'cluster')
  assert.equal(first.node?.id, 'default.web')
  assert.deepEqual(codec('google.protobuf.Struct').toJson(first.node?.metadata ?? {}), node.metadata)

  await answered(stream, 'cluster', [cluster('backend', { secrets: ['identity'] })])
  const [endpoints, secrets] = [await stream.next(), await stream.next()]
  assert.deepEqual([typeOf(endpoints), endpoints.resourceNamesSubscribe], ['endpoint', ['backend']])
  assert.deepEqual([typeOf(secrets), secrets.resourceNamesSubscribe], ['secret', ['identity']])
  assert.equal(endpoints.node, undefined)

  await answered(stream, 'endpoint', [assignment('backend', [1])])
  assert.equal(
    stream.requests.some((request) => typeOf(request) === 'listener'),
    false,
  )
  await answered(stream, 'secret', [secret('identity')])
  assert.equal(typeOf(await stream.next()), 'listener')
  assert.equal(proxy.readyAt, undefined)

  await answered(stream, 'listener', [listener('backend', { route: 'routes' })])
  const routes = await stream.next()
  assert.deepEqual([typeOf(routes), routes.resourceNamesSubscribe], ['route', ['routes']])
  assert.equal(proxy.readyAt, undefined)
  await answered(stream, 'route', [route('routes')])
  assert.notEqual(proxy.readyAt, undefined)
  assert.notEqual(proxy.completeAt, undefined)
  assert.equal(proxy.streamState, 'following')
})

test('is ready without being complete while a backend has no endpoint that is preferred', limit, async () => {
  await using scene = await setUp({ backends: ['backend'] })
  const { server, proxy } = scene
  proxy.connect()
  const stream = await server.stream()
  await stream.next()
  await answered(stream, 'cluster', [cluster('backend')])
  await stream.next()
  await answered(stream, 'endpoint', [assignment('backend', [5])])
  await stream.next()
  await answered(stream, 'listener', [listener('backend')])
  assert.notEqual(proxy.readyAt, undefined)
  assert.equal(proxy.completeAt, undefined)
  await answered(stream, 'endpoint', [assignment('backend', [5, 1], '2')])
  assert.notEqual(proxy.completeAt, undefined)
})

test('a resource that cannot be read is refused by name; the rest of the response counts', limit, async () => {
  await using scene = await setUp()
  const { server, proxy, responses } = scene
  proxy.connect()
  const stream = await server.stream()
  await stream.next()
  const broken = { name: 'broken', any: { typeUrl: simulatedTypeUrls.cluster, value: new Uint8Array([0xff]) } }
  const nack = await answered(stream, 'cluster', [broken, cluster('good')])
  assert.equal(nack.errorDetail?.code, 3)
  assert.match(nack.errorDetail?.message ?? '', /^broken: /)
  assert.deepEqual([...proxy.held.cluster.keys()], ['good'])
  assert.equal(responses[0]?.isRefused, true)
  assert.deepEqual((await stream.next()).resourceNamesSubscribe, ['good'])
  assert.equal((await answered(stream, 'cluster', [cluster('good')])).errorDetail, undefined)
})

test('a resource that it is told not to take is refused in the words given, and what it had of it stays', limit, async () => {
  const isSlow = (resource: Uint8Array): boolean =>
    Number(codec('envoy.config.cluster.v3.Cluster').decode(resource).connectTimeout?.seconds ?? 0) > 5
  await using scene = await setUp({ refuses: (type, resource) => (type === 'cluster' && isSlow(resource) ? 'too slow' : undefined) })
  const { server, proxy } = scene
  proxy.connect()
  const stream = await server.stream()
  await stream.next()
  assert.equal((await answered(stream, 'cluster', [cluster('backend')])).errorDetail, undefined)
  await stream.next()
  const nack = await answered(stream, 'cluster', [cluster('backend', { connectTimeoutMs: 7000, version: '2' })])
  assert.deepEqual([nack.errorDetail?.code, nack.errorDetail?.message], [3, 'backend: too slow'])
  assert.equal(proxy.held.cluster.get('backend')?.version, '1')
})

test('a silent one asks for what it needs and answers nothing until it is told to, on that stream', limit, async () => {
  await using scene = await setUp()
  const { server, proxy } = scene
  proxy.connect()
  const stream = await server.stream()
  await stream.next()
  proxy.keepSilent()
  stream.send('cluster', [cluster('backend')])
  assert.deepEqual((await stream.next()).resourceNamesSubscribe, ['backend'])
  stream.send('endpoint', [assignment('backend', [1])])
  assert.equal(typeOf(await stream.next()), 'listener')
  assert.equal(
    stream.requests.some(({ responseNonce }) => responseNonce !== undefined && responseNonce !== ''),
    false,
  )
  proxy.answer()
  assert.deepEqual([(await stream.next()).responseNonce, (await stream.next()).responseNonce], ['1', '2'])
  assert.equal((await answered(stream, 'listener', [])).responseNonce, '3')
})

test('follows changed references: asks for new names, gives up and forgets old ones', limit, async () => {
  await using scene = await setUp()
  const { server, proxy } = scene
  proxy.connect()
  const stream = await server.stream()
  await stream.next()
  await answered(stream, 'cluster', [cluster('a'), cluster('b')])
  await stream.next()
  await answered(stream, 'endpoint', [assignment('a', [1]), assignment('b', [1])])
  await stream.next()
  await answered(stream, 'cluster', [cluster('c')], ['a'])
  const change = await stream.next()
  assert.deepEqual([typeOf(change), change.resourceNamesSubscribe, change.resourceNamesUnsubscribe], ['endpoint', ['c'], ['a']])
  assert.deepEqual([...proxy.held.endpoint.keys()], ['b'])
  assert.deepEqual([...proxy.wanted('endpoint')].toSorted(), ['b', 'c'])
})

test('a lost stream is opened again after the back-off, with what was held; an answered one starts the back-off anew', limit, async () => {
  await using scene = await setUp()
  const { server, proxy, clock } = scene
  proxy.connect()
  const first = await server.stream()
  await first.next()
  await answered(first, 'cluster', [cluster('a', { version: '7' })])
  await first.next()
  await answered(first, 'endpoint', [assignment('a', [1], '8')])
  first.end(14)
  await until(() => clock.pending === 1)
  assert.equal(proxy.isConnected, false)
  assert.equal(proxy.disconnects, 1)
  assert.match(proxy.lastError, /grpc status 14/)
  assert.equal(proxy.streamState, 'waiting')

  clock.advance(249)
  assert.equal(clock.pending, 1)
  clock.advance(1)
  const second = await server.stream()
  const requests = [await second.next(), await second.next(), await second.next()]
  assert.deepEqual(requests.map(typeOf), ['cluster', 'endpoint', 'listener'])
  assert.deepEqual(requests[0]?.initialResourceVersions, { a: '7' })
  assert.deepEqual(requests[1]?.initialResourceVersions, { a: '8' })
  assert.deepEqual(requests[1]?.resourceNamesSubscribe, ['a'])

  // refused before its first response: the pause doubles
  second.end(14)
  await until(() => clock.pending === 1)
  assert.equal(proxy.disconnects, 1)
  clock.advance(499)
  assert.equal(clock.pending, 1)
  clock.advance(1)
  await server.stream()
})

test('the pause never exceeds thirty seconds', limit, async () => {
  await using scene = await setUp({ random: () => 1 })
  const { server, proxy, clock } = scene
  await server[Symbol.asyncDispose]()
  proxy.connect()
  const pauses: number[] = []
  for (let attempt = 0; attempt < 9; attempt++) {
    await until(() => clock.pending === 1)
    const before = clock.now()
    while (clock.pending === 1) clock.advance(500)
    pauses.push(clock.now() - before)
  }
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
})

test('a type it does not know is acknowledged and left alone; bytes that are no response end the stream', limit, async () => {
  await using scene = await setUp()
  const { server, proxy, clock, responses } = scene
  proxy.connect()
  const stream = await server.stream()
  await stream.next()
  const strange = { typeUrl: 'type.googleapis.com/example.Strange', nonce: 'n' }
  stream.sendRaw(codec('envoy.service.discovery.v3.DeltaDiscoveryResponse').encode(strange))
  const ack = await stream.next()
  assert.deepEqual([ack.typeUrl, ack.responseNonce], [strange.typeUrl, 'n'])
  assert.equal(responses.length, 0)
  stream.sendRaw(new Uint8Array([0xff, 0xff]))
  await stream.ended
  await until(() => clock.pending === 1)
  assert.match(proxy.lastError, /cannot be decoded/)
})

test('closing cancels the stream and nothing follows; it can connect again', limit, async () => {
  await using scene = await setUp()
  const { server, proxy, clock } = scene
  proxy.connect()
  proxy.connect()
  const stream = await server.stream()
  await stream.next()
  await answered(stream, 'cluster', [cluster('a')])
  proxy.close()
  await stream.ended
  assert.equal(proxy.streamState, 'closed')
  assert.equal(clock.pending, 0)
  assert.equal(proxy.disconnects, 0)
  proxy.connect()
  assert.deepEqual((await (await server.stream()).next()).initialResourceVersions, { a: '1' })
})

/** Lets the event loop turn until something the network brings has happened. The test's own limit ends a wait in vain. */
async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await new Promise((next) => setImmediate(next))
}
