// Our zone against a stock global that speaks raw messages.
import assert from 'node:assert/strict'
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { Server, ServerCredentials, status } from '@grpc/grpc-js'
import { silentLogger, type Logger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { codec } from '@weft/proto'
import { createKdsClient, type KdsClientOptions } from './client.ts'
import { clientOptions, type Member, memberOf, memoryStore, running, until } from './testing/federation.ts'
import { clusterId, listing, stockGlobal } from './testing/raw-global.ts'
import { decodeRequest, decodeResponse, encodeRequest, jsonResource, jsonResources } from './testing/raw-zone.ts'

const startZone = (member: Member, port: number, extra: Partial<KdsClientOptions> = {}) =>
  running(createKdsClient(clientOptions(member.store, 'zone-1', port, extra)))

const fromGlobal = { 'kuma.io/origin': 'global' }

test('headers of every call: two separate feature fields, the zone and our generation', async () => {
  const seen: (readonly string[])[] = []
  const server = createHttp2Server()
  server.on('stream', (stream: ServerHttp2Stream, _headers, _flags, raw) => {
    seen.push(raw)
    stream.on('error', () => {})
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
  })
  const sessions = new Set<{ destroy(): void }>()
  server.on('session', (session) => sessions.add(session))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address && typeof address === 'object')
  const client = await startZone(memberOf(memoryStore()), address.port, {
    credentials: () => ({ skipVerify: false, token: 'secret-token' }),
  })
  await until(() => seen.length === 6)
  await client.stop()
  for (const session of sessions) session.destroy()
  await new Promise((resolve) => server.close(resolve))
  for (const raw of seen) {
    const values = (key: string): string[] => raw.filter((_, index) => index % 2 === 1 && raw[index - 1] === key)
    assert.deepEqual(values('features').sort(), ['hash-suffix', 'zone-ping-health'])
    assert.deepEqual(values('client-id'), ['zone-1'])
    assert.deepEqual([values('kds-version'), values('zone-version'), values('version')], [['v3'], ['v3'], ['3.0.0']])
    assert.deepEqual(values('authorization'), ['Bearer secret-token'])
  }
  assert.equal(new Set(seen.map((raw) => raw[raw.indexOf(':path') + 1])).size, 6)
})

test('one subscribe per type with the node of a zone, answered with an ACK that names the nonce', async () => {
  await using global = await stockGlobal()
  const zone = memberOf(memoryStore())
  await using client = await startZone(zone, global.port)
  client.reportTrusted(new Set(['root.default']))
  const down = await global.down.take()
  const types = new Set<string>()
  for (let count = 0; count < 14; count++) {
    const request = decodeRequest(await down.next())
    types.add(request.typeUrl ?? '')
    assert.deepEqual([request.node?.id, request.resourceNamesSubscribe, request.responseNonce], ['zone-1', ['*'], ''])
    assert.deepEqual(request.initialResourceVersions, {})
    const metadata = codec('google.protobuf.Struct').toJson(request.node?.metadata ?? {}) as Record<string, unknown>
    assert.deepEqual(metadata['features'], [
      'zone-token',
      'hash-suffix',
      'hg-mz-selector',
      'producer-policy-flow',
      'optional-top-level-target-ref',
      'weft-chunked-lists',
      'weft-trust-spread',
      'weft-digests',
      'weft-ping',
      'weft-origin-seq',
    ])
    assert.deepEqual((metadata['version'] as { kumaCp?: unknown }).kumaCp, {
      version: '3.0.0',
      gitTag: 'v3.0.0',
      gitCommit: 'abc',
      buildDate: '2026',
    })
    assert.deepEqual(JSON.parse(String(metadata['config'])), { environment: 'universal', mode: 'zone', store: { type: 'memory' } })
  }
  assert.equal(types.size, 14)
  down.send(listing('MeshTimeout', 'n1', [jsonResource('default', 'slow-hash', { to: [] }, fromGlobal)]))
  // the next thing it says is this: a stock global hears nothing of our own types, and is not waited for
  const ack = decodeRequest(await down.next())
  assert.equal(client.isTrustedElsewhere('root.default'), true)
  client.reportTrusted(new Set())
  assert.deepEqual(
    [ack.typeUrl, ack.responseNonce, ack.errorDetail, ack.resourceNamesSubscribe, ack.node?.id, ack.node?.metadata],
    ['MeshTimeout', 'n1', undefined, [], 'zone-1', undefined],
  )
  assert.equal(zone.store.list('MeshTimeout').length, 1)
  down.send(listing('NoSuchType', 'n2', []))
  const nack = decodeRequest(await down.next())
  assert.equal(nack.responseNonce, 'n2')
})

