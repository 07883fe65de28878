// Whatever a peer sends ends its own stream at most; others go on.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { connect as http2Connect, constants as http2Constants } from 'node:http2'
import { status } from '@grpc/grpc-js'
import { codec } from '@weft/proto'
import { createKdsServer } from './server.ts'
import { memberOf, memoryStore, serverOptions, until } from './testing/federation.ts'
import { decodeResponse, encodeRequest, encodeResponse, jsonResource, methods, type RawStream, rawZone } from './testing/raw-zone.ts'

async function witness(
  run: (context: { readonly port: number; readonly store: ReturnType<typeof memoryStore> }) => Promise<void>,
): Promise<void> {
  const store = memoryStore()
  const server = createKdsServer(serverOptions(store))
  await server.start()
  try {
    await using good = rawZone('good', server.port)
    const stream = good.open(methods.globalToZone)
    stream.send(encodeRequest({ node: good.node(), typeUrl: 'Mesh', resourceNamesSubscribe: ['*'] }))
    const first = decodeResponse(await stream.next())
    stream.send(encodeRequest({ node: { id: 'good' }, typeUrl: 'Mesh', responseNonce: first.nonce ?? '' }))
    await run({ port: server.port, store })
    await memberOf(store).put('Mesh', '', 'after', {})
    assert.deepEqual(
      decodeResponse(await stream.next()).resources?.map((resource) => resource.name),
      ['after.'],
    )
  } finally {
    await server.stop()
    await store.close()
  }
}

const frames: readonly [string, Uint8Array][] = [
  ['garbage', Buffer.from('ff'.repeat(64), 'hex')],
  ['a truncated message', encodeRequest({ typeUrl: 'Mesh' }).subarray(0, 3)],
  ['an overlong length', Buffer.from('0affffffff7f', 'hex')],
  ['deep nesting', deepStruct()],
  ['no node', encodeRequest({ typeUrl: 'Mesh', resourceNamesSubscribe: ['*'] })],
]

for (const [name, bytes] of frames) {
  test(`${name} instead of a request`, () =>
    witness(async ({ port }) => {
      await using bad = rawZone('bad', port)
      const stream = bad.open(methods.globalToZone)
      stream.send(bytes)
      assert.equal((await stream.ended).code, status.INVALID_ARGUMENT)
    }))
}

test('random bytes on every stream', () =>
  witness(async ({ port }) => {
    await using bad = rawZone('bad', port)
    for (const method of Object.values(methods)) {
      for (let round = 0; round < 20; round++) {
        const stream = bad.open(method)
        stream.send(createHash('sha512').update(`${method}${round}`).digest())
        stream.send(Buffer.alloc(0))
        stream.call.cancel()
        await stream.ended
      }
    }
  }))

test('hostile names in headers, types and metadata are only names', () =>
  witness(async ({ port, store }) => {
    await using bad = rawZone('__proto__', port)
    assert.equal((await bad.open(methods.globalToZone).ended).code, status.UNAUTHENTICATED)
    await using worse = rawZone('constructor', port)
    const stream = worse.open(methods.globalToZone)
    for (const type of ['__proto__', 'constructor', 'toString', '']) {
      stream.send(
        encodeRequest({
          node: worse.node(['__proto__'], JSON.parse('{"__proto__":{"polluted":"yes"},"constructor":"x"}')),
          typeUrl: type,
          resourceNamesSubscribe: ['*'],
          initialResourceVersions: JSON.parse('{"__proto__":"1"}'),
        }),
      )
    }
    const answered: string[] = []
    for (let count = 0; count < 4; count++) answered.push(decodeResponse(await stream.next()).typeUrl ?? '')
    assert.deepEqual(answered.sort(), ['', '__proto__', 'constructor', 'toString'])
    assert.equal(Object.getOwnPropertyDescriptor(Object.prototype, 'polluted'), undefined)
    await until(() => store.get({ type: 'Zone', mesh: '', name: 'constructor' }) !== undefined)
  }))

test('resources without a spec, of another type, with a wrong Any or undecodable are refused one by one', () =>
  witness(async ({ port, store }) => {
    await using zone = rawZone('zone-1', port)
    const stream = zone.open(methods.zoneToGlobal)
    const wire = codec('kuma.mesh.v1alpha1.KumaResource')
    const packed = (name: string, value: Uint8Array, typeUrl = 'type.googleapis.com/kuma.mesh.v1alpha1.KumaResource') => ({
      name: `${name}.default`,
      version: '1',
      resource: { typeUrl, value },
    })
    const meta = (name: string) => ({ name, mesh: 'default', labels: {} })
    const good = jsonResource('default', 'good', { ports: [{ port: 80 }] })
    stream.send(
      encodeResponse({
        typeUrl: 'MeshService',
        nonce: '1',
        resources: [
          packed('no-spec', wire.encode({ meta: meta('no-spec') })),
          packed('no-meta', wire.encode({ spec: { typeUrl: '', value: Buffer.from('{}') } })),
          packed('not-json', wire.encode({ meta: meta('not-json'), spec: { typeUrl: '', value: Buffer.from('{') } })),
          packed('other-type', wire.encode({ meta: meta('other-type'), spec: { typeUrl: '', value: Buffer.from('[]') } })),
          packed(
            'wrong-any',
            wire.encode({ meta: meta('wrong-any'), spec: { typeUrl: '', value: Buffer.from('{}') } }),
            'type.googleapis.com/google.protobuf.Struct',
          ),
          packed('garbage', Buffer.from('ffffff', 'hex')),
          { name: 'empty.default' },
          packed('bad/name', wire.encode({ meta: meta('bad/name'), spec: { typeUrl: '', value: Buffer.from('{}') } })),
          good,
        ],
      }),
    )
    const nack = await answerOf(stream)
    for (const name of ['no-spec', 'no-meta', 'not-json', 'other-type', 'wrong-any', 'garbage', 'empty', 'bad/name'])
      assert.match(nack, new RegExp(`MeshService name=${name} `), name)
    assert.doesNotMatch(nack, /name=good/)
    assert.deepEqual(
      store.list('MeshService').map((service) => service.name),
      ['good'],
    )
  }))

