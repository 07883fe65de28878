import assert from 'node:assert/strict'
import { connect as connectHttp2 } from 'node:http2'
import { request as httpsRequest } from 'node:https'
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { hasCode } from '@weft/foundation/errors'
import { createCell, encodeResource, type ProxySnapshot } from '@weft/xds'
import {
  dataplaneText,
  emptySnapshot,
  firstRequest,
  mesh,
  nodeOf,
  openStream,
  type ServerFixture,
  served,
  startServer,
} from './testing/server-fixture.ts'
import { sliceBytes } from './write-slices.ts'

let fixture: ServerFixture
beforeEach(async () => {
  fixture = await startServer()
})
afterEach(() => fixture.stop())

interface HttpAnswer {
  readonly status: number
  readonly body: string
  readonly type: string
}

function http(
  path: string,
  options: { readonly body?: string; readonly method?: string; readonly alpn?: readonly string[] } = {},
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const call = httpsRequest({
      host: '127.0.0.1',
      port: fixture.server.port,
      ca: fixture.certificatePem,
      path,
      method: options.method ?? 'POST',
      agent: false,
      ...(options.alpn ? { ALPNProtocols: [...options.alpn] } : {}),
      headers: { accept: 'application/json' },
    })
    call.on('error', reject)
    call.on('response', (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, type: response.headers['content-type'] ?? '' }))
    })
    call.end(options.body ?? '')
  })
}