test('what a zone sends: everything of its own, hashed, labelled, without the housekeeping', async () => {
  await using global = await stockGlobal()
  const zone = memberOf(memoryStore())
  await zone.put('MeshService', 'default', 'web', { ports: [] }, { 'kuma.io/deletion-grace-period-started-at': 'x', 'skip.me/label': 'y' })
  await zone.put('MeshService', 'default', 'foreign', { ports: [] }, { ...fromGlobal, 'kuma.io/zone': 'zone-b' })
  await zone.put('DataplaneInsight', 'default', 'dp', { subscriptions: [{ id: '1', generation: 7 }] })
  await using _client = await startZone(zone, global.port, { skipPrefixes: ['skip.me/'] })
  const up = await global.up.take()
  const node = { id: 'zone-1', metadata: codec('google.protobuf.Struct').fromJson({ features: ['hash-suffix'] }) }
  for (const typeUrl of ['MeshService', 'DataplaneInsight', 'ZoneIngress'])
    up.send(encodeRequest({ node, typeUrl, resourceNamesSubscribe: ['*'] }))
  const service = decodeResponse(await up.next())
  assert.equal(service.controlPlane?.identifier, 'zone-1')
  const [web, ...rest] = jsonResources(service)
  assert.deepEqual(rest, [])
  assert.equal(web?.meta.name.startsWith('web-'), true)
  assert.deepEqual(web?.meta.labels, { 'kuma.io/display-name': 'web', 'kuma.io/origin': 'zone', 'kuma.io/zone': 'zone-1' })
  const others = [decodeResponse(await up.next()), decodeResponse(await up.next())]
  assert.deepEqual(others.map((response) => response.typeUrl).sort(), ['DataplaneInsight', 'ZoneIngress'])
  const insight = others.find((response) => response.typeUrl === 'DataplaneInsight')
  const wire = codec('kuma.mesh.v1alpha1.KumaResource').decode(insight?.resources?.[0]?.resource?.value ?? new Uint8Array(0))
  const spec = codec('kuma.mesh.v1alpha1.DataplaneInsight').decode(wire.spec?.value ?? new Uint8Array(0))
  assert.deepEqual(
    spec.subscriptions?.map(({ id, generation }) => [id, generation]),
    [['1', 0]],
  )
})

test('a first list deletes only once the cluster id says that it is the same global', async () => {
  const zone = memberOf(memoryStore())
  await zone.put('Config', '', 'weft-kds-origin.global', { config: '{"incarnation":"cluster:one","held":{}}' })
  await zone.put('Config', '', 'kuma-cluster-id', { config: 'one' }, fromGlobal)
  await zone.put('MeshTimeout', 'default', 'gone-hash', { to: [] }, fromGlobal)
  await zone.put('MeshTimeout', 'default', 'local', { to: [] }, { 'kuma.io/origin': 'zone' })
  await zone.put('MeshTimeout', 'default', 'unlabelled', { to: [] })
  await using global = await stockGlobal()
  await using client = await startZone(zone, global.port)
  const down = await global.down.take()
  down.send(listing('MeshTimeout', '1', []))
  await until(() => client.connection().listed.includes('MeshTimeout'))
  assert.equal(zone.store.list('MeshTimeout').length, 3)
  down.send(listing('Config', '2', [clusterId('one')]))
  await until(() => zone.store.list('MeshTimeout').length === 2)
  assert.deepEqual(
    zone.store.list('MeshTimeout').map((policy) => policy.name),
    ['local', 'unlabelled'],
  )
})

test('kinds a zone cannot write belong to global wholly, whatever their labels', async () => {
  const zone = memberOf(memoryStore())
  await zone.put('Config', '', 'weft-kds-origin.global', { config: '{"incarnation":"cluster:one","held":{}}' })
  await zone.put('Mesh', '', 'leftover', {})
  await using global = await stockGlobal()
  await using _client = await startZone(zone, global.port)
  const down = await global.down.take()
  down.send(listing('Config', '1', [clusterId('one')]))
  down.send(listing('Mesh', '2', []))
  await until(() => zone.store.list('Mesh').length === 0)
})

test('another cluster id keeps what it does not list', async () => {
  const zone = memberOf(memoryStore())
  await zone.put('Config', '', 'weft-kds-origin.global', { config: '{"incarnation":"cluster:one","held":{}}' })
  await zone.put('MeshTimeout', 'default', 'old-hash', { to: [] }, fromGlobal)
  await using global = await stockGlobal()
  await using client = await startZone(zone, global.port)
  const down = await global.down.take()
  down.send(listing('Config', '1', [clusterId('two')]))
  down.send(listing('MeshTimeout', '2', [jsonResource('default', 'new-hash', { to: [] }, fromGlobal)]))
  await until(() => client.connection().listed.includes('MeshTimeout') && client.held().length > 0)
  assert.deepEqual(
    zone.store.list('MeshTimeout').map((policy) => policy.name),
    ['new-hash', 'old-hash'],
  )
  // a removal that this very global witnesses is evidence
  down.send(listing('MeshTimeout', '3', [], ['new-hash.default']))
  await until(() => zone.store.list('MeshTimeout').length === 1)
})

