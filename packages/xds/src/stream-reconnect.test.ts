import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addService, cluster, listener, running, sequence } from './testing/running-world.ts'
import { World } from './testing/world.ts'

describe('a proxy that comes back', () => {
  it('sends nothing again after a reconnect with equal versions', () => {
    const world = running()
    world.reconnect()
    world.publish()
    world.settle()
    assert.deepEqual(sequence(world), ['cluster', 'listener'])
    assert.equal(world.stream.settled, true)
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
})
