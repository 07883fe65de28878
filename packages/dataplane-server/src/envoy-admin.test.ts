import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttp, type RequestListener, type Server } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, it } from 'node:test'
import { hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { type AdminAuthority, loadAdminAuthority } from '@weft/identity'
import { createMemoryStore } from '@weft/store'
import { createEnvoyAdmin } from './envoy-admin.ts'
import { proxyMetadata } from './node-metadata.ts'
import { redactAuthorization } from './redact.ts'
import { mesh, put, until } from './testing/server-fixture.ts'

const proxy = { mesh, name: 'web-1' }
const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function setUp(
  handler: RequestListener,
  options: { readonly plain?: boolean; readonly foreignCa?: boolean; readonly name?: string } = {},
) {
  const clock = new FakeClock(Date.now())
  const store = createMemoryStore({ clock, log: silentLogger })
  const authority: AdminAuthority = await loadAdminAuthority({ store, clock })
  const other = await loadAdminAuthority({ store: createMemoryStore({ clock, log: silentLogger }), clock })
  const certificate = await (options.foreignCa ? other : authority).server(options.name ?? '127.0.0.1')
  const tls = {
    cert: certificate.certificatePem,
    key: certificate.privateKeyPem,
    ca: authority.caPem,
    requestCert: true,
    rejectUnauthorized: true,
  }
  const server = options.plain ? createHttp(handler) : createHttps(tls, handler)
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // listening on TCP: the address has a port
  const { port } = server.address() as AddressInfo
  await put(store, { type: 'Dataplane', ...proxy, labels: {}, spec: { networking: { address: '127.0.0.1', admin: { port } } } })
  const metadata = proxyMetadata(options.plain ? {} : { 'dataplane.admin.socketPath': '/w/admin.sock' })
  return { clock, admin: createEnvoyAdmin({ store, authority, metadata: () => metadata, defaultAdminPort: 9901, clock }) }
}

const failed = (message: RegExp) => (error: unknown) => hasCode(error, 'api/bad-request') && message.test(error.message)

describe('envoy admin', () => {
  it('asks over mutual TLS', async () => {
    const urls: string[] = []
    const { admin } = await setUp((request, response) => {
      urls.push(`${request.method} ${request.url}`)
      response.end('{"key": "authorization", "value": "secret"}')
    })
    assert.equal(await admin.configDump(proxy, { includeEds: true }), '{"key": "authorization", "value": "[redacted]"}')
    await admin.configDump(proxy, { includeEds: false })
    await admin.stats(proxy, { format: 'text' })
    await admin.stats(proxy, { format: 'json', usedOnly: false })
    await admin.clusters(proxy, { format: 'json' })
    await admin.clusters(proxy, { format: 'text' })
    await admin.quit(proxy)
    assert.deepEqual(urls, [
      'GET /config_dump?include_eds',
      'GET /config_dump',
      'GET /stats?usedonly',
      'GET /stats?format=json',
      'GET /clusters?format=json',
      'GET /clusters',
      'POST /quitquitquit',
    ])
  })

  it('asks plainly where Envoy itself listens on loopback', async () => {
    const { admin } = await setUp((_, response) => response.end('ok'), { plain: true })
    assert.equal(await admin.stats(proxy, { format: 'text' }), 'ok')
  })

  it('believes only our own authority and the right address', async () => {
    const foreign = await setUp((_, response) => response.end('ok'), { foreignCa: true })
    await assert.rejects(foreign.admin.stats(proxy, { format: 'text' }), failed(/certificate/))
    const other = await setUp((_, response) => response.end('ok'), { name: '10.0.0.9' })
    await assert.rejects(other.admin.stats(proxy, { format: 'text' }), failed(/altnames/))
  })

  it('gives up on an Envoy that is silent, slow, endless or failing', async () => {
    let asked = 0
    const silent = await setUp((_, response) => {
      asked += 1
      response.write('a little')
    })
    const pending = silent.admin.stats(proxy, { format: 'text' })
    const outcome = assert.rejects(pending, failed(/does not answer/))
    await until(() => asked === 1, 'asked')
    silent.clock.advance(5000)
    await outcome
    const failing = await setUp((_, response) => response.writeHead(503).end())
    await assert.rejects(failing.admin.stats(proxy, { format: 'text' }), failed(/status 503/))
    const chunk = Buffer.alloc(4 << 20)
    const endless = await setUp((_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      }
      response.on('drain', more)
      response.on('error', () => {})
      more()
    })
    await assert.rejects(endless.admin.stats(proxy, { format: 'text' }), failed(/larger than 64 MiB/))
  })

  it('says when there is no such proxy', async () => {
    const { admin } = await setUp((_, response) => response.end(''))
    await assert.rejects(admin.stats({ mesh, name: 'other' }, { format: 'text' }), (error) => hasCode(error, 'store/not-found'))
  })
})

describe('redaction', () => {
  it('replaces every authorization value and nothing else', () => {
    const dump = {
      headers: [
        { key: 'Authorization', value: 'a"b\\c' },
        { key: 'x', value: 'y' },
      ],
      metadata: { authorization: 'z' },
      other: 'authorization',
    }
    for (const space of [0, 1, 2]) {
      assert.deepEqual(JSON.parse(redactAuthorization(JSON.stringify(dump, null, space))), {
        headers: [
          { key: 'Authorization', value: '[redacted]' },
          { key: 'x', value: 'y' },
        ],
        metadata: { authorization: '[redacted]' },
        other: 'authorization',
      })
    }
  })

  it('takes no longer for hostile text', () => {
    const text = `"key":"authorization","value":"${'\\\\'.repeat(200_000)}`
    const start = process.cpuUsage()
    assert.equal(redactAuthorization(text), text)
    assert.ok(process.cpuUsage(start).user < 2_000_000, 'microseconds of the processor')
  })
})