test('a reconnect resumes with what was accepted, and a stream that fails alone comes back alone', async () => {
  const zone = memberOf(memoryStore())
  await using global = await stockGlobal()
  await using client = await startZone(zone, global.port)
  const up = await global.up.take()
  const first = await global.down.take()
  first.send(listing('Config', '1', [clusterId('one')]))
  first.send(
    listing('MeshTimeout', '2', [
      jsonResource('default', 'a-hash', { to: [] }, fromGlobal),
      jsonResource('default', 'b-hash', { to: 'nonsense' }, fromGlobal),
    ]),
  )
  await until(() => client.connection().listed.includes('MeshTimeout'))
  first.call.emit('error', { code: status.INTERNAL, details: 'stream failed' })
  const second = await global.down.take()
  const identity = decodeRequest(await second.next())
  assert.deepEqual([identity.typeUrl, identity.initialResourceVersions], ['Config', {}])
  second.send(listing('Config', '1', [clusterId('one')]))
  let resumed: ReturnType<typeof decodeRequest> | undefined
  while (resumed?.typeUrl !== 'MeshTimeout') resumed = decodeRequest(await second.next())
  assert.deepEqual(resumed.initialResourceVersions, { 'a-hash.default': 'v-a-hash' })
  second.send(listing('MeshTimeout', '2', [], ['a-hash.default']))
  await until(() => zone.store.list('MeshTimeout').length === 0)
  assert.equal(client.connection().state, 'connected')
  assert.equal(up.call.cancelled, false)
})

