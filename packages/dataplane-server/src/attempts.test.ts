// Bad credentials at the port of proxies: who shows too many waits, on streams and at bootstrap, and nothing that is open ends.
import assert from 'node:assert/strict'
import { request } from 'node:https'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { type Attempts, createAttempts, createBudget } from '@weft/foundation/budget'
import { hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { codec } from '@weft/proto'
import { typeUrls } from '@weft/xds'
import {
  ackOf,
  dataplaneText,
  firstRequest,
  mesh,
  nodeOf,
  openStream,
  type ServerFixture,
  served,
  startServer,
} from './testing/server-fixture.ts'

const discoveryRequests = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest')
const healthRequests = codec('envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse')
const refusal = { code: status.RESOURCE_EXHAUSTED, details: 'too many failed attempts from this address: try again in 60s' }

/** Counts everybody: all clients of these tests are on this host. */
function counting(clock: FakeClock): Attempts {
  const refusalText = 'too many failed attempts from this address'
  const budget = createBudget({ name: 'proxy-failures', limit: 3, refusal: refusalText, clock, log: silentLogger })
  const isFailure = (error: unknown): boolean => hasCode(error, 'xds/unauthenticated') || hasCode(error, 'token/invalid')
  return createAttempts({ budget, isFailure, isSpared: () => false })
}

describe('bad credentials of proxies', () => {
  let fixture: ServerFixture
  let clock: FakeClock
  beforeEach(async () => {
    clock = new FakeClock()
    fixture = await startServer({ options: { attempts: counting(clock) } })
  })
  afterEach(() => fixture.stop())

  const outcome = async (method: 'ads' | 'hds', token?: string) => {
    const stream = openStream(fixture.client(), method, token)
    const node = nodeOf('web-1')
    stream.send(method === 'ads' ? firstRequest(node) : healthRequests.encode({ healthCheckRequest: { node } }))
    const { code, details } = await stream.ended
    return { code, details }
  }
  /** Status, `Retry-After` and body. */
  const bootstrap = (token: string) =>
    new Promise<readonly [number | undefined, string | undefined, string]>((resolve, reject) => {
      const call = request(
        {
          host: '127.0.0.1',
          port: fixture.server.port,
          path: '/bootstrap',
          method: 'POST',
          ca: fixture.certificatePem,
          headers: { host: `localhost:${fixture.server.port}`, accept: 'application/json' },
        },
        (answer) => {
          let body = ''
          answer.setEncoding('utf8').on('data', (text: string) => {
            body += text
          })
          answer.on('end', () => resolve([answer.statusCode, answer.headers['retry-after'], body]))
        },
      )
      call.on('error', reject)
      const name = 'web-1'
      call.end(
        JSON.stringify({
          mesh,
          name,
          proxyType: 'dataplane',
          dataplaneToken: token,
          dataplaneResource: dataplaneText(name),
          workdir: '/w',
          readinessPort: 9902,
        }),
      )
    })

  it('too many are refused unseen with when to come back; the streams that are open go on, and so does what was good', async () => {
    const token = await fixture.token()
    const open = openStream(fixture.client(), 'ads', token)
    open.send(firstRequest(nodeOf('web-2')))
    const clusters = await open.next()
    const fresh = await fixture.token({ name: 'web-1' })
    assert.match((await outcome('ads', 'x')).details, /not valid/)
    assert.match((await outcome('hds', 'x')).details, /not valid/)
    assert.match((await outcome('ads', await fixture.token({ name: 'other' }))).details, /for proxy "other"/)
    for (const method of ['ads', 'hds'] as const) {
      assert.deepEqual(await outcome(method, 'y'), refusal, method)
      assert.deepEqual(await outcome(method, fresh), refusal, method)
    }
    assert.equal(fixture.dataplane('web-1'), undefined)
    // behind the same address: a stream that is open, and a token that was good
    open.send(ackOf(clusters))
    open.send(discoveryRequests.encode({ typeUrl: typeUrls.listener }))
    await open.next()
    await served(fixture, 'web-3', token)
    assert.ok(fixture.dataplane('web-2') && fixture.dataplane('web-3'))
    clock.advance(60_000)
    await served(fixture, 'web-1', fresh)
  })

  it('count at bootstrap, where a launcher is told to try again', async () => {
    for (let n = 0; n < 3; n += 1) assert.deepEqual((await bootstrap('x'))[0], 422)
    assert.deepEqual(await bootstrap('x'), [503, '60', ''])
    assert.deepEqual(await bootstrap(await fixture.token({ name: 'web-1' })), [503, '60', ''])
    assert.deepEqual(await outcome('ads', 'x'), refusal, 'one budget for the port')
    clock.advance(60_000)
    assert.equal((await bootstrap(await fixture.token()))[0], 200)
  })

  it('what brings no credential, and keys that are on their way, count for nothing', async () => {
    for (let n = 0; n < 10; n += 1) assert.match((await outcome('ads')).details, /exactly one credential/)
    const token = await fixture.token()
    await fixture.store.transact([{ op: 'delete', key: { type: 'Secret', mesh, name: 'dataplane-token-signing-key-default-1' } }], {
      actor: 'user:test',
      reason: 'test',
      class: 'desired',
    })
    for (let n = 0; n < 10; n += 1) assert.equal((await outcome('ads', token)).code, status.UNAVAILABLE)
  })
})