describe('before it is started', () => {
  let early: ServerFixture
  beforeEach(async () => {
    early = await startServer({ listening: true })
  })
  afterEach(() => early.stop())

  it('keeps who comes waiting, after their handshake, and serves them all once it starts', async () => {
    const secure = connectTls({ host: '127.0.0.1', port: early.server.port, ca: early.certificatePem, ALPNProtocols: ['http/1.1'] })
    await once(secure, 'secureConnect')
    let answer = ''
    secure.setEncoding('utf8').on('data', (text: string) => {
      answer += text
    })
    secure.write('GET /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    const stream = openStream(early.client(), 'ads', await early.token())
    stream.send(firstRequest(nodeOf('web-1')))
    const left = connectTls({ host: '127.0.0.1', port: early.server.port, ca: early.certificatePem, ALPNProtocols: ['h2'] })
    await once(left, 'secureConnect')
    left.destroy()
    // whoever has a handshake had turns of the event loop in which it could have been answered
    const late = connectTls({ host: '127.0.0.1', port: early.server.port, ca: early.certificatePem, ALPNProtocols: ['h2'] })
    await once(late, 'secureConnect')
    late.destroy()
    assert.equal(answer, '')
    assert.equal(early.lines.length, 0)

    await early.server.start()
    await Promise.all([stream.next(), once(secure, 'close')])
    assert.match(answer, /^HTTP\/1.1 404 /)
    assert.ok(early.lines.includes('connected web-1'))
    stream.call.cancel()
  })

  it('reads all of what was sent meanwhile, however much that is', async () => {
    const token = await early.token()
    const streams = ['web-1', 'web-2'].map((name) => ({ name, stream: openStream(early.client(), 'ads', token) }))
    for (const { name, stream } of streams) stream.send(firstRequest(nodeOf(name, { padding: 'x'.repeat(200_000) })))
    // each takes turns in which what was sent arrives
    for (let others = 0; others < 10; others += 1) {
      const other = connectTls({ host: '127.0.0.1', port: early.server.port, ca: early.certificatePem, ALPNProtocols: ['h2'] })
      await once(other, 'secureConnect')
      other.destroy()
    }
    await early.server.start()
    await Promise.all(streams.map(({ stream }) => stream.next()))
    for (const { stream } of streams) stream.call.cancel()
  })

  it('lets go of who waits when it stops', async () => {
    const secure = connectTls({ host: '127.0.0.1', port: early.server.port, ca: early.certificatePem, ALPNProtocols: ['h2'] })
    secure.on('error', () => {})
    await once(secure, 'secureConnect')
    const closed = once(secure, 'close')
    await early.server.listener.stop()
    await closed
  })
})

describe('one port', () => {
  it('serves a bootstrap over HTTP/1.1, with ALPN and without', async () => {
    const body = JSON.stringify({
      mesh,
      name: 'web-1',
      dataplaneToken: await fixture.token(),
      dataplaneResource: dataplaneText('web-1'),
      workdir: '/w',
    })
    for (const alpn of [['http/1.1'], []]) {
      const answer = await http('/bootstrap', { body, alpn })
      assert.equal(answer.status, 200)
      const bootstrap = JSON.parse(Buffer.from(JSON.parse(answer.body).bootstrap, 'base64').toString())
      assert.equal(bootstrap.node.id, 'default.web-1')
    }
    assert.deepEqual(await http('/x'), { status: 404, body: '404 page not found\n', type: 'text/plain; charset=utf-8' })
    assert.equal((await http('/bootstrap', { body: 'x'.repeat(1 << 21) })).status, 413)
  })

  it('refuses HTTP/2 requests that are not gRPC and lives on', async () => {
    const session = connectHttp2(`https://localhost:${fixture.server.port}`, { ca: fixture.certificatePem })
    const stream = session.request({ ':method': 'POST', ':path': '/bootstrap', 'content-type': 'application/json' })
    stream.end('{}')
    const [headers] = await once(stream, 'response')
    assert.equal(headers[':status'], 415)
    session.destroy()
    await served(fixture, 'web-1')
  })

  it('hands large responses over in slices', async () => {
    const cell = createCell('cluster', 'c', encodeResource('cluster', 'c', Buffer.alloc(100_000)))
    const snapshot = { ...emptySnapshot, cluster: new Map([['c', cell]]) }
    const snapshots = { onSnapshot: (_: unknown, listener: (of: ProxySnapshot) => void) => (listener(snapshot), () => {}) }
    const other = await startServer({ options: { snapshots } })
    try {
      const session = connectHttp2(`https://localhost:${other.server.port}`, { ca: other.certificatePem })
      const headers = {
        ':method': 'POST',
        ':path': '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
        'content-type': 'application/grpc',
        te: 'trailers',
      }
      const stream = session.request({ ...headers, authorization: await other.token() })
      const request = firstRequest(nodeOf('web-1'))
      const prefix = Buffer.alloc(5)
      prefix.writeUInt32BE(request.length, 1)
      stream.write(Buffer.concat([prefix, request]))
      // the client shows the content of one DATA frame at a time
      const frames: number[] = []
      for await (const content of stream as AsyncIterable<Buffer>) {
        frames.push(content.length)
        if (frames.reduce((sum, length) => sum + length, 0) > 100_000) break
      }
      assert.equal(Math.max(...frames), sliceBytes)
      session.destroy()
    } finally {
      await other.stop()
    }
  })

  it('survives noise before, during and after the handshake', async () => {
    const raw = connectTcp(fixture.server.port, '127.0.0.1')
    raw.on('error', () => {})
    raw.end('GET / HTTP/1.0\r\n\r\n')
    await once(raw, 'close')
    for (const protocol of ['h2', 'http/1.1']) {
      const socket = connectTls({ host: '127.0.0.1', port: fixture.server.port, ca: fixture.certificatePem, ALPNProtocols: [protocol] })
      socket.on('error', () => {})
      await once(socket, 'secureConnect')
      socket.resume()
      socket.end(Buffer.alloc(200, 0xff))
      await once(socket, 'close')
    }
    assert.equal((await http('/x')).status, 404)
  })

  it('says so when the port is taken', async () => {
    const blocker = createServer().listen(0, '127.0.0.1')
    await once(blocker, 'listening')
    // listening on TCP: the address has a port
    const { port } = blocker.address() as AddressInfo
    await assert.rejects(startServer({ settings: { port } }), (error) => hasCode(error, 'process/port-taken'))
    blocker.close()
  })
})
