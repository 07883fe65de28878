import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { codec } from '@weft/proto'
import type { DataplaneSpec } from '@weft/resources'
import { createMemoryStore, type Store } from '@weft/store'
import { healthSpecifier, readReport } from './health-specifier.ts'
import { proxyMetadata } from './node-metadata.ts'
import { createProbeWriter, withProbes } from './probe-writer.ts'
import { mesh, put } from './testing/server-fixture.ts'

const specifiers = codec('envoy.service.health.v3.HealthCheckSpecifier')
const probed = (more: object = {}) => ({ port: 80, servicePort: 8080, serviceProbe: { tcp: {} }, ...more })
const json = (input: Parameters<typeof healthSpecifier>[0]): unknown =>
  specifiers.toJson(specifiers.decode(specifiers.encode(healthSpecifier(input))))

describe('what proxies are asked to check', () => {
  it('their own readiness, at the socket or address of their admin', () => {
    const check = (address: object): object => ({
      interval: '1s',
      clusterHealthChecks: [
        {
          clusterName: 'system_envoy_admin',
          healthChecks: [
            {
              timeout: '2s',
              interval: '1s',
              noTrafficInterval: '1s',
              unhealthyThreshold: 1,
              healthyThreshold: 1,
              httpHealthCheck: { path: '/ready' },
            },
          ],
          localityEndpoints: [{ endpoints: [{ address }] }],
        },
      ],
    })
    const socket = proxyMetadata({ 'dataplane.admin.socketPath': '/w/a.sock' })
    assert.deepEqual(json({ metadata: socket, spec: undefined, intervalMs: 1000 }), check({ pipe: { path: '/w/a.sock' } }))
    const tcp = proxyMetadata({ 'dataplane.admin.port': '9912' })
    assert.deepEqual(
      json({ metadata: tcp, spec: {}, intervalMs: 1000 }),
      check({ socketAddress: { address: '127.0.0.1', portValue: 9912 } }),
    )
  })

  it('the workloads of probed inbounds, past their own redirection', () => {
    const spec: DataplaneSpec = {
      networking: {
        address: '10.0.0.1',
        inbound: [
          probed({ serviceProbe: { timeout: '0.500s', interval: '3s', healthyThreshold: 2, unhealthyThreshold: 4, tcp: {} } }),
          { port: 81 },
          probed({ port: 82 }),
          probed({ servicePort: 9090, serviceAddress: '127.0.0.1' }),
        ],
      },
    }
    const metadata = proxyMetadata({ transparentProxy: { redirect: { inbound: { enabled: true, port: 15006 } } } })
    const checks = (json({ metadata, spec, intervalMs: 1000 }) as { clusterHealthChecks: unknown[] }).clusterHealthChecks.slice(1)
    assert.deepEqual(checks, [
      {
        clusterName: 'localhost:8080',
        healthChecks: [
          { timeout: '0.500s', interval: '3s', noTrafficInterval: '3s', unhealthyThreshold: 4, healthyThreshold: 2, tcpHealthCheck: {} },
        ],
        localityEndpoints: [{ endpoints: [{ address: { socketAddress: { address: '10.0.0.1', portValue: 8080 } } }] }],
        upstreamBindConfig: { sourceAddress: { address: '127.0.0.6', portValue: 0 } },
      },
      {
        clusterName: 'localhost:9090',
        healthChecks: [
          { timeout: '2s', interval: '1s', noTrafficInterval: '1s', unhealthyThreshold: 1, healthyThreshold: 1, tcpHealthCheck: {} },
        ],
        localityEndpoints: [{ endpoints: [{ address: { socketAddress: { address: '127.0.0.1', portValue: 9090 } } }] }],
      },
    ])
  })
})

it('reports are read by name: unknown is healthy, one bad endpoint is not', () => {
  const of = (clusterName: string, ...states: (0 | 1 | 2 | 3 | 4)[]) => ({
    clusterName,
    localityEndpointsHealth: [{ endpointsHealth: states.map((healthStatus) => ({ healthStatus })) }],
  })
  const report = { clusterEndpointsHealth: [of('a', 0), of('b', 1), of('c', 1, 2), of('d', 4), of('e'), { clusterName: '__proto__' }] }
  assert.deepEqual(
    [...readReport(report)],
    [
      ['a', true],
      ['b', true],
      ['c', false],
      ['d', false],
    ],
  )
  assert.deepEqual([...readReport({})], [])
})

describe('what probes find', () => {
  const spec = (...inbound: object[]): DataplaneSpec => ({ networking: { address: '10.0.0.1', inbound } })
  it('changes only the inbounds concerned', () => {
    const before = spec(probed({ state: 'NotReady', health: {} }), { port: 81 }, probed({ servicePort: 9090, state: 'Ignored' }))
    assert.deepEqual(
      withProbes(
        before,
        new Map([
          ['localhost:8080', true],
          ['localhost:9090', false],
        ]),
      ),
      spec(probed({ health: { ready: true } }), { port: 81 }, probed({ servicePort: 9090, state: 'Ignored' })),
    )
    assert.equal(withProbes(before, new Map([['localhost:8080', false]])), undefined)
    assert.equal(
      withProbes(
        before,
        new Map([
          ['localhost:81', true],
          ['other', true],
        ]),
      ),
      undefined,
    )
    assert.equal(withProbes({}, new Map([['localhost:8080', true]])), undefined)
  })

  it('is stored, also after a race or while the store is away, and the last word counts', async () => {
    const clock = new FakeClock()
    const base = createMemoryStore({ clock, log: silentLogger })
    const failures: AppError[] = [new AppError('store/conflict', 'changed'), new AppError('store/unavailable', 'away')]
    let writes = 0
    const store: Store = {
      ...base,
      transact: (ops, context) => {
        if (context.reason !== 'health') return base.transact(ops, context)
        writes += 1
        const failure = failures.shift()
        return failure ? Promise.reject(failure) : base.transact(ops, context)
      },
    }
    const proxy = { mesh, name: 'a' }
    await put(store, { type: 'Dataplane', ...proxy, labels: { x: 'y' }, spec: spec(probed({ state: 'NotReady', health: {} })) })
    const writer = createProbeWriter({ store, clock, log: silentLogger })
    writer.report(proxy, new Map([['localhost:8080', true]]))
    await writer.idle()
    clock.advance(1000)
    await writer.idle()
    const stored = () => store.get({ type: 'Dataplane', ...proxy })
    assert.deepEqual(stored()?.spec, spec(probed({ health: { ready: true } })))
    assert.deepEqual(stored()?.labels, { x: 'y' })
    assert.equal(writes, 3)
    writer.report(proxy, new Map([['localhost:8080', false]]))
    writer.report(proxy, new Map([['localhost:8080', true]]))
    writer.report(proxy, new Map([['localhost:8080', false]]))
    await writer.idle()
    assert.deepEqual(stored()?.spec, spec(probed({ state: 'NotReady', health: {} })))
    assert.equal(clock.pending, 0)
    writer.report({ mesh, name: 'gone' }, new Map([['localhost:8080', false]]))
    await writer.idle()
    writer.stop()
  })
})
