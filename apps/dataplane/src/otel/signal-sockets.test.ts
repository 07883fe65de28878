// Sockets for Envoy's signals with real gRPC on both sides, and with what no Envoy would send.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { connect as connectHttp2, constants } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { startCollector } from './collector.fixture.ts'
import { exportMethods } from './collector-connection.ts'
import { readOtlpEnv, type Signal, signals } from './otlp-env.ts'
import { exportResponse } from './otlp-schema.ts'
import { backendPlans } from './signal-plan.ts'
import { createSignalSockets, type SignalSockets } from './signal-sockets.ts'

const workDir = mkdtempSync(join(tmpdir(), 'wso-'))
after(() => rmSync(workDir, { recursive: true }))
const socketPath = join(workDir, 'kuma-otel-main.sock')
const enabled = { enabled: true }
const backend = (endpoint: string, over: object = {}): object => ({
  name: 'main',
  socketPath,
  endpoint,
  useHTTP: false,
  traces: enabled,
  logs: enabled,
  metrics: enabled,
  ...over,
})

interface Served extends AsyncDisposable {
  readonly sockets: SignalSockets
  configure(...backends: readonly object[]): void
  /** Sends as Envoy does. Rejects with the status. */
  send(signal: Signal, body: Uint8Array): Promise<Buffer>
}

function serve(env: Readonly<Record<string, string>> = {}): Served {
  const sockets = createSignalSockets({ workDir, clock: new FakeClock(), log: silentLogger })
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    'grpc.max_send_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 100,
  })
  return {
    sockets,
    configure: (...backends) => sockets.configure(backendPlans({ backends }, readOtlpEnv(env), '127.0.0.1')),
    send: (signal, body) =>
      new Promise((done, fail) => {
        const options = new Metadata({ waitForReady: true })
        const plain = (bytes: Buffer): Buffer => bytes
        client.makeUnaryRequest(exportMethods[signal], plain, plain, Buffer.from(body), options, (error, answer) =>
          error ? fail(error) : done(answer ?? Buffer.alloc(0)),
        )
      }),
    [Symbol.asyncDispose]: async () => {
      client.close()
      await sockets.close()
    },
  }
}

const refusedWith =
  (code: status, text: RegExp) =>
  (error: ServiceError): true => {
    assert.equal(status[error.code], status[code])
    assert.match(error.details, text)
    return true
  }

