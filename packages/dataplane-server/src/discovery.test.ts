import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { duplicateStreamMessage } from './proxy-lifecycle.ts'
import {
  ackOf,
  firstRequest,
  nodeOf,
  openStream,
  responses,
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
    const first = await served(fixture, 'web-1')
    const second = openStream(fixture.client(), 'ads', await fixture.token())
    second.send(firstRequest(nodeOf('web-1')))
    const end = await second.ended
    assert.deepEqual([end.code, end.details], [status.UNKNOWN, duplicateStreamMessage])
    first.call.cancel()
    await until(() => fixture.lines.includes('disconnected web-1'), 'first stream ended')
    await served(fixture, 'web-1')
  })

  it('does not serve the state-of-the-world variant', async () => {
    const stream = openStream(fixture.client(), 'sotw', await fixture.token())
    assert.equal((await stream.ended).code, status.UNIMPLEMENTED)
  })

  it('keeps the Dataplane of a proxy that returns in time and removes it otherwise', async () => {
    const first = await served(fixture, 'web-1')
    first.call.end()
    await until(() => fixture.lines.includes('state default/web-1 {"degraded":true}'), 'degraded')
    fixture.clock.advance(9000)
    const second = await served(fixture, 'web-1')
    assert.ok(fixture.lines.includes('state default/web-1 none'))
    // the first one's time is over; a connection that says nothing for longer would be taken for half-open
    fixture.clock.advance(5000)
    assert.ok(fixture.dataplane('web-1'))
    second.call.cancel()
    await until(() => fixture.lines.filter((line) => line === 'disconnected web-1').length === 2, 'second stream ended')
    await until(() => fixture.clock.pending > 0 && fixture.lines.at(-1) === 'state default/web-1 {"degraded":true}', 'degraded again')
    fixture.clock.advance(10_000)
    await until(() => fixture.dataplane('web-1') === undefined, 'dataplane removed')
    assert.equal(fixture.lines.includes('no proxy default/web-1'), true)
  })

  it('removes nobody when it stops', async () => {
    const stream = await served(fixture, 'web-1')
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
