import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { resolveHosts } from './index.ts'
import { createWorld } from './world.fixture.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('resolveHosts', () => {
  it('resolves names in use, asks again, keeps the last answer, and forgets names nobody uses', async () => {
    await using world = await createWorld()
    let answer: readonly string[] | undefined = ['10.0.0.9', '10.0.0.8']
    const asked: string[] = []
    const stop = resolveHosts({
      graph: world.graph,
      facts: world.mesh,
      clock: world.clock,
      log: silentLogger,
      lookup: async (name) => {
        asked.push(name)
        if (!answer) throw new Error('no such host')
        return answer
      },
    })
    const address = () => world.mesh.hosts.get('backend.internal')
    await world.dataplane('dp', { workload: 'w', address: 'backend.internal', ports: [{ port: 80 }] })
    await turn()
    assert.equal(address(), '10.0.0.8')
    answer = undefined
    world.clock.advance(30_000)
    await turn()
    assert.equal(address(), '10.0.0.8')
    answer = ['10.0.0.7']
    world.clock.advance(3_000)
    await turn()
    assert.equal(address(), '10.0.0.7')
    assert.equal(asked.length, 3)
    await world.remove('Dataplane', 'dp')
    assert.equal(address(), undefined)
    world.clock.advance(100_000)
    await turn()
    assert.equal(asked.length, 3)
    stop()
  })
})
