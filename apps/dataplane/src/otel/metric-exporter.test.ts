// The exporter against a real gRPC collector in this process, on a clock that moves when told.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { describe, test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { createLogger, type Logger, silentLogger } from '@weft/foundation/log'
import { FakeClock, systemClock } from '@weft/foundation/time'
import { startCollector } from './collector.fixture.ts'
import { createMetricSender, type MetricSender } from './collector-client.ts'
import { startMetricExporter } from './metric-exporter.ts'
import { createMetricExports, metricBackends } from './metric-exports.ts'
import { exportRequest } from './otlp-schema.ts'
import { plainDestination } from './signal-plan.ts'

const request = (name: string): Uint8Array =>
  exportRequest.encode({ resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name }] }] }] }).finish()

interface Written {
  readonly log: Logger
  readonly lines: readonly { readonly level: string; readonly msg: string; readonly err?: string; readonly count?: number }[]
}

function writtenLog(): Written {
  const lines: Written['lines'][number][] = []
  const destination = new Writable({
    write: (chunk: Buffer, _, done) => {
      for (const line of chunk.toString().split('\n').filter(Boolean)) lines.push(JSON.parse(line) as Written['lines'][number])
      done()
    },
  })
  return { log: createLogger({ level: 'info', destination }), lines }
}

/** Lets what is under way on this process's sockets go on until the exporter has set its next timer. */
async function settled(clock: FakeClock): Promise<void> {
  while (clock.pending === 0) await new Promise((done) => setImmediate(done))
}

describe('one collector', () => {
  test('gets everything at its interval, from a moment of its own on', async () => {
    await using collector = await startCollector()
    const clock = new FakeClock()
    const exporter = startMetricExporter({
      name: 'main',
      intervalMs: 10_000,
      collect: async () => [request('one'), request('two')],
      sender: createMetricSender(plainDestination(collector.address)),
      clock,
      log: silentLogger,
      random: () => 0.5,
    })
    clock.advance(4_999)
    assert.equal(collector.arrived.length, 0)
    clock.advance(1)
    await collector.reached(2)
    await settled(clock)
    clock.advance(9_999)
    await new Promise((done) => setImmediate(done))
    assert.equal(collector.arrived.length, 2)
    clock.advance(1)
    await collector.reached(4)
    await settled(clock)
    exporter.close()
    assert.equal(clock.pending, 0)
  })

  test('one that is away is tried again ever less often, is said once, and its return is said too', async () => {
    const { log, lines } = writtenLog()
    const clock = new FakeClock()
    let collected = 0
    let isAway = true
    const sender: MetricSender = {
      send: async () => {
        if (isAway) throw new Error('UNAVAILABLE: no connection')
        return { rejected: 0, reason: '' }
      },
      close: () => {},
    }
    const collect = async (): Promise<Iterable<Uint8Array>> => {
      collected++
      return [request('m')]
    }
    const exporter = startMetricExporter({ name: 'main', intervalMs: 1_000, collect, sender, clock, log, random: () => 0 })
    const waits: number[] = []
    clock.advance(0)
    await settled(clock)
    for (let round = 0; round < 8; round++) {
      const from = clock.now()
      const before = collected
      while (collected === before) clock.advance(1_000)
      waits.push((clock.now() - from) / 1_000)
      await settled(clock)
    }
    assert.deepEqual(waits, [2, 4, 8, 16, 32, 64, 120, 120])
    isAway = false
    clock.advance(120_000)
    await settled(clock)
    clock.advance(1_000)
    await settled(clock)
    assert.equal(collected, 11)
    assert.deepEqual(
      lines.map(({ level, msg, err }) => [level, msg, err]),
      [
        ['warn', 'cannot send metrics; further failures are not said', 'UNAVAILABLE: no connection'],
        ['info', 'metrics are sent again', undefined],
      ],
    )
    exporter.close()
    assert.equal(clock.pending, 0)
  })

  test('what it refuses, and errors it answers, reach the log and end nothing', async () => {
    await using collector = await startCollector()
    const { log, lines } = writtenLog()
    const clock = new FakeClock()
    const exporter = startMetricExporter({
      name: 'main',
      intervalMs: 1_000,
      collect: async () => [request('m')],
      sender: createMetricSender(plainDestination(collector.address)),
      clock,
      log,
      random: () => 0,
    })
    const next = async (ms: number): Promise<void> => {
      clock.advance(ms)
      await settled(clock)
    }
    collector.answer = () => ({ rejected: 3, reason: 'too old' })
    await next(0)
    await next(1_000)
    collector.answer = () => ({ code: status.RESOURCE_EXHAUSTED, reason: 'slow down' })
    await next(1_000)
    await next(2_000)
    collector.answer = undefined
    await next(4_000)
    assert.equal(collector.arrived.length, 5)
    assert.deepEqual(
      lines.map(({ msg, err, count }) => [msg, err, count]),
      [
        ['the collector refused some metrics', 'too old', 3],
        ['cannot send metrics; further failures are not said', 'RESOURCE_EXHAUSTED: slow down', undefined],
        ['metrics are sent again', undefined, undefined],
      ],
    )
    exporter.close()
  })

  test('nobody listening is a failure with its reason', async () => {
    const collector = await startCollector()
    await collector[Symbol.asyncDispose]()
    const sender = createMetricSender(plainDestination(collector.address))
    await assert.rejects(sender.send(request('m')), /UNAVAILABLE/)
    sender.close()
  })
})