test('a resource that turns bad keeps its last good state', () =>
  witness(async ({ port, store }) => {
    await using zone = rawZone('zone-1', port)
    const stream = zone.open(methods.zoneToGlobal)
    stream.send(
      encodeResponse({ typeUrl: 'MeshService', nonce: '1', resources: [jsonResource('default', 'web', { ports: [{ port: 80 }] })] }),
    )
    await until(() => store.list('MeshService').length === 1)
    stream.send(
      encodeResponse({ typeUrl: 'MeshService', nonce: '2', resources: [jsonResource('default', 'web', { ports: [{ port: 'x' }] })] }),
    )
    assert.match(await answerOf(stream), /name=web/)
    const before = store.list('MeshService')
    // the same in a first list: named, so not missing
    const again = zone.open(methods.zoneToGlobal)
    again.send(
      encodeResponse({ typeUrl: 'MeshService', nonce: '1', resources: [jsonResource('default', 'web', { ports: [{ port: 'x' }] })] }),
    )
    assert.match(await answerOf(again), /name=web/)
    assert.deepEqual(store.list('MeshService'), before)
  }))

test('a flood of responses nobody asked for is slowed down, not buffered', () =>
  witness(async ({ port, store }) => {
    await using zone = rawZone('zone-1', port)
    const stream = zone.open(methods.zoneToGlobal)
    for (let count = 0; count < 500; count++) {
      stream.send(
        encodeResponse({
          typeUrl: 'MeshService',
          nonce: String(count),
          resources: [jsonResource('default', `s-${count % 10}`, { ports: [{ port: 1 + (count % 100) }] })],
        }),
      )
    }
    await until(() => store.list('MeshService').length === 10)
    let answers = 0
    while (answers < 500) if (codec('envoy.service.discovery.v3.DeltaDiscoveryRequest').decode(await stream.next()).responseNonce) answers++
  }))

test('a message over the limit, also after decompression, ends its call', () =>
  witness(async ({ port }) => {
    const session = http2Connect(`http://127.0.0.1:${port}`)
    session.on('error', () => {})
    for (const body of [gzipSync(Buffer.alloc(64 * 1024 * 1024)), Buffer.from('not gzip at all')]) {
      const stream = session.request({
        ':method': 'POST',
        ':path': methods.globalToZone,
        'content-type': 'application/grpc',
        te: 'trailers',
        'grpc-encoding': 'gzip',
        'client-id': 'bomb',
      })
      stream.on('error', () => {})
      const head = Buffer.alloc(5)
      head[0] = 1
      head.writeUInt32BE(body.length, 1)
      stream.write(Buffer.concat([head, body]))
      stream.resume()
      const trailers = new Promise<NodeJS.Dict<string | string[]>>((resolve) => stream.on('trailers', resolve))
      stream.on('response', (headers) => headers['grpc-status'] && stream.emit('trailers', headers))
      assert.notEqual((await trailers)['grpc-status'], '0')
      stream.close()
    }
    session.destroy()
  }))

test('connections that do not speak HTTP/2 are closed', () =>
  witness(async ({ port }) => {
    for (const text of ['GET / HTTP/1.1\r\nhost: x\r\n\r\n', '\u0000'.repeat(4096), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrubbish']) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write(text)
      socket.resume()
      socket.end()
      await new Promise((resolve) => socket.on('close', resolve))
    }
  }))

test('ten thousand streams that are reset at once cost only their own connection', () =>
  witness(async ({ port }) => {
    for (let round = 0; round < 5; round++) {
      const session = http2Connect(`http://127.0.0.1:${port}`)
      const gone = new Promise((resolve) => session.on('close', resolve))
      session.on('error', () => {})
      for (let count = 0; count < 2_000 && !session.destroyed && !session.closed; count++) {
        const stream = session.request({
          ':method': 'POST',
          ':path': methods.globalToZone,
          'content-type': 'application/grpc',
          'client-id': 'flood',
        })
        stream.on('error', () => {})
        stream.close(http2Constants.NGHTTP2_CANCEL)
        if (count % 100 === 99) await new Promise((resolve) => setImmediate(resolve))
      }
      session.destroy()
      await gone
    }
  }))

async function answerOf(stream: RawStream): Promise<string> {
  for (;;) {
    const request = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest').decode(await stream.next())
    if (request.responseNonce && request.errorDetail) return request.errorDetail.message ?? ''
  }
}

/** A node whose metadata nests deeper than a decoder may follow. */
function deepStruct(): Uint8Array {
  let value: Buffer = Buffer.from([0x1a, 1, 0x78])
  const structOf = (inner: Buffer): Buffer => field(1, Buffer.concat([field(1, Buffer.from('k')), field(2, inner)]))
  for (let depth = 0; depth < 400; depth++) value = field(5, structOf(value))
  return field(1, field(3, structOf(value)))
}

function field(number: number, content: Buffer): Buffer {
  const length: number[] = []
  let rest = content.length
  while (rest > 127) {
    length.push((rest & 127) | 128)
    rest >>>= 7
  }
  length.push(rest)
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), content])
}