/** A message as gRPC frames it. */
function framed(flag: 0 | 1, message: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head[0] = flag
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

interface HttpCall {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A collector that speaks HTTP and answers with the status of `answer`. */
async function httpCollector(answer: { code: number; type?: string; body?: Uint8Array }) {
  const calls: HttpCall[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      calls.push({ url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks) })
      response.writeHead(answer.code, answer.type === undefined ? {} : { 'content-type': answer.type }).end(answer.body)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    calls,
    // an address of a listening TCP server is always an object
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

describe('signals of Envoy', () => {
  test('reach a gRPC collector byte for byte, with the headers of the environment, and its answer comes back', async () => {
    await using collector = await startCollector()
    await using served = serve({
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=all',
      OTEL_EXPORTER_OTLP_LOGS_HEADERS: 'api-key=logs',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    })
    served.configure(backend(collector.address))
    for (const signal of signals.filter((each) => each !== 'metrics'))
      await served.send(signal, Buffer.from(`\xff\x00 not looked into: ${signal}`, 'latin1'))
    assert.deepEqual(
      collector.calls.map(({ signal, headers, body }) => [signal, headers['api-key'], body.toString('latin1')]),
      [
        ['traces', 'all', '\xff\x00 not looked into: traces'],
        ['logs', 'logs', '\xff\x00 not looked into: logs'],
      ],
    )
    collector.answer = () => ({ rejected: 3, reason: 'too old' })
    const answer = exportResponse.toObject(exportResponse.decode(await served.send('metrics', new Uint8Array())), { longs: Number })
    assert.deepEqual(answer, { partialSuccess: { rejectedDataPoints: 3, errorMessage: 'too old' } })
    collector.answer = () => ({ code: status.PERMISSION_DENIED, reason: 'no' })
    await assert.rejects(served.send('logs', new Uint8Array()), refusedWith(status.PERMISSION_DENIED, /no/))
    assert.equal(statSync(socketPath).mode & 0o777, 0o600)
  })

  test('reach an HTTP collector at the path of the signal, compressed when the environment asks', async () => {
    const answer = {
      code: 200,
      type: 'application/x-protobuf',
      body: exportResponse.encode({ partialSuccess: { errorMessage: 'hm' } }).finish(),
    }
    await using collector = await httpCollector(answer)
    await using served = serve({ OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip', OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x' })
    served.configure(backend(collector.address, { useHTTP: true, path: '/base' }))
    const said = await served.send('traces', Buffer.from('spans'))
    assert.deepEqual(exportResponse.toObject(exportResponse.decode(said)), { partialSuccess: { errorMessage: 'hm' } })
    const [call] = collector.calls
    assert.ok(call)
    assert.equal(call.url, '/base/v1/traces')
    assert.equal(gunzipSync(call.body).toString(), 'spans')
    const { authorization, 'content-type': type, 'content-encoding': encoding } = call.headers
    assert.deepEqual([authorization, type, encoding], ['Bearer x', 'application/x-protobuf', 'gzip'])
    for (const [code, expected] of [
      [503, status.UNAVAILABLE],
      [429, status.UNAVAILABLE],
      [403, status.PERMISSION_DENIED],
      [400, status.INVALID_ARGUMENT],
    ] as const) {
      answer.code = code
      await assert.rejects(served.send('logs', new Uint8Array()), refusedWith(expected, new RegExp(`answers ${code}`)))
    }
    Object.assign(answer, { code: 200, body: Buffer.alloc(100_000) })
    await assert.rejects(served.send('logs', new Uint8Array()), refusedWith(status.UNAVAILABLE, /more than/))
  })

  test('that no policy sends are refused, and so are those of a collector that is away, without an end to the socket', async () => {
    await using served = serve()
    const place = `unix:${join(workDir, 'collector.sock')}`
    served.configure(backend(place, { logs: undefined }))
    await assert.rejects(served.send('logs', new Uint8Array()), refusedWith(status.FAILED_PRECONDITION, /no policy/))
    await assert.rejects(served.send('traces', new Uint8Array()), refusedWith(status.UNAVAILABLE, /UNAVAILABLE/))
    await using collector = await startCollector(place)
    // it is called again after a while of its own
    let isTaken = false
    while (!isTaken)
      isTaken = await served.send('traces', Buffer.from('again')).then(
        () => true,
        () => false,
      )
    assert.equal(collector.calls.at(-1)?.body.toString(), 'again')
  })

  test('follow a change of the collector on the same connection, and a socket goes with its backend', async () => {
    await using first = await startCollector()
    await using second = await startCollector()
    await using served = serve()
    served.configure(backend(first.address))
    await served.send('logs', Buffer.from('1'))
    served.configure(backend(second.address))
    await served.send('logs', Buffer.from('2'))
    assert.deepEqual([first.calls.length, second.calls.length], [1, 1])
    served.configure()
    await served.sockets.close()
    assert.ok(!existsSync(socketPath))
  })

  test('use certificates that cannot be read by no other way than saying so', async () => {
    await using served = serve({ OTEL_EXPORTER_OTLP_CERTIFICATE: '/does/not/exist', OTEL_EXPORTER_OTLP_ENDPOINT: 'https://127.0.0.1:1' })
    served.configure(backend('127.0.0.1:1', { envPolicy: { precedence: 'EnvFirst' } }))
    await assert.rejects(served.send('logs', new Uint8Array()), refusedWith(status.FAILED_PRECONDITION, /ENOENT/))
  })
})

describe('what no Envoy sends', () => {
  test('costs its connection at most', async () => {
    await using collector = await startCollector()
    await using served = serve()
    served.configure(backend(collector.address))
    await served.send('logs', Buffer.from('before'))

    await assert.rejects(served.send('logs', Buffer.alloc(4 * 1024 * 1024 + 1)), refusedWith(status.RESOURCE_EXHAUSTED, /larger/i))
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.alloc(100_000, 0xff),
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    ]) {
      const raw = connect(socketPath)
      raw.on('error', () => {})
      raw.end(bytes)
      raw.resume()
      await once(raw, 'close')
    }
    const session = connectHttp2('http://x', { createConnection: () => connect(socketPath) })
    session.on('error', () => {})
    const ask = async (path: string, body: Buffer, more: Readonly<Record<string, string>> = {}): Promise<readonly unknown[]> => {
      const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...more })
      let trailers: Record<string, unknown> = {}
      stream.on('trailers', (got: Record<string, unknown>) => (trailers = got))
      const headers = once(stream, 'response') as Promise<[Record<string, unknown>]>
      stream.end(body)
      const [got] = await headers
      stream.resume()
      await once(stream, 'close')
      return [got[':status'], Number(trailers['grpc-status'] ?? got['grpc-status'])]
    }
    assert.deepEqual(await ask('/nothing/Here', Buffer.alloc(5)), [200, status.UNIMPLEMENTED])
    // a frame that promises more than it brings
    const [, code] = await ask(exportMethods.logs, Buffer.from([0, 0, 0, 1, 0, 1]))
    assert.notEqual(code, status.OK)
    // a frame that says it is compressed and is not
    const [, compressed] = await ask(exportMethods.logs, Buffer.from([1, 0, 0, 0, 1, 1]), { 'grpc-encoding': 'gzip' })
    assert.notEqual(compressed, status.OK)
    // 64 MiB in 64 KiB
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
    const [, blown] = await ask(exportMethods.logs, framed(1, bomb), { 'grpc-encoding': 'gzip' })
    assert.notEqual(blown, status.OK)
    const reset = session.request({ ':method': 'POST', ':path': exportMethods.logs, 'content-type': 'application/grpc' })
    reset.on('error', () => {})
    reset.close(constants.NGHTTP2_CANCEL)
    session.destroy()

    await served.send('logs', Buffer.from('after'))
    assert.deepEqual(
      collector.calls.map(({ body }) => body.toString()),
      ['before', 'after'],
    )
  })

  test('is a socket outside of the work folder, or in the place of another file', async () => {
    await using served = serve()
    const victim = join(workDir, 'bootstrap.yaml')
    const outside = join(tmpdir(), `kuma-otel-outside-${process.pid}.sock`)
    writeFileSync(victim, 'keep')
    const paths = [victim, outside, join(workDir, '..', 'kuma-otel-a.sock'), `${workDir}/sub/kuma-otel-a.sock`]
    served.configure(...paths.map((path) => backend('127.0.0.1:1', { socketPath: path })))
    await served.sockets.close()
    assert.ok(existsSync(victim))
    assert.ok(!existsSync(outside))
  })
})

test('a path that cannot be listened on is tried again', async () => {
  const clock = new FakeClock()
  const folder = join(workDir, 'later')
  const sockets = createSignalSockets({ workDir: folder, clock, log: silentLogger })
  const path = join(folder, 'kuma-otel-main.sock')
  sockets.configure(backendPlans({ backends: [backend('127.0.0.1:1', { socketPath: path })] }, readOtlpEnv({}), ''))
  while (clock.pending === 0) await new Promise((done) => setImmediate(done))
  mkdirSync(folder)
  clock.advance(5_000)
  while (!existsSync(path)) await new Promise((done) => setImmediate(done))
  await sockets.close()
  assert.ok(!existsSync(path))
})
