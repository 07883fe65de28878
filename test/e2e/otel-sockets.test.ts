// Traces, logs and metrics of real Envoys by way of their launchers: at an OTLP receiver over HTTP, with what the launcher's environment adds, then at
// one over gRPC that the backend is moved to.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startCollector } from '../../apps/dataplane/src/otel/collector.fixture.ts'
import { http, until } from '../../apps/demo/src/rest.ts'
import { envoyBinary, startZone } from './zone.ts'

const missing = envoyBinary ? false : 'no Envoy binary: set ENVOY_PATH'

interface Taken {
  readonly path: string
  readonly key: unknown
  readonly type: unknown
  readonly body: string
}

async function httpReceiver() {
  const taken: Taken[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { 'x-api-key': key, 'content-type': type } = request.headers
      taken.push({ path: request.url ?? '', key, type, body: Buffer.concat(chunks).toString('latin1') })
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    // an address of a listening TCP server is always an object
    port: (server.address() as AddressInfo).port,
    taken,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((done) => {
        server.closeAllConnections()
        server.close(() => done())
      }),
  }
}

test('all three signals reach the backend that the launcher is told of, and follow it', { skip: missing, timeout: 400_000 }, async () => {
  await using zone = await startZone()
  await using receiver = await httpReceiver()
  const backend = await zone.workload('backend-1', 'backend')
  const port = await zone.freePort()
  const outbound = [
    {
      address: '127.0.0.1',
      port,
      backendRef: { kind: 'MeshService', labels: { 'kuma.io/display-name': 'backend' }, port: backend.inbound },
    },
  ]
  const env = { OTEL_EXPORTER_OTLP_HEADERS: 'x-api-key=of%20the%20launcher', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }
  await zone.workload('client-1', 'client', { outbound, env })
  const url = `http://127.0.0.1:${port}`
  await until('first answer', async () => (await http('GET', `${url}/`)).status === 200)

  const labels = { 'kuma.io/origin': 'zone' }
  const put = (path: string, type: string, name: string, spec: object): Promise<void> =>
    zone.put(`/meshes/default/${path}/${name}`, { type, mesh: 'default', name, labels, spec })
  // what the environment says of the address is not followed: the backend goes first
  const explicit = { env: { mode: 'Optional', precedence: 'ExplicitFirst' } }
  await put('meshopentelemetrybackends', 'MeshOpenTelemetryBackend', 'main', {
    endpoint: { address: '127.0.0.1', port: receiver.port, path: '/in' },
    protocol: 'http',
    ...explicit,
  })
  const targetRef = { kind: 'Dataplane', labels: { 'kuma.io/workload': 'client' } }
  const backendRef = { kind: 'MeshOpenTelemetryBackend', labels: { 'kuma.io/display-name': 'main' } }
  const seen = [{ type: 'OpenTelemetry', openTelemetry: { backendRef } }]
  await put('meshtraces', 'MeshTrace', 'seen', { targetRef, default: { backends: seen } })
  const body = { stringValue: 'call of %REQ(:PATH)%' }
  const logs = [{ type: 'OpenTelemetry', openTelemetry: { backendRef, body } }]
  await put('meshaccesslogs', 'MeshAccessLog', 'seen', { targetRef, to: [{ targetRef: { kind: 'Mesh' }, default: { backends: logs } }] })
  const metrics = [{ type: 'OpenTelemetry', openTelemetry: { backendRef, refreshInterval: '1s' } }]
  await put('meshmetrics', 'MeshMetric', 'seen', { targetRef, default: { backends: metrics } })

  const found = (signal: string, text: string): Taken | undefined =>
    receiver.taken.find((each) => each.path === `/in/v1/${signal}` && each.body.includes(text))
  for (const [signal, text] of [
    ['traces', '/asked'],
    ['logs', 'call of /asked'],
    ['metrics', 'envoy_cluster_upstream_rq_total'],
  ] as const) {
    await until(`${signal} at the receiver`, async () => {
      await http('GET', `${url}/asked`)
      return found(signal, text) !== undefined
    })
    const { key, type } = found(signal, text) ?? {}
    assert.deepEqual([key, type], ['of the launcher', 'application/x-protobuf'], signal)
  }
  const socket = join(zone.processes.folder('client-1'), 'kuma-otel-main.sock')
  assert.equal(statSync(socket).mode & 0o777, 0o600)

  await using moved = await startCollector()
  await put('meshopentelemetrybackends', 'MeshOpenTelemetryBackend', 'main', {
    endpoint: { address: '127.0.0.1', port: moved.port },
    ...explicit,
  })
  for (const [signal, text] of [
    ['traces', '/moved'],
    ['logs', 'call of /moved'],
    ['metrics', 'envoy_cluster_upstream_rq_total'],
  ] as const) {
    await until(`${signal} over gRPC`, async () => {
      await http('GET', `${url}/moved`)
      return moved.calls.some((call) => call.signal === signal && call.body.toString('latin1').includes(text))
    })
  }
  assert.ok(moved.calls.every(({ headers }) => headers['x-api-key'] === 'of the launcher'))

  for (const path of ['meshtraces', 'meshaccesslogs', 'meshmetrics']) await zone.remove(`/meshes/default/${path}/seen`)
  await until('the socket is gone', async () => !existsSync(socket))
})
