// Logs, spans and metrics of real traffic through real Envoys, at servers that this test listens with.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createHttp2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { startCollector } from '../../apps/dataplane/src/otel/collector.fixture.ts'
import { http, until } from '../../apps/demo/src/rest.ts'
import { envoyBinary, startZone, type TestZone } from './zone.ts'

const missing = envoyBinary ? false : 'no Envoy binary: set ENVOY_PATH'
const labels = { 'kuma.io/origin': 'zone' }

interface Sink extends AsyncDisposable {
  readonly port: number
  /** Everything that arrived, one text an item. */
  readonly arrived: readonly string[]
}

async function listening(server: Server, arrived: readonly string[], end: () => void): Promise<Sink> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    // an address of a listening TCP server is always an object
    port: (server.address() as AddressInfo).port,
    arrived,
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        end()
        server.close(() => done())
      }),
  }
}

/** Takes lines over TCP. */
async function lineSink(): Promise<Sink> {
  const arrived: string[] = []
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    let rest = ''
    socket.on('data', (chunk) => {
      // a line may come in pieces
      const parts = (rest + chunk.toString()).split('\n')
      rest = parts.pop() ?? ''
      arrived.push(...parts.filter(Boolean))
    })
  })
  return listening(server, arrived, () => {
    for (const socket of sockets) socket.destroy()
  })
}

/** Takes requests with their bodies: a Zipkin server, or an application with metrics. */
async function httpSink(answer: string): Promise<Sink> {
  const arrived: string[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      arrived.push(`${request.method} ${request.url} ${Buffer.concat(chunks).toString()}`)
      response.end(answer)
    })
  })
  return listening(server, arrived, () => server.closeAllConnections())
}

/** An OpenTelemetry collector that speaks gRPC: keeps path and body of each call. */
async function collector(): Promise<Sink> {
  const arrived: string[] = []
  const sessions = new Set<ServerHttp2Session>()
  const server = createHttp2Server()
  server.on('session', (session) => sessions.add(session))
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = []
    stream.on('error', () => {})
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      arrived.push(`${headers[':path']} ${Buffer.concat(chunks).toString('latin1')}`)
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      // an empty message
      stream.end(Buffer.alloc(5))
    })
  })
  return listening(server, arrived, () => {
    for (const session of sessions) session.destroy()
  })
}

/** A client that calls `backend` at the returned address. */
async function pair(zone: TestZone): Promise<string> {
  const backend = await zone.workload('backend-1', 'backend')
  const port = await zone.freePort()
  const backendRef = { kind: 'MeshService', labels: { 'kuma.io/display-name': 'backend' }, port: backend.inbound }
  await zone.workload('client-1', 'client', { outbound: [{ address: '127.0.0.1', port, backendRef }] })
  const url = `http://127.0.0.1:${port}`
  await until('first answer', async () => (await http('GET', `${url}/`)).status === 200)
  return url
}

/** Calls until something has arrived: policies take effect while calls go on. */
async function callUntil(what: string, url: string, arrived: () => boolean): Promise<void> {
  await until(what, async () => {
    await http('GET', url)
    return arrived()
  })
}

interface Discovered {
  readonly mesh: string
  readonly service: string
  readonly targets: readonly { readonly name: string; readonly address: string }[]
}

/** What Prometheus is told to scrape, as it asks. */
async function discover({ monitoring }: TestZone, id: string): Promise<readonly Discovered[]> {
  const { status, text } = await http('POST', `${monitoring}?fetch-timeout=0s`, { version_info: '', node: { id } })
  assert.equal(status, 200, text)
  const { resources = [] } = JSON.parse(text) as { readonly resources?: readonly (Discovered & { readonly '@type': string })[] }
  return resources.map(({ '@type': type, ...assignment }) => {
    assert.equal(type, 'type.googleapis.com/kuma.observability.v1.MonitoringAssignment')
    return assignment
  })
}

const policy = (type: string, spec: object): object => ({ type, mesh: 'default', name: 'seen', labels, spec })
const collectorAt = (name: string, port: number): object => ({
  type: 'MeshOpenTelemetryBackend',
  mesh: 'default',
  name,
  labels,
  spec: { endpoint: { address: '127.0.0.1', port } },
})

