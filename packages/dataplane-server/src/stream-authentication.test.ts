import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { status } from '@grpc/grpc-js'
import { createKeyRing, createTokenIssuer, generateSigningKey, secretSpec } from '@weft/identity'
import {
  dataplaneText,
  firstRequest,
  mesh,
  nodeOf,
  openStream,
  put,
  type ServerFixture,
  served,
  startServer,
} from './testing/server-fixture.ts'

let fixture: ServerFixture
beforeEach(async () => {
  fixture = await startServer()
})
afterEach(() => fixture.stop())

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
    const stream = await served(fixture, 'web-1')
    stream.send(firstRequest(nodeOf('web-2')))
    assert.notEqual((await stream.ended).code, status.OK)
    assert.equal(fixture.dataplane('web-2'), undefined)
  })

  it('ends a stream of garbage only', async () => {
    const good = await served(fixture, 'web-1')
    const bad = openStream(fixture.client(), 'ads', await fixture.token())
    bad.send(Buffer.alloc(1000, 0xff))
    assert.notEqual((await bad.ended).code, status.OK)
    good.send(firstRequest(nodeOf('web-1')))
    await served(fixture, 'web-2')
  })
})
