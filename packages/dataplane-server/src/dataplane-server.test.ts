import assert from 'node:assert/strict'
import { connect as connectHttp2 } from 'node:http2'
import { request as httpsRequest } from 'node:https'
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { hasCode } from '@weft/foundation/errors'
import { codec } from '@weft/proto'
import { createKeyRing, createTokenIssuer, generateSigningKey, secretSpec } from '@weft/identity'
import { duplicateStreamMessage } from './proxy-lifecycle.ts'
import {
  ackOf,
  dataplaneText,
  firstRequest,
  mesh,
  nodeOf,
  openStream,
  put,
  responses,
  type ServerFixture,
  startServer,
  until,
} from './testing/server-fixture.ts'

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

async function served(name: string, token?: string): Promise<ReturnType<typeof openStream>> {
  const stream = openStream(fixture.client(), 'ads', token ?? (await fixture.token()))
  stream.send(firstRequest(nodeOf(name)))
  await stream.next()
  return stream
}

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
    await served('web-1')
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

describe('discovery', () => {
  it('registers the proxy and answers, empty too', async () => {
    const stream = openStream(fixture.client(), 'ads', await fixture.token())
    stream.send(firstRequest(nodeOf('web-1', { features: ['feature-reuse-port'], version: { kumaDp: { version: '3.0.0' } } })))
    const bytes = await stream.next()
    const response = responses.decode(bytes)
    assert.equal(response.controlPlane?.identifier, 'control-plane')
    assert.deepEqual(fixture.dataplane('web-1')?.labels, {
      'kuma.io/display-name': 'web-1',
      'kuma.io/env': 'universal',
      'kuma.io/mesh': 'default',
      'kuma.io/origin': 'zone',
      'kuma.io/workload': 'web',
      'kuma.io/zone': 'default',
    })
    stream.send(ackOf(bytes))
    await until(() => fixture.lines.includes('acknowledged cds web-1'), 'ack counted')
    assert.deepEqual(fixture.lines.slice(0, 4), ['proxy default/web-1', 'connected web-1', 'sent cds web-1', 'acknowledged cds web-1'])
  })

  it('refuses a second stream of a live proxy and takes it when the first is gone', async () => {
    const first = await served('web-1')
    const second = openStream(fixture.client(), 'ads', await fixture.token())
    second.send(firstRequest(nodeOf('web-1')))
    const end = await second.ended
    assert.deepEqual([end.code, end.details], [status.UNKNOWN, duplicateStreamMessage])
    first.call.cancel()
    await until(() => fixture.lines.includes('disconnected web-1'), 'first stream ended')
    await served('web-1')
  })

  it('does not serve the state-of-the-world variant', async () => {
    const stream = openStream(fixture.client(), 'sotw', await fixture.token())
    assert.equal((await stream.ended).code, status.UNIMPLEMENTED)
  })

  it('keeps the Dataplane of a proxy that returns in time and removes it otherwise', async () => {
    const first = await served('web-1')
    first.call.end()
    await until(() => fixture.lines.includes('state default/web-1 {"degraded":true}'), 'degraded')
    fixture.clock.advance(9000)
    const second = await served('web-1')
    assert.ok(fixture.lines.includes('state default/web-1 none'))
    fixture.clock.advance(60_000)
    assert.ok(fixture.dataplane('web-1'))
    second.call.cancel()
    await until(() => fixture.lines.filter((line) => line === 'disconnected web-1').length === 2, 'second stream ended')
    await until(() => fixture.clock.pending > 0 && fixture.lines.at(-1) === 'state default/web-1 {"degraded":true}', 'degraded again')
    fixture.clock.advance(10_000)
    await until(() => fixture.dataplane('web-1') === undefined, 'dataplane removed')
    assert.equal(fixture.lines.includes('no proxy default/web-1'), true)
  })

  it('removes nobody when it stops', async () => {
    const stream = await served('web-1')
    const stopping = fixture.server.stop()
    assert.equal((await stream.ended).code, status.UNAVAILABLE)
    fixture.clock.advance(60_000)
    await stopping
    assert.ok(fixture.dataplane('web-1'))
    assert.equal(
      fixture.lines.some((line) => line.includes('degraded')),
      false,
    )
  })
})

