import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { labelKeys } from '@weft/resources'
import { changesOf, createWorld, type World } from './world.fixture.ts'

/** Two proxies of one workload, and one of another. */
async function connected(world: World): Promise<void> {
  for (const [name, workload, address] of [
    ['backend-1', 'backend', '10.0.0.1'],
    ['backend-2', 'backend', '10.0.0.2'],
    ['client-1', 'client', '10.0.0.3'],
  ] as const) {
    // a dataplane without inbounds is selected by nothing
    await world.dataplane(name, { workload, address, ports: [{ port: 1234 }] })
    world.connect(name)
  }
}

const toMesh = { targetRef: { kind: 'Mesh' }, default: { value: 1 } }
const toService = (name: string) => ({ targetRef: { kind: 'MeshService', labels: { [labelKeys.displayName]: name } }, default: { name } })
const forClients = { targetRef: { kind: 'Dataplane', labels: { [labelKeys.workload]: 'client' } } }

describe('policies of proxies', () => {
  it('change only for the proxies a policy selects, and equal sets are one object', async () => {
    await using world = await createWorld()
    await connected(world)
    const { policySets } = world.mesh
    const facts = changesOf(world.mesh.proxyFacts)
    await world.put('MeshTimeout', 'only-client', { spec: { ...forClients, to: [toMesh] } })
    assert.deepEqual(facts.take(), ['default/client-1'])
    await world.put('MeshTimeout', 'only-client', { spec: { ...forClients, to: [{ ...toMesh, default: { value: 2 } }] } })
    assert.deepEqual(facts.take(), ['default/client-1'])
    const names = policySets
      .get('default/client-1')
      ?.byType.get('MeshTimeout')
      ?.map(({ name }) => name)
    assert.deepEqual(names, ['only-client'])
    assert.equal(policySets.get('default/backend-1'), policySets.get('default/backend-2'))
    await world.put('MeshTimeout', 'all', { spec: { targetRef: { kind: 'Mesh' }, to: [] } })
    assert.equal(facts.take().length, 3)
    assert.equal(policySets.get('default/backend-1'), policySets.get('default/backend-2'))
    assert.notEqual(policySets.get('default/backend-1')?.id, policySets.get('default/client-1')?.id)
  })

  it('are one object for proxies that find them in different orders, weakest first', async () => {
    await using world = await createWorld()
    const selecting = (label: string) => ({ spec: { targetRef: { kind: 'Dataplane', labels: { [label]: 'x' } }, to: [] } })
    await world.put('MeshTimeout', 'one', selecting('p'))
    await world.put('MeshTimeout', 'two', selecting('q'))
    await world.put('MeshTimeout', 'three', selecting('r'))
    for (const [name, labels] of [
      ['a', { p: 'x', q: 'x', r: 'x' }],
      ['b', { q: 'x', p: 'x', r: 'x' }],
    ] as const) {
      await world.dataplane(name, { address: '10.0.0.1', ports: [{ port: 1234 }], labels })
      world.connect(name)
    }
    const [a, b] = ['a', 'b'].map((name) => world.mesh.policySets.get(`default/${name}`))
    assert.ok(a)
    assert.equal(a, b)
    assert.deepEqual(
      a.byType.get('MeshTimeout')?.map(({ name }) => name),
      ['two', 'three', 'one'],
    )
  })

  it('do not know policies in shadow', async () => {
    await using world = await createWorld()
    await connected(world)
    const facts = changesOf(world.mesh.proxyFacts)
    await world.put('MeshTimeout', 'shadow', { labels: { [labelKeys.effect]: 'shadow' }, spec: { targetRef: { kind: 'Mesh' }, to: [] } })
    assert.deepEqual(facts.take(), [])
  })

  it('do not change by an edit that changes nothing, not even for a moment', async () => {
    await using world = await createWorld()
    await connected(world)
    const to = [toService('a'), toService('b')]
    await world.put('MeshTimeout', 'all', { labels: { note: 'first' }, spec: { targetRef: { kind: 'Mesh' }, to } })
    const [facts, sets] = [changesOf(world.mesh.proxyFacts), changesOf(world.mesh.policySets)]
    const before = world.mesh.policySets.get('default/client-1')
    await world.put('MeshTimeout', 'all', { labels: { note: 'second' }, spec: { targetRef: { kind: 'Mesh' }, to } })
    await world.put('MeshTimeout', 'all', { labels: { team: 'third' }, spec: { to: to.toReversed(), targetRef: { kind: 'Mesh' } } })
    assert.deepEqual([facts.take(), sets.take()], [[], []])
    assert.equal(world.mesh.policySets.get('default/client-1'), before)
    assert.equal(world.get('MeshTimeout', 'all').labels['team'], 'third')

    await world.put('MeshTimeout', 'all', { labels: { [labelKeys.effect]: 'shadow' }, spec: { targetRef: { kind: 'Mesh' }, to } })
    assert.equal(facts.take().length, 3, 'a label that counts is an edit')
  })
})
