import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { codec } from '@weft/proto'
import {
  dataplaneText,
  firstRequest,
  nodeOf,
  openStream,
  type ServerFixture,
  served,
  startServer,
  until,
} from './testing/server-fixture.ts'

let fixture: ServerFixture
beforeEach(async () => {
  fixture = await startServer()
})
afterEach(() => fixture.stop())

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
    const ads = await served(fixture, 'web-1')
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
    await served(fixture, 'web-1')
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