test('a log line in a file, at a TCP server and at an OpenTelemetry collector, a span, and metrics of proxy and application', {
  skip: missing,
  timeout: 400_000,
}, async () => {
  await using zone = await startZone()
  const url = await pair(zone)
  await using lines = await lineSink()
  await using logs = await collector()
  const file = join(zone.processes.folder('client-1'), 'requests.log')
  await zone.put('/meshes/default/meshopentelemetrybackends/logs', collectorAt('logs', logs.port))
  const plain = { type: 'Plain', plain: '%KUMA_SOURCE_SERVICE% %KUMA_DESTINATION_SERVICE% %KUMA_ZONE% %REQ(:PATH)% %RESPONSE_CODE%' }
  const json = [
    { key: 'to', value: '%KUMA_DESTINATION_SERVICE%' },
    { key: 'path', value: '%REQ(:PATH)%' },
  ]
  const backendRef = { kind: 'MeshOpenTelemetryBackend', labels: { 'kuma.io/display-name': 'logs' } }
  const backends = [
    { type: 'File', file: { path: file, format: plain } },
    { type: 'Tcp', tcp: { address: `127.0.0.1:${lines.port}`, format: { type: 'Json', json } } },
    { type: 'OpenTelemetry', openTelemetry: { backendRef, body: { stringValue: 'call of %REQ(:PATH)% in %KUMA_MESH%' } } },
  ]
  const to = [{ targetRef: { kind: 'Mesh' }, default: { backends } }]
  await zone.put('/meshes/default/meshaccesslogs/seen', policy('MeshAccessLog', { to }))
  const inFile = (): boolean => existsSync(file) && readFileSync(file, 'utf8').includes('client backend solo /logged 200\n')
  await callUntil('log line in the file', `${url}/logged`, inFile)
  const line = (text: string): boolean => {
    const value: unknown = JSON.parse(text)
    return JSON.stringify(value) === JSON.stringify({ path: '/logged', to: 'backend' })
  }
  await callUntil('log line at the TCP server', `${url}/logged`, () => lines.arrived.some(line))
  await callUntil('log record at the collector', `${url}/logged`, () =>
    logs.arrived.some((call) => call.includes('LogsService/Export') && call.includes('call of /logged in default')),
  )

  await using zipkin = await httpSink('')
  const tags = [{ name: 'shop', literal: 'books' }]
  const conf = { backends: [{ type: 'Zipkin', zipkin: { url: `http://127.0.0.1:${zipkin.port}/api/v2/spans` } }], tags }
  await zone.put('/meshes/default/meshtraces/seen', policy('MeshTrace', { default: conf }))
  const spans = (): readonly string[] => zipkin.arrived.filter((call) => call.startsWith('POST /api/v2/spans'))
  await callUntil('spans of both proxies', `${url}/traced`, () =>
    ['CLIENT', 'SERVER'].every((kind) => spans().some((text) => text.includes(`"kind":"${kind}"`) && text.includes('/traced'))),
  )
  assert.ok(spans().some((text) => text.includes('"shop":"books"') && text.includes('"kuma.zone":"solo"')))

  await using application = await httpSink('# TYPE books_sold counter\nbooks_sold{kind="novel"} 3\n')
  const metricsPort = await zone.freePort()
  const applications = [{ name: 'shop', port: application.port, address: '127.0.0.1' }]
  const metric = { backends: [{ type: 'Prometheus', prometheus: { port: metricsPort } }], applications }
  const targetRef = { kind: 'Dataplane', labels: { 'kuma.io/workload': 'client' } }
  await zone.put('/meshes/default/meshmetrics/seen', policy('MeshMetric', { targetRef, default: metric }))
  let discovered: readonly Discovered[] = []
  await until('an assignment', async () => (discovered = await discover(zone, 'prometheus-0')).length > 0)
  assert.deepEqual(discovered, [
    {
      mesh: 'default',
      service: 'client',
      targets: [{ name: 'client-1', scheme: 'http', address: `127.0.0.1:${metricsPort}`, metrics_path: '/metrics' }],
    },
  ])
  let scraped = ''
  await until('metrics', async () => {
    await http('GET', `${url}/counted`)
    const answer = await http('GET', `http://${discovered[0]?.targets[0]?.address}/metrics`)
    scraped = answer.status === 200 ? answer.text : ''
    // a scrape in which the application was too slow has the proxy's only
    return /^envoy_cluster_upstream_rq_total\{.*kri_msvc_default_solo__backend/m.test(scraped) && /^books_sold\{/m.test(scraped)
  })
  const extra = 'kuma_proxy_role="sidecar",kuma_workload="client",mesh="default",zone="solo"'
  assert.ok(scraped.includes(`books_sold{${extra},kind="novel"} 3\n`), scraped.slice(0, 500))
  assert.ok(!scraped.includes('system_envoy_admin'), 'the profile Basic leaves out the system')
})

test('metrics of proxy and application at an OpenTelemetry collector, also after it was away', {
  skip: missing,
  timeout: 400_000,
}, async () => {
  await using zone = await startZone()
  const url = await pair(zone)
  await using application = await httpSink('# TYPE books_sold counter\nbooks_sold{kind="novel"} 3\n')
  const port = await zone.freePort()
  await zone.put('/meshes/default/meshopentelemetrybackends/metrics', collectorAt('metrics', port))
  const backendRef = { kind: 'MeshOpenTelemetryBackend', labels: { 'kuma.io/display-name': 'metrics' } }
  const backends = [{ type: 'OpenTelemetry', openTelemetry: { backendRef, refreshInterval: '1s' } }]
  const applications = [{ name: 'shop', port: application.port, address: '127.0.0.1' }]
  const targetRef = { kind: 'Dataplane', labels: { 'kuma.io/workload': 'client' } }
  // the collector comes after the proxy has begun to send
  await zone.put('/meshes/default/meshmetrics/seen', policy('MeshMetric', { targetRef, default: { backends, applications } }))
  await until('a first collection', async () => application.arrived.some((call) => call.startsWith('GET /metrics')))
  await using metrics = await startCollector(`127.0.0.1:${port}`)
  const arrived = (...parts: readonly string[]): boolean =>
    metrics.arrived.some((call) => parts.every((part) => JSON.stringify(call).includes(part)))
  await callUntil('metrics at the collector', `${url}/counted`, () =>
    arrived('"envoy_cluster_upstream_rq_total"', 'kri_msvc_default_solo__backend', '"isMonotonic":true'),
  )
  await until('metrics of the application', async () =>
    arrived('"books_sold"', '{"key":"kind","value":{"stringValue":"novel"}}', '"asDouble":3'),
  )
  // Envoy shows histograms after its next flush
  await callUntil('a histogram', `${url}/counted`, () => arrived('"envoy_cluster_upstream_rq_time"', '"bucketCounts"', '"explicitBounds"'))
  assert.ok(arrived('{"key":"service.name","value":{"stringValue":"client"}}'))
  assert.ok(arrived('{"key":"kuma.workload","value":{"stringValue":"client"}}', '{"key":"zone","value":{"stringValue":"solo"}}'))
  assert.ok(!arrived('"stringValue":"system_envoy_admin"'), 'the profile Basic leaves out the system')
})
