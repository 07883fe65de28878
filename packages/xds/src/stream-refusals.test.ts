import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addService, cluster, listener, running, sequence } from './testing/running-world.ts'
import { World } from './testing/world.ts'

describe('refusals', () => {
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
})