/** A TCP hop that can be cut. */
async function hop(target: number): Promise<AsyncDisposable & { readonly port: number; cut(): void }> {
  const sockets = new Set<Socket>()
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
    sockets.clear()
  }
  const server = createTcpServer((inner) => {
    const outer = connect(target, '127.0.0.1')
    for (const socket of [inner, outer]) sockets.add(socket.on('error', () => {}))
    inner.pipe(outer).pipe(inner)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address && typeof address === 'object')
  return {
    port: address.port,
    cut,
    [Symbol.asyncDispose]: async () => {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

test('after a lost connection a stock global gets its stream renewed once, when it has noticed the loss', async () => {
  const clock = new FakeClock()
  const zone = memberOf(memoryStore())
  await using global = await stockGlobal()
  await using way = await hop(global.port)
  await using client = await startZone(zone, way.port, { clock, random: () => 0.5 })
  const before = await global.down.take()
  before.send(listing('Config', '1', [clusterId('one')]))
  await until(() => client.connection().peer === 'stock' && client.connection().state === 'connected')
  way.cut()
  await until(() => client.connection().state === 'waiting')
  clock.advance(999)
  assert.equal(client.connection().state, 'waiting', 'a stock global needs a second to forget the old stream')
  clock.advance(1)
  const after = await global.down.take()
  after.send(listing('Config', '1', [clusterId('one')]))
  await until(() => client.connection().state === 'connected')
  clock.advance(34_999)
  assert.equal(after.call.cancelled, false)
  clock.advance(1)
  await until(() => after.call.cancelled)
  clock.advance(1_000)
  const renewed = await global.down.take()
  renewed.send(listing('Config', '1', [clusterId('one')]))
  renewed.send(listing('MeshTimeout', '1', [jsonResource('default', 'late-hash', { to: [] }, fromGlobal)]))
  await until(() => zone.store.list('MeshTimeout').length === 1)
  clock.advance(120_000)
  assert.equal(renewed.call.cancelled, false)
})

test('a global that takes calls but answers none is given up', async () => {
  const clock = new FakeClock()
  const sockets = new Set<Socket>()
  const silent = createTcpServer((socket) => sockets.add(socket.on('error', () => {})))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const address = silent.address()
  assert.ok(address && typeof address === 'object')
  await using client = await startZone(memberOf(memoryStore()), address.port, { clock })
  clock.advance(10_000)
  await until(() => client.connection().state === 'waiting')
  silent.close()
  // the transport leaves a connection that was never greeted to the other side
  for (const socket of sockets) socket.destroy()
})

test('admin requests: an answer for a proxy, an error for an unknown one, never at once', async () => {
  const zone = memberOf(memoryStore())
  await zone.put('Dataplane', 'default', 'dp-1', { networking: { address: '10.0.0.1' } }, { 'kuma.io/display-name': 'shown' })
  await using global = await stockGlobal()
  await using _client = await startZone(zone, global.port, {
    envoyAdmin: { ask: async (kind, proxy, options) => Buffer.from(`${kind} ${proxy.name} ${options.format}`) },
  })
  const stats = await global.stats.take()
  const requests = codec('kuma.mesh.v1alpha1.StatsRequest')
  const answers = codec('kuma.mesh.v1alpha1.StatsResponse')
  const ask = async (resourceName: string, resourceType = 'Dataplane'): Promise<readonly [string, string | undefined, string, number]> => {
    const askedAt = performance.now()
    stats.send(requests.encode({ requestId: resourceName, resourceType, resourceName, resourceMesh: 'default', format: 1 }))
    const answer = answers.decode(await stats.next())
    return [answer.requestId ?? '', answer.error, Buffer.from(answer.stats ?? []).toString(), performance.now() - askedAt]
  }
  const [id, error, text, ms] = await ask('dp-1')
  assert.deepEqual([id, error, text], ['dp-1', undefined, 'stats dp-1 json'])
  assert.ok(ms >= 2)
  assert.equal((await ask('shown'))[2], 'stats dp-1 json')
  for (const [name, type] of [
    ['nobody', 'Dataplane'],
    ['__proto__', 'Dataplane'],
    ['dp-1', 'Secret'],
  ] as const) {
    const [, problem, , waited] = await ask(name, type)
    assert.match(problem ?? '', new RegExp(`no ${type} named ${name}`))
    assert.ok(waited >= 2)
  }
  stats.send(Buffer.from('ffff', 'hex'))
  assert.equal((await ask('dp-1'))[2], 'stats dp-1 json')
})

interface Line {
  readonly level: string
  readonly text: string
  readonly fields: Readonly<Record<string, unknown>>
}

function recordingLog(): { readonly log: Logger; readonly lines: Line[] } {
  const lines: Line[] = []
  const at = (level: string) => (fields: unknown, text?: string) => {
    lines.push({ level, text: text ?? '', fields: fields as Readonly<Record<string, unknown>> })
  }
  const log: Logger = { ...silentLogger, warn: at('warn'), error: at('error'), info: at('info'), child: () => log }
  return { log, lines }
}

test('a wrong peer is named in one clear line', async () => {
  const sockets = new Set<Socket>()
  const http1 = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
  })
  await new Promise<void>((resolve) => http1.listen(0, '127.0.0.1', resolve))
  const address = http1.address()
  assert.ok(address && typeof address === 'object')
  const other = new Server()
  const otherPort = await new Promise<number>((resolve) =>
    other.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_, port) => resolve(port)),
  )
  for (const [globalAddress, pattern, level] of [
    [`grpc://127.0.0.1:${address.port}`, /is not the sync port of a global control plane/, 'warn'],
    [`grpcs://127.0.0.1:${address.port}`, /does not speak TLS/, 'warn'],
    [`grpc://127.0.0.1:${otherPort}`, /is not the sync port of a global control plane/, 'error'],
  ] as const) {
    const { log, lines } = recordingLog()
    await using client = await running(createKdsClient(clientOptions(memoryStore(), 'zone-1', 0, { globalAddress, log })))
    // more than one attempt
    const errors = new Set<string | undefined>()
    let changes = 0
    client.onConnection(({ state, lastError }) => {
      if (state === 'waiting') {
        changes++
        errors.add(lastError)
      }
    })
    await until(() => changes >= 2)
    const shown = lines.filter((line) => line.level !== 'info')
    assert.equal(shown.length, 1, JSON.stringify(shown))
    assert.equal(shown[0]?.level, level)
    assert.match(String(shown[0]?.fields['reason']), pattern)
    if (level === 'error') assert.equal(shown[0]?.fields['error'], 'kds/wrong-peer')
  }
  other.forceShutdown()
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => http1.close(resolve))
})

test('a clean join writes no warning and no error', async () => {
  await using global = await stockGlobal()
  const { log, lines } = recordingLog()
  await using client = await startZone(memberOf(memoryStore()), global.port, { log })
  const down = await global.down.take()
  down.send(listing('MeshTimeout', '1', []))
  await until(() => client.connection().state === 'connected' && client.connection().listed.length === 1)
  assert.deepEqual(
    lines.filter((line) => line.level !== 'info'),
    [],
  )
})

test('addresses that cannot be dialled are refused when the client is made', () => {
  for (const address of ['', 'global:5685', 'https://global:5685', 'grpc://global', 'grpcs://']) {
    assert.throws(
      () => createKdsClient(clientOptions(memoryStore(), 'zone-1', 0, { globalAddress: address })),
      { code: 'config/invalid' },
      address,
    )
  }
  assert.throws(
    () => createKdsClient(clientOptions(memoryStore(), 'zone-1', 0, { globalAddress: 'grpc://user:pass@global' })),
    (error: Error) => !error.message.includes('pass'),
  )
})