describe('the collectors of /meshmetric', () => {
  const body = (...backends: readonly object[]): object => ({
    observability: { metrics: { applications: null, backends, extraLabels: { 'kuma.workload': 'client', mesh: 'default' } } },
  })
  const openTelemetry = (name: string, endpoint: string, refreshInterval = '1s'): object => ({
    type: 'OpenTelemetry',
    name,
    openTelemetry: { endpoint, refreshInterval },
  })

  test('are those with an endpoint; an interval that is none is a minute', () => {
    const config = body(
      { type: 'Prometheus', name: null },
      openTelemetry('a', '/run/a.sock', '15s'),
      openTelemetry('b', 'host:4317', 'often'),
      { type: 'OpenTelemetry' },
    )
    assert.deepEqual(metricBackends(config), [
      { name: 'a', to: plainDestination('unix:/run/a.sock'), intervalMs: 15_000 },
      { name: 'b', to: plainDestination('host:4317'), intervalMs: 60_000 },
    ])
    for (const nothing of [undefined, null, {}, { observability: { metrics: { backends: null } } }])
      assert.deepEqual(metricBackends(nothing), [])
  })

  test("get Envoy's metrics over their sockets while they are listed", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'wme-'))
    const adminSocket = join(folder, 'admin.sock')
    const admin = createServer((_, response) => response.end('# TYPE envoy_server_uptime gauge\nenvoy_server_uptime{} 7\n'))
    admin.listen(adminSocket)
    await once(admin, 'listening')
    await using first = await startCollector(`unix:${join(folder, 'a.sock')}`)
    await using second = await startCollector(`unix:${join(folder, 'b.sock')}`)
    const sources = { adminSocket, applicationAddress: '127.0.0.1', own: async () => [], log: silentLogger }
    const exports = createMetricExports({ sources, instance: 'default.client-1', version: '3.0.0', clock: systemClock, log: silentLogger })
    exports.configure(body(openTelemetry('a', join(folder, 'a.sock'))))
    await first.reached(1)
    const text = JSON.stringify(first.arrived[0])
    for (const part of ['"envoy_server_uptime"', '"asDouble":7', '"kuma.workload"', '"service.instance.id"', '"default.client-1"'])
      assert.ok(text.includes(part), part)
    exports.configure(body(openTelemetry('a', join(folder, 'a.sock')), openTelemetry('b', join(folder, 'b.sock'))))
    await second.reached(2)
    exports.configure(undefined)
    exports.configure(body(openTelemetry('b', join(folder, 'b.sock'))))
    await second.reached(second.arrived.length + 1)
    exports.close()
    await new Promise((done) => {
      admin.close(done)
      admin.closeAllConnections()
    })
    rmSync(folder, { recursive: true })
  })
})
