import assert from 'node:assert/strict'
import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { type RequestOptions, request as httpsRequest } from 'node:https'
import { Writable } from 'node:stream'
import { connect as tlsConnect, type TLSSocket } from 'node:tls'
import { describe, it } from 'node:test'
import { hasCode } from '@weft/foundation/errors'
import { createLogging } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { createEnvoyAdminCa, createServerCertificate, issueAdminCertificate, loadCertificateAuthority } from '@weft/identity'
import { FakeClock } from '@weft/foundation/time'
import { baseSettings, type SceneOptions, sceneDeps } from './api-scene.fixture.ts'
import type { ServerCertificate } from './api-deps.ts'
import { createDiagnosticsServer } from './diagnostics.ts'
import { type ApiServer, createApiServer } from './server.ts'

interface Got {
  readonly status: number
  readonly text: string
}

function ask(send: typeof httpRequest, options: RequestOptions): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = send({ host: '127.0.0.1', ...options }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

async function withServer(options: SceneOptions, body: (server: ApiServer) => Promise<void>): Promise<void> {
  const server = createApiServer(sceneDeps(options))
  await server.start()
  try {
    await body(server)
  } finally {
    await server.stop()
  }
}

const now = Date.now()
const pair = await createServerCertificate({ hosts: ['127.0.0.1', 'localhost'], commonName: 'one', now })
const other = await createServerCertificate({ hosts: ['127.0.0.1', 'localhost'], commonName: 'two', now })

function certificateOf(current: typeof pair): ServerCertificate & { replace(next: typeof pair): void } {
  const listeners = new Set<(next: typeof pair) => void>()
  let held = current
  return {
    get current() {
      return held
    },
    onChange: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    replace: (next) => {
      held = next
      for (const listener of listeners) listener(next)
    },
  }
}

describe('listeners', () => {
  it('HTTP and HTTPS serve the same, and both know the operator on this machine', async () => {
    const https = { ...baseSettings.https, enabled: true, certificate: certificateOf(pair) }
    await withServer({ settings: { https } }, async (server) => {
      const plain = await ask(httpRequest, { port: server.httpPort, path: '/who-am-i' })
      const secure = await ask(httpsRequest, { port: server.httpsPort, path: '/who-am-i', ca: pair.certificatePem })
      assert.match(plain.text, /mesh-system:admin/)
      assert.deepEqual(secure, plain)
      const list = await ask(httpsRequest, { port: server.httpsPort, path: '/global-secrets?size=1', ca: pair.certificatePem })
      assert.equal(list.status, 200)
    })
  })

  it('HTTPS speaks HTTP/1.1, refuses old TLS and takes a new certificate while running', async () => {
    const certificate = certificateOf(pair)
    await withServer({ settings: { https: { ...baseSettings.https, enabled: true, certificate } } }, async (server) => {
      const port = server.httpsPort ?? 0
      const handshake = (options: object): Promise<{ alpn: unknown; name: unknown }> =>
        new Promise((resolve, reject) => {
          const socket: TLSSocket = tlsConnect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options }, () => {
            resolve({ alpn: socket.alpnProtocol, name: socket.getPeerCertificate().subject.CN })
            socket.destroy()
          })
          socket.on('error', reject)
        })
      assert.deepEqual(await handshake({ ALPNProtocols: ['h2', 'http/1.1'] }), { alpn: 'http/1.1', name: 'one' })
      await assert.rejects(handshake({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' }))
      certificate.replace(other)
      assert.equal((await handshake({})).name, 'two')
    })
  })

  it('a client certificate can be demanded', async () => {
    const ca = await createEnvoyAdminCa(now)
    const client = await issueAdminCertificate(await loadCertificateAuthority({ ...ca, allowSelfSigned: true, now }), {
      usage: 'client',
      name: 'client',
      now,
    })
    const https = {
      ...baseSettings.https,
      enabled: true,
      certificate: certificateOf(pair),
      clientCaPem: ca.certificatePem,
      requireClientCertificate: true,
    }
    await withServer({ settings: { https } }, async (server) => {
      const base = { port: server.httpsPort, path: '/', ca: pair.certificatePem, agent: false } as const
      await assert.rejects(ask(httpsRequest, base))
      const shown = await ask(httpsRequest, { ...base, cert: client.certificatePem, key: client.privateKeyPem })
      assert.equal(shown.status, 200)
    })
  })

  it('a taken port ends start-up, and leaves nothing listening', async () => {
    await withServer({}, async (server) => {
      const taken = { ...baseSettings.https, enabled: true, port: server.httpPort ?? 0, certificate: certificateOf(pair) }
      const second = createApiServer(sceneDeps({ settings: { https: taken } }))
      await assert.rejects(
        second.start(),
        (error) => hasCode(error, 'process/port-taken') && error.message.includes(String(server.httpPort)),
      )
      assert.deepEqual([second.httpPort, second.httpsPort], [undefined, undefined])
    })
  })

  it('stopping does not wait for idle connections', async () => {
    const server = createApiServer(sceneDeps({}))
    await server.start()
    const agent = new HttpAgent({ keepAlive: true })
    await ask(httpRequest, { port: server.httpPort, path: '/', agent })
    const started = performance.now()
    await server.stop()
    // idle connections end by themselves after two minutes
    assert.ok(performance.now() - started < 60_000)
    agent.destroy()
  })
})

describe('diagnostics', () => {
  it('readiness, liveness, metrics and log levels', async () => {
    let unready: readonly string[] = ['xds']
    const metrics = createMetrics()
    metrics.counter('some_events_total', 'Some.').inc()
    const { log, levels } = createLogging({ level: 'info', destination: new Writable({ write: (_chunk, _encoding, done) => done() }) })
    const server = createDiagnosticsServer({
      settings: { interface: '127.0.0.1', port: 0 },
      metrics,
      clock: new FakeClock(),
      log,
      unready: () => unready,
      logLevels: levels,
    })
    await server.start()
    try {
      const at = (path: string, method = 'GET', body?: string): Promise<Got> =>
        new Promise((resolve, reject) => {
          const sent = httpRequest(
            {
              host: '127.0.0.1',
              port: server.port,
              path,
              method,
              headers: body === undefined ? {} : { 'content-type': 'application/json' },
            },
            (response) => {
              let text = ''
              response.on('data', (chunk: Buffer) => (text += chunk.toString()))
              response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
            },
          )
          sent.on('error', reject)
          sent.end(body)
        })
      assert.deepEqual(await at('/ready'), { status: 503, text: 'not ready: xds\n' })
      unready = []
      assert.equal((await at('/ready')).status, 200)
      assert.equal((await at('/healthy')).status, 200)
      assert.match((await at('/metrics')).text, /some_events_total 1/)
      assert.equal((await at('/logging', 'PUT', '{"component":"kds.server","level":"debug"}')).status, 200)
      assert.equal((await at('/logging', 'PUT', '{"level":"warn"}')).status, 200)
      assert.deepEqual(JSON.parse((await at('/logging')).text), { level: 'warn', components: { 'kds.server': 'debug' } })
      for (const body of [
        '{"component":"x","level":"loud"}',
        '{"component":"x","level":"constructor"}',
        '{"component":"a b","level":"off"}',
        '{"component":5,"level":"off"}',
        '[]',
        'null',
        '{',
      ])
        assert.equal((await at('/logging', 'PUT', body)).status, 400, body)
      assert.equal((await at('/logging', 'PUT', `{"component":"${'a'.repeat(101)}","level":"off"}`)).status, 400)
      assert.equal((await at('/logging/kds.server', 'DELETE')).status, 200)
      assert.deepEqual(levels.list(), { level: 'warn', components: {} })
      assert.deepEqual(JSON.parse((await at('/logging', 'DELETE')).text), { level: 'info', components: {} })
      for (let n = 0; n < 200; n += 1) levels.set(`c${n}`, 'off')
      assert.equal((await at('/logging', 'PUT', '{"component":"one-more","level":"off"}')).status, 400)
      assert.equal((await at('/logging', 'PUT', '{"component":"c7","level":"info"}')).status, 200)
      assert.equal((await at('/debug/pprof/heap')).status, 404)
    } finally {
      await server.stop()
    }
  })
})
