import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { codec } from '@weft/proto'
import { type Content, request } from './testing/simulated-envoy.ts'
import { World } from './testing/world.ts'

const cluster = (name: string, salt = 0): Content => ({ salt, endpoints: name })
const listener = (clusters: readonly string[], salt = 0): Content => ({ salt, clusters })

/** A world with one service `a`, settled. */
function running(): World {
  const world = new World()
  addService(world, 'a')
  world.edit('listener', 'out', listener(['a']))
  world.publish()
  world.settle()
  world.envoy.received.length = 0
  return world
}

function addService(world: World, name: string): void {
  world.edit('cluster', name, cluster(name))
  world.edit('endpoint', name, { salt: 0 })
}

/** What the proxy received, in order: `type +name -name`. */
function sequence(world: World): readonly string[] {
  return world.envoy.received.map(({ type, names, removed }) =>
    [type, ...names.map((n) => `+${n}`), ...removed.map((n) => `-${n}`)].join(' '),
  )
}

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

  it('renames a service by making the new before breaking the old', () => {
    const world = running()
    addService(world, 'b')
    world.edit('listener', 'out', listener(['b']))
    world.edit('cluster', 'a', undefined)
    world.edit('endpoint', 'a', undefined)
    world.publish()
    world.settle()
    assert.deepEqual(sequence(world), ['cluster +b', 'endpoint +b', 'listener +out', 'cluster -a'])
    assert.equal(world.stream.settled, true)
  })

  it('keeps a cluster until the connections of the listener that named it have drained, or it is wanted again', () => {
    const world = new World({ outspoken: true, partial: true }, false, 30_000)
    addService(world, 'a')
    addService(world, 'b')
    world.edit('listener', 'out', listener(['a']))
    world.publish()
    world.settle()
    world.envoy.received.length = 0
    world.edit('listener', 'out', listener(['b']))
    world.edit('cluster', 'a', undefined)
    world.edit('endpoint', 'a', undefined)
    world.publish()
    world.settle(29_000)
    assert.deepEqual(sequence(world), ['listener +out'])
    addService(world, 'a')
    world.edit('listener', 'out', listener(['a']))
    world.publish()
    world.settle(40_000)
    assert.deepEqual(sequence(world), ['listener +out', 'listener +out'])
    world.edit('listener', 'out', listener(['b']))
    world.edit('cluster', 'a', undefined)
    world.edit('endpoint', 'a', undefined)
    world.publish()
    world.settle(31_000)
    assert.deepEqual(sequence(world).slice(2), ['listener +out', 'cluster -a'])
  })

  it('flips a route between known clusters with nothing but the listener', () => {
    const world = running()
    addService(world, 'b')
    world.publish()
    world.settle()
    world.envoy.received.length = 0
    world.edit('listener', 'out', listener(['b']))
    world.publish()
    world.settle()
    assert.deepEqual(sequence(world), ['listener +out'])
  })

  it('sends an endpoint change as exactly one load assignment', () => {
    const world = running()
    world.edit('endpoint', 'a', { salt: 1 })
    world.publishCells()
    world.settle()
    assert.deepEqual(sequence(world), ['endpoint +a'])
  })

  it('sends nothing again after a reconnect with equal versions', () => {
    const world = running()
    world.reconnect()
    world.publish()
    world.settle()
    assert.deepEqual(sequence(world), ['cluster', 'listener'])
    assert.equal(world.stream.settled, true)
  })

  it('sends a changed cluster with its unchanged load assignment in the same turn', () => {
    const world = running()
    world.edit('cluster', 'a', cluster('a', 1))
    world.publishCells()
    world.settle()
    assert.deepEqual(sequence(world), ['cluster +a', 'endpoint +a'])
    assert.equal(world.envoy.warming.size, 0)
  })

  it('sends the load assignment of a cluster that changed while the proxy was away', () => {
    const world = running()
    world.edit('cluster', 'a', cluster('a', 1))
    world.reconnect()
    world.publish()
    // the cluster goes out before the proxy has asked for load assignments
    world.passRequest()
    world.clock.advance(0)
    world.settle()
    assert.equal(world.envoy.warming.size, 0)
    assert.equal(world.stream.settled, true)
  })

  it('removes what vanished while the proxy was away, listeners first', () => {
    const world = running()
    for (const type of ['listener', 'cluster', 'endpoint'] as const) world.contents[type].clear()
    world.reconnect()
    world.publish()
    world.settle(6_000)
    assert.deepEqual(sequence(world), ['cluster', 'listener', 'listener -out', 'cluster -a'])
  })

  it('keeps what vanished while in recovery, and removes it afterwards', () => {
    const world = running()
    addService(world, 'b')
    for (const type of ['listener', 'cluster', 'endpoint'] as const) world.contents[type].delete(type === 'listener' ? 'out' : 'a')
    world.edit('listener', 'out-b', listener(['b']))
    world.reconnect(true)
    world.publish()
    world.settle(60_000)
    assert.deepEqual([...world.envoy.running.listener.keys()], ['out', 'out-b'])
    assert.deepEqual([...world.envoy.running.cluster.keys()], ['a', 'b'])
    assert.equal(world.envoy.running.endpoint.has('a'), true)
    world.endRecovery()
    world.settle()
    assert.deepEqual([...world.envoy.running.listener.keys()], ['out-b'])
    assert.deepEqual([...world.envoy.running.cluster.keys()], ['b'])
  })

  it('leaves in recovery what the proxy reported as it is, until it may change', async () => {
    const world = running()
    addService(world, 'b')
    world.edit('cluster', 'a', cluster('a', 1))
    world.edit('endpoint', 'a', { salt: 1 })
    world.edit('listener', 'out', listener(['a'], 1))
    world.edit('listener', 'out-b', listener(['b']))
    world.reconnect(true)
    world.publish()
    world.settle(60_000)
    assert.deepEqual(sequence(world), ['cluster +b', 'endpoint +b', 'listener +out-b'])
    await world.stream.caughtUp()
    assert.equal(world.stream.settled, false)
    assert.equal(world.stream.runs('endpoint', 'a'), false)
    assert.equal(world.stream.runs('endpoint', 'b'), true)
    assert.equal(world.stream.runs('endpoint', 'c'), undefined)
    world.relaxRecovery((type) => type === 'listener')
    world.settle()
    assert.deepEqual(sequence(world).slice(3), ['listener +out'])
    world.endRecovery()
    world.settle()
    assert.deepEqual(sequence(world).slice(4), ['cluster +a', 'endpoint +a'])
    assert.equal(world.stream.settled, true)
  })

  it('serves a proxy that reports nothing as always, in recovery too', () => {
    const world = new World(undefined, true)
    addService(world, 'a')
    world.edit('listener', 'out', listener(['a']))
    world.publish()
    world.settle()
    for (const type of ['listener', 'cluster', 'endpoint'] as const) world.contents[type].clear()
    world.publish()
    world.settle(6_000)
    assert.deepEqual(sequence(world), ['cluster +a', 'endpoint +a', 'listener +out', 'listener -out', 'cluster -a'])
  })

  it('tells when a proxy has caught up, and ends the wait with the stream', async () => {
    const world = running()
    addService(world, 'b')
    world.publish()
    const seen: string[] = []
    const caughtUp = world.stream.caughtUp().then(() => seen.push('caught up'))
    await Promise.resolve()
    assert.deepEqual(seen, [])
    world.settle()
    await caughtUp
    addService(world, 'c')
    world.publish()
    const closed = world.stream.caughtUp()
    world.stream.close('cancelled')
    await closed
  })

  it('tells when a proxy has said whether it was served before', async () => {
    const world = running()
    world.reconnect()
    const asked = world.stream.asked()
    assert.equal(world.stream.resumed, false)
    world.passRequest()
    await asked
    assert.equal(world.stream.resumed, true)
    await world.stream.asked()
    world.reconnect()
    const closed = world.stream.asked()
    world.stream.close('cancelled')
    await closed
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

  it('holds back only the listener that names a cluster not yet accepted, and for a bounded time', () => {
    const world = running()
    // the proxy refuses cluster b, so that it is never accepted
    world.edit('cluster', 'b', { ...cluster('b'), poison: true })
    world.edit('endpoint', 'b', { salt: 0 })
    world.edit('listener', 'out', listener(['a', 'b']))
    world.edit('listener', 'other', listener(['a']))
    world.publish()
    world.settle(1_000)
    assert.deepEqual(sequence(world), ['cluster +b', 'listener +other'])
    world.settle(5_000)
    assert.deepEqual(sequence(world).at(-1), 'listener +out')
    assert.deepEqual(world.stream.rejectedVersions('cluster').size, 1)
  })

  it('sends a listener that only follows a cluster together with those that use it, and keeps no cluster for its sake', () => {
    const world = running()
    world.edit('listener', 'records', { salt: 0, after: ['a'] })
    world.publish()
    world.settle()
    addService(world, 'b')
    world.edit('listener', 'out-b', listener(['b']))
    world.edit('listener', 'records', { salt: 1, after: ['a', 'b'] })
    world.publish()
    world.settle()
    assert.deepEqual(sequence(world), ['listener +records', 'cluster +b', 'endpoint +b', 'listener +records +out-b'])
    world.edit('listener', 'out-b', undefined)
    world.edit('cluster', 'b', undefined)
    world.publish()
    world.settle(60_000)
    assert.deepEqual(sequence(world).slice(4, 6), ['listener -out-b', 'cluster -b'])
  })

  it('tries a refused listener again once the cluster it lacked is accepted', () => {
    const world = running()
    world.edit('listener', 'out', { ...listener(['b'], 1), poison: true })
    world.publish()
    world.settle(10_000)
    assert.equal(world.stream.rejectedVersions('listener').size, 1)
    addService(world, 'b')
    world.publish()
    world.settle(1_000)
    assert.equal(sequence(world).filter((line) => line === 'listener +out').length, 2)
  })

  it('finds the refused one among many, with and without its name in the NACK', () => {
    for (const outspoken of [true, false]) {
      const world = new World({ outspoken, partial: false })
      for (let i = 0; i < 20; i++) addService(world, `s${i}`)
      world.edit('cluster', 's7', { ...cluster('s7'), poison: true })
      world.publish()
      world.settle(30_000)
      assert.equal(world.envoy.running.cluster.size, 19)
      assert.deepEqual([...world.stream.rejectedVersions('cluster').keys()], ['s7'])
      assert.ok(world.nacks.length <= (outspoken ? 1 : 6), `${world.nacks.length} NACKs`)
      const before = world.envoy.received.length
      world.settle(60_000)
      assert.equal(world.envoy.received.length, before)
      world.edit('cluster', 's7', cluster('s7', 1))
      world.publish()
      world.settle(20_000)
      assert.equal(world.stream.settled, true)
    }
  })

  it('does not let the refusal of one type hold up another', () => {
    const world = running()
    world.edit('cluster', 'b', { ...cluster('b'), poison: true })
    world.edit('endpoint', 'a', { salt: 5 })
    world.edit('listener', 'out', listener(['a'], 5))
    world.publish()
    world.settle()
    assert.deepEqual([...sequence(world)].sort(), ['cluster +b', 'endpoint +a', 'listener +out'])
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

  it('keeps a cluster as long as the proxy may run a refused listener that names it', () => {
    const world = new World({ outspoken: false, partial: true })
    addService(world, 'a')
    addService(world, 'b')
    world.edit('listener', 'l', listener(['a']))
    world.publish()
    world.settle()
    // the NACK names nobody, and the proxy runs the new `l` all the same
    world.edit('listener', 'l', listener(['b'], 1))
    world.edit('listener', 'm', { salt: 1, clusters: [], poison: true })
    world.publishCells()
    world.publishSnapshot()
    world.settle(100)
    assert.deepEqual(world.envoy.running.listener.get('l')?.content.clusters, ['b'])
    world.edit('listener', 'l', listener(['a'], 2))
    world.edit('cluster', 'b', undefined)
    world.edit('endpoint', 'b', undefined)
    world.publish()
    world.settle(5_000)
    assert.equal(world.envoy.running.cluster.has('b'), false)
  })

  it('keeps a cluster that an unknown version of a listener may name', () => {
    const world = running()
    world.edit('listener', 'out', { salt: 1, clusters: [], poison: true })
    world.edit('cluster', 'a', undefined)
    world.edit('endpoint', 'a', undefined)
    world.reconnect()
    world.publish()
    world.settle(60_000)
    assert.equal(world.envoy.running.cluster.has('a'), true)
    world.edit('listener', 'out', listener([], 2))
    world.publish()
    world.settle()
    assert.equal(world.envoy.running.cluster.has('a'), false)
  })

  it('removes no cluster before a reconnected proxy has said which listeners it runs', () => {
    const world = running()
    world.edit('listener', 'out', undefined)
    world.edit('cluster', 'a', undefined)
    world.edit('endpoint', 'a', undefined)
    world.reconnect()
    world.publish()
    world.passRequest()
    world.clock.advance(1_000)
    world.envoy.processNext()
    world.settle()
    assert.equal(world.envoy.running.cluster.size, 0)
  })

  it('replaces a listener on the same address in one response', () => {
    const world = running()
    world.edit('listener', 'out', undefined)
    world.edit('listener', 'renamed', { ...listener(['a']), address: 'x' })
    world.edit('listener', 'unrelated', undefined)
    world.publish()
    world.settle()
    world.envoy.received.length = 0
    world.edit('listener', 'renamed', undefined)
    world.edit('listener', 'again', { ...listener(['a']), address: 'x' })
    world.publish()
    world.settle()
    assert.deepEqual(sequence(world), ['listener +again -renamed'])
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
