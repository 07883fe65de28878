import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Server, type ServerDuplexStream } from '@grpc/grpc-js'
import { silentLogger } from '@weft/foundation/log'
import { createSilenceWatch } from '@weft/foundation/net'
import { FakeClock, systemClock } from '@weft/foundation/time'
import type { TlsMaterial } from '@weft/foundation/tls'
import { createServerCertificate } from '@weft/identity'
import { serviceDefinition } from '@weft/proto'
import { until } from './testing/server-fixture.ts'
import { createTlsPort, silenceMs, type TlsPort } from './tls-port.ts'

let port: TlsPort
/** The time that strangers are given. */
let patience = new FakeClock()
/** The time in which silence is measured. */
let passing = new FakeClock()
let number = 0
let peers: string[] = []
let over: string[] = []
let reload: (material: TlsMaterial) => void = () => {}

beforeEach(async () => {
  peers = []
  over = []
  patience = new FakeClock()
  passing = new FakeClock()
  const material = await createServerCertificate({ hosts: ['localhost'], commonName: 'one', now: Date.now() })
  const grpc = new Server({ 'grpc.keepalive_time_ms': 100, 'grpc.keepalive_timeout_ms': 60_000, 'grpc.enable_channelz': 0 })
  grpc.addService(serviceDefinition('envoy.service.discovery.v3.AggregatedDiscoveryService'), {
    DeltaAggregatedResources: (call: ServerDuplexStream<Uint8Array, Uint8Array>) => {
      const peer = call.getPeer()
      peers.push(peer)
      call.on('error', () => {})
      call.on('data', () => {})
      call.on('cancelled', () => over.push(peer))
    },
    StreamAggregatedResources: () => {},
  })
  port = createTlsPort({
    host: '127.0.0.1',
    port: 0,
    minVersion: 'TLSv1.2',
    tls: {
      current: material,
      onChange: (listener) => {
        reload = listener
        return () => {}
      },
    },
    grpc,
    http: (_, response) => response.end('http'),
    clock: systemClock,
    log: silentLogger,
    strangers: { clock: patience, limit: 20, patienceMs: 3000 },
    silence: createSilenceWatch({ clock: passing, limitMs: silenceMs }),
  })
  number = await port.listen()
  port.serve()
})
afterEach(() => port.close(50))

interface Connection {
  readonly raw: Socket
  readonly secure: TLSSocket
  readonly session: ClientHttp2Session
  readonly stream: ClientHttp2Stream
  readonly peer: string
  destroy(): void
}

async function open(): Promise<Connection> {
  const raw = connectTcp(number, '127.0.0.1')
  const secure = connectTls({ socket: raw, ALPNProtocols: ['h2'], rejectUnauthorized: false })
  for (const socket of [raw, secure]) socket.on('error', () => {})
  await once(secure, 'secureConnect')
  const session = connectHttp2('https://localhost', { createConnection: () => secure })
  session.on('error', () => {})
  const stream = session.request({
    ':method': 'POST',
    ':path': '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    'content-type': 'application/grpc',
    te: 'trailers',
  })
  stream.on('error', () => {})
  stream.write(Buffer.from([0, 0, 0, 0, 0]))
  const before = peers.length
  await until(() => peers.length > before, 'stream opened')
  const peer = peers.at(-1) ?? ''
  port.admitted(peer)
  return { raw, secure, session, stream, peer, destroy: () => session.destroy() }
}

/** What the port says when the stream fails, as the discovery server asks it. */
async function endOf(connection: Connection): Promise<string> {
  await until(() => over.includes(connection.peer), 'stream over')
  await new Promise((resolve) => setImmediate(resolve))
  return port.connectionEnd(connection.peer)
}

describe('how connections end', () => {
  it('closed, when the peer ends it', async () => {
    const connection = await open()
    connection.raw.end()
    assert.equal(await endOf(connection), 'closed')
    connection.raw.destroy()
  })

  it('closed, when the peer resets it', async () => {
    const connection = await open()
    connection.raw.resetAndDestroy()
    assert.equal(await endOf(connection), 'closed')
  })

  it('open, when only the stream is reset', async () => {
    const connection = await open()
    connection.stream.close(8)
    assert.equal(await endOf(connection), 'open')
    connection.destroy()
  })

  it('lost, when the peer no longer answers', async () => {
    const connection = await open()
    connection.raw.pause()
    // the session reads from the TLS socket's handle: stopping that is what a vanished host looks like
    const handle: unknown = Reflect.get(connection.raw, '_handle')
    assert.ok(typeof handle === 'object' && handle !== null && 'readStop' in handle && typeof handle.readStop === 'function')
    handle.readStop()
    for (let second = 0; second < 10; second += 1) passing.advance(1000)
    assert.equal(await endOf(connection), 'lost')
    connection.raw.destroy()
  })

  it('open, for as long as the peer answers what gRPC asks, though it says nothing else', async () => {
    const connection = await open()
    // each answer comes before the next question
    for (let answer = 0; answer < 6; answer += 1) {
      await once(connection.session, 'ping')
      await once(connection.session, 'ping')
      for (let second = 0; second < 5; second += 1) passing.advance(1000)
    }
    assert.equal(port.connectionEnd(connection.peer), 'open')
    connection.destroy()
  })
})

it('presents a replaced certificate to new connections', async () => {
  const subject = async (): Promise<string | undefined> => {
    const socket = connectTls({ host: '127.0.0.1', port: number, ALPNProtocols: ['http/1.1'], rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { subject: of } = socket.getPeerX509Certificate() ?? {}
    socket.destroy()
    return of
  }
  assert.equal(await subject(), 'CN=one')
  reload(await createServerCertificate({ hosts: ['localhost'], commonName: 'two', now: Date.now() }))
  assert.equal(await subject(), 'CN=two')
})

it('closes connections that never become a proxy, too many and in time, and none that did', async () => {
  const proxy = await open()
  let closed = 0
  const crowd = Array.from({ length: 50 }, () => {
    const socket = connectTcp(number, '127.0.0.1')
    socket.on('error', () => {})
    socket.on('close', () => closed++)
    return socket
  })
  await until(() => closed === 30, 'too many')
  patience.advance(3000)
  await until(() => closed === 50, 'in time')
  assert.equal(proxy.raw.destroyed, false)
  for (const socket of crowd) socket.destroy()
  proxy.destroy()
})

it('refuses TLS below 1.2', async () => {
  const socket = connectTls({
    host: '127.0.0.1',
    port: number,
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
    rejectUnauthorized: false,
    ciphers: 'DEFAULT@SECLEVEL=0',
  })
  const [error] = await once(socket, 'error')
  assert.equal(error.code, 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'the alert comes from the server')
})
