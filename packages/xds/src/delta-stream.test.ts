import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { codec } from '@weft/proto'
import { addService, cluster, listener, running, sequence } from './testing/running-world.ts'
import { request } from './testing/simulated-envoy.ts'
import { World } from './testing/world.ts'

describe('delta stream', () => {
  it('answers a starting proxy with clusters, their endpoints, then listeners', () => {
    const world = new World()
    addService(world, 'a')
    world.edit('listener', 'out', listener(['a']))
    world.publish()
    world.settle()
    assert.deepEqual(sequence(world), ['cluster +a', 'endpoint +a', 'listener +out'])
    assert.equal(world.stream.settled, true)
  })

  it('answers first requests for clusters and listeners even when there are none', () => {
    const world = new World()
    world.settle(1_000)
    assert.deepEqual(sequence(world), [])
    world.publish()
    world.settle()
    assert.deepEqual(sequence(world), ['cluster', 'listener'])
  })

  it('sends an endpoint change as exactly one load assignment', () => {
    const world = running()
    world.edit('endpoint', 'a', { salt: 1 })
    world.publishCells()
    world.settle()
    assert.deepEqual(sequence(world), ['endpoint +a'])
  })

  it('sends a changed cluster with its unchanged load assignment in the same turn', () => {
    const world = running()
    world.edit('cluster', 'a', cluster('a', 1))
    world.publishCells()
    world.settle()
    assert.deepEqual(sequence(world), ['cluster +a', 'endpoint +a'])
    assert.equal(world.envoy.warming.size, 0)
  })

  it('answers a name whose content is awaited once it has come', () => {
    const world = new World()
    world.edit('listener', 'in', { salt: 0, secrets: ['certificate'] })
    world.await('secret', 'certificate')
    world.publish()
    world.settle(20_000)
    assert.deepEqual(sequence(world), ['cluster', 'listener +in'])
    assert.equal(world.stream.settled, true)
    world.edit('secret', 'certificate', { salt: 0 })
    world.publishCells()
    world.settle()
    assert.deepEqual(sequence(world).slice(2), ['secret +certificate'])
  })

  it('computes anew after the transport was blocked, instead of queueing', () => {
    const world = running()
    world.window = 1
    world.edit('endpoint', 'a', { salt: 1 })
    world.publishCells()
    world.settle()
    for (let salt = 2; salt < 50; salt++) {
      world.edit('endpoint', 'a', { salt })
      world.publishCells()
      world.settle(50)
    }
    assert.deepEqual(sequence(world), ['endpoint +a'])
    world.drain()
    world.settle()
    assert.deepEqual(sequence(world), ['endpoint +a', 'endpoint +a'])
    assert.equal(world.envoy.running.endpoint.get('a')?.content.salt, 49)
  })

  it('gathers changes of clusters and listeners under churn, and never endpoints', () => {
    const world = running()
    for (let salt = 1; salt <= 200; salt++) {
      world.edit('listener', 'out', listener(['a'], salt))
      world.edit('endpoint', 'a', { salt })
      world.publishCells()
      world.clock.advance(5)
      world.settle(0)
    }
    world.settle(200)
    const count = (type: string): number => world.envoy.received.filter((r) => r.type === type).length
    assert.equal(count('endpoint'), 200)
    assert.ok(count('listener') < 25, `${count('listener')} listener responses in a second`)
    assert.equal(world.envoy.running.listener.get('out')?.content.salt, 200)
  })

  it('splits large responses', () => {
    const world = new World()
    const bulk = 'x'.repeat(1000)
    for (let i = 0; i < 2_500; i++) world.edit('cluster', `${bulk}${i}`, { salt: 0 })
    world.publish()
    world.settle()
    const clusters = world.envoy.received.filter((r) => r.type === 'cluster')
    assert.ok(clusters.length >= 3)
    assert.equal(world.envoy.running.cluster.size, 2_500)
  })

  it('says of a name that does not exist that it does not', () => {
    const world = running()
    world.edit('cluster', 'b', cluster('b'))
    world.publish()
    world.settle()
    assert.deepEqual(sequence(world), ['cluster +b', 'endpoint -b'])
    world.edit('endpoint', 'b', { salt: 0 })
    world.publish()
    world.settle()
    assert.deepEqual(sequence(world).at(-1), 'endpoint +b')
  })

  it('lets go of every cell when it closes', () => {
    const world = running()
    world.stream.close('ended')
    const timers = world.clock.pending
    world.edit('endpoint', 'a', { salt: 9 })
    world.publishCells()
    assert.equal(world.clock.pending, timers)
    world.settle(10_000)
    assert.deepEqual(sequence(world), [])
  })

  it('takes up a turn where the transport cut it short', () => {
    const world = running()
    world.window = 1
    addService(world, 'b')
    world.edit('listener', 'out', listener(['a'], 1))
    world.publish()
    world.settle()
    assert.deepEqual(sequence(world), ['cluster +b'])
    world.drain()
    world.settle(0)
    assert.deepEqual(sequence(world), ['cluster +b', 'endpoint +b', 'listener +out'])
  })

  it('answers types that are not served with nothing, once per request', () => {
    const world = running()
    const sent: Buffer[] = []
    world.intercept = (response) => sent.push(response)
    const foreign = { ...request('cluster', { subscribe: ['r'] }), typeUrl: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration' }
    world.stream.handle(foreign)
    world.settle()
    const response = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse').decode(sent[0] ?? Buffer.alloc(0))
    assert.deepEqual([response.typeUrl, response.removedResources, response.resources], [foreign.typeUrl, ['r'], []])
    world.stream.handle({ ...foreign, subscribe: [], responseNonce: response.nonce ?? '' })
    world.settle()
    assert.equal(sent.length, 1)
  })

  it('refuses more names than its limit', () => {
    const world = running()
    const subscribe = Array.from({ length: 50_001 }, (_, i) => `n${i}`)
    assert.throws(() => world.stream.handle(request('endpoint', { subscribe })), { code: 'xds/bad-request' })
  })

  it('takes hostile names for names', () => {
    const world = running()
    const subscribe = ['__proto__', 'constructor', 'toString', '', '\u0000']
    world.stream.handle(request('endpoint', { subscribe }))
    world.stream.handle(request('endpoint', { responseNonce: '__proto__', error: 'x' }))
    world.stream.handle(request('endpoint', { responseNonce: '999999' }))
    world.settle()
    assert.deepEqual(sequence(world), ['endpoint ' + subscribe.map((name) => `-${name}`).join(' ')])
    world.edit('endpoint', '__proto__', { salt: 1 })
    world.publish()
    world.settle()
    assert.equal(world.stream.ackedVersion('endpoint', 'constructor'), undefined)
    assert.equal(typeof world.stream.ackedVersion('endpoint', '__proto__'), 'string')
  })

  it('counts responses and reports what happens to them', () => {
    const world = running()
    world.edit('endpoint', 'a', { salt: 3, poison: true })
    world.publishCells()
    world.settle()
    assert.deepEqual(world.stream.counters('endpoint'), { responsesSent: 2, responsesAcknowledged: 1, responsesRejected: 1 })
    assert.deepEqual([...world.stream.rejectedVersions('endpoint').keys()], ['a'])
    assert.equal(world.nacks.length, 1)
    assert.equal(world.stream.settled, false)
  })
})