describe('authentication of streams', () => {
  const refusals: [string, (f: ServerFixture) => Promise<{ token?: string; node?: ReturnType<typeof nodeOf> }>, number, RegExp][] = [
    ['no credential', async () => ({}), status.UNKNOWN, /exactly one credential/],
    ['a token that is none', async () => ({ token: 'x' }), status.UNKNOWN, /not valid/],
    ['a token of another proxy', async (f) => ({ token: await f.token({ name: 'other' }) }), status.UNKNOWN, /for proxy "other"/],
    ['a token of another workload', async (f) => ({ token: await f.token({ workload: 'other' }) }), status.UNKNOWN, /for workload "other"/],
    [
      'an expired token',
      async (f) => {
        const keys = createKeyRing({ secrets: f.store })
        return {
          token: await createTokenIssuer({
            keys,
            clock: { ...f.clock, now: () => f.clock.now() - 3_600_000, monotonic: () => 0, after: () => ({ cancel: () => {} }) },
          }).dataplane({ mesh, validForMs: 1000 }),
        }
      },
      status.UNKNOWN,
      /exp/,
    ],
    [
      'a token of another mesh',
      async (f) => {
        await put(f.store, {
          type: 'Secret',
          mesh: 'other',
          name: 'dataplane-token-signing-key-other-1',
          labels: {},
          spec: secretSpec(await generateSigningKey()),
        })
        return { token: await f.token({ mesh: 'other' }) }
      },
      status.UNKNOWN,
      /mesh "other"/,
    ],
    [
      'a proxy of a mesh without keys',
      async (f) => ({ token: await f.token(), node: { ...nodeOf('web-1'), id: 'nomesh.web-1', metadata: undefined } }),
      status.UNAVAILABLE,
      /no Dataplane/,
    ],
    [
      'a node without id',
      async (f) => ({ token: await f.token(), node: { ...nodeOf('web-1'), id: '' } }),
      status.INVALID_ARGUMENT,
      /names no node/,
    ],
    [
      'a node id that is not its Dataplane',
      async (f) => ({ token: await f.token(), node: { ...nodeOf('web-1'), id: 'default.web-2' } }),
      status.UNKNOWN,
      /^proxyId \{default web-2\} does not match proxy resource \{/,
    ],
    [
      'a proxy of another type',
      async (f) => ({ token: await f.token(), node: nodeOf('web-1', { 'dataplane.proxyType': 'ingress' }) }),
      status.UNKNOWN,
      /type "ingress"/,
    ],
    [
      'an invalid Dataplane',
      async (f) => ({
        token: await f.token(),
        node: nodeOf('web-1', { 'dataplane.resource': dataplaneText('web-1', { networking: { inbound: 5 } }) }),
      }),
      status.UNKNOWN,
      /networking.inbound/,
    ],
    [
      'a Dataplane that is not JSON',
      async (f) => ({ token: await f.token(), node: nodeOf('web-1', { 'dataplane.resource': '{' }) }),
      status.UNKNOWN,
      /not JSON/,
    ],
  ]
  for (const [name, input, code, message] of refusals) {
    it(`refuses ${name}, sends and stores nothing`, async () => {
      const { token, node = nodeOf('web-1') } = await input(fixture)
      const stream = openStream(fixture.client(), 'ads', token)
      stream.send(firstRequest(node))
      const end = await stream.ended
      assert.match(end.details, message)
      assert.equal(end.code, code)
      assert.equal(fixture.dataplane('web-1'), undefined)
      assert.deepEqual(fixture.lines, [])
    })
  }

  it('says "later" while the signing keys are missing', async () => {
    const token = await fixture.token()
    await fixture.store.transact([{ op: 'delete', key: { type: 'Secret', mesh, name: 'dataplane-token-signing-key-default-1' } }], {
      actor: 'user:test',
      reason: 'test',
      class: 'desired',
    })
    const stream = openStream(fixture.client(), 'ads', token)
    stream.send(firstRequest(nodeOf('web-1')))
    assert.equal((await stream.ended).code, status.UNAVAILABLE)
  })

  it('lets no token take over a stored Dataplane it is not good for', async () => {
    await put(fixture.store, {
      type: 'Dataplane',
      mesh,
      name: 'web-1',
      labels: { 'kuma.io/workload': 'payments' },
      spec: { networking: { address: '127.0.0.1' } },
    })
    const stream = openStream(fixture.client(), 'ads', await fixture.token())
    stream.send(firstRequest(nodeOf('web-1')))
    assert.match((await stream.ended).details, /for workload "web", the dataplane is of workload "payments"/)
  })

  it('ends a stream whose node changes', async () => {
    const stream = await served('web-1')
    stream.send(firstRequest(nodeOf('web-2')))
    assert.notEqual((await stream.ended).code, status.OK)
    assert.equal(fixture.dataplane('web-2'), undefined)
  })

  it('ends a stream of garbage only', async () => {
    const good = await served('web-1')
    const bad = openStream(fixture.client(), 'ads', await fixture.token())
    bad.send(Buffer.alloc(1000, 0xff))
    assert.notEqual((await bad.ended).code, status.OK)
    good.send(firstRequest(nodeOf('web-1')))
    await served('web-2')
  })
})

describe('health discovery', () => {
  it('asks for checks, and a proxy that is not ready drains', async () => {
    const messages = codec('envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse')
    const specifiers = codec('envoy.service.health.v3.HealthCheckSpecifier')
    const text = dataplaneText('web-1', { networking: { inbound: [{ port: 10080, servicePort: 18080, serviceProbe: { tcp: {} } }] } })
    const node = nodeOf('web-1', { 'dataplane.resource': text, 'dataplane.admin.socketPath': '/w/admin.sock' })
    const ads = openStream(fixture.client(), 'ads', await fixture.token())
    ads.send(firstRequest(node))
    await ads.next()
    const inbound = (): unknown =>
      (fixture.dataplane('web-1')?.spec as { networking: { inbound: unknown[] } } | undefined)?.networking.inbound[0]
    assert.deepEqual(inbound(), { port: 10080, servicePort: 18080, serviceProbe: { tcp: {} }, state: 'NotReady', health: {} })

    const hds = openStream(fixture.client(), 'hds', await fixture.token())
    hds.send(messages.encode({ healthCheckRequest: { node, capability: {} } }))
    const specifier = specifiers.decode(await hds.next())
    assert.equal(Number(specifier.interval?.seconds), 1)
    assert.deepEqual(
      specifier.clusterHealthChecks?.map((each) => each.clusterName),
      ['system_envoy_admin', 'localhost:18080'],
    )

    const report = (admin: 0 | 1 | 2, probe: 0 | 1 | 2): void => {
      const of = (clusterName: string, healthStatus: 0 | 1 | 2) => ({
        clusterName,
        localityEndpointsHealth: [{ endpointsHealth: [{ healthStatus }] }],
      })
      hds.send(
        messages.encode({
          endpointHealthResponse: { clusterEndpointsHealth: [of('system_envoy_admin', admin), of('localhost:18080', probe)] },
        }),
      )
    }
    report(2, 2)
    report(1, 2)
    report(1, 1)
    await until(() => JSON.stringify(inbound()).includes('"ready":true'), 'inbound ready')
    assert.equal(
      fixture.lines.some((line) => line.includes('draining')),
      false,
      'checks that have not run yet say nothing',
    )
    report(2, 1)
    await until(() => fixture.lines.includes('state default/web-1 {"draining":true}'), 'draining')
    report(1, 2)
    await until(() => JSON.stringify(inbound()).includes('NotReady'), 'inbound not ready')
    await until(() => fixture.lines.at(-1) === 'state default/web-1 none', 'no longer draining')
    const before = fixture.store.seq
    report(1, 2)
    report(1, 2)
    hds.send(Buffer.from([0xff]))
    assert.notEqual((await hds.ended).code, status.OK)
    assert.equal(fixture.store.seq, before, 'equal reports write nothing')
  })

  it('believes a proxy that was never ready after a while', async () => {
    const messages = codec('envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse')
    const ads = await served('web-1')
    const hds = openStream(fixture.client(), 'hds', await fixture.token())
    hds.send(messages.encode({ healthCheckRequest: { node: nodeOf('web-1') } }))
    await hds.next()
    const report = (healthStatus: 1 | 2): void => {
      const endpoints = [{ clusterName: 'system_envoy_admin', localityEndpointsHealth: [{ endpointsHealth: [{ healthStatus }] }] }]
      hds.send(messages.encode({ endpointHealthResponse: { clusterEndpointsHealth: endpoints } }))
    }
    report(2)
    fixture.clock.advance(4000)
    report(2)
    await until(() => fixture.lines.includes('state default/web-1 {"draining":true}'), 'draining')
    ads.call.cancel()
    await until(() => fixture.lines.includes('state default/web-1 {"draining":true,"degraded":true}'), 'degraded')
    await served('web-1')
    assert.equal(fixture.lines.at(-3), 'state default/web-1 {"draining":true}', 'what it reports outlives its discovery stream')
    assert.ok(fixture.lines.includes('proxy default/web-1'))
  })

  it('refuses who cannot prove who it is', async () => {
    const messages = codec('envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse')
    const hds = openStream(fixture.client(), 'hds', await fixture.token({ name: 'other' }))
    hds.send(messages.encode({ healthCheckRequest: { node: nodeOf('web-1') } }))
    assert.match((await hds.ended).details, /for proxy "other"/)
    const bare = openStream(fixture.client(), 'hds')
    bare.send(messages.encode({ endpointHealthResponse: {} }))
    assert.match((await bare.ended).details, /no node/)
  })
})
