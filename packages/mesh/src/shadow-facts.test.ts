import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { labelKeys } from '@weft/resources'
import { changesOf, createWorld, type World } from './world.fixture.ts'

const key = 'default/backend-1'
const shadow = { [labelKeys.effect]: 'shadow' }
const toMesh = { targetRef: { kind: 'Mesh' }, to: [] }

async function withBackend(): Promise<World> {
  const world = await createWorld()
  await world.dataplane('backend-1', { workload: 'backend', address: '10.0.0.1', ports: [{ port: 8080, name: 'http' }] })
  world.connect('backend-1')
  return world
}
const namesOf = (world: World) =>
  world.mesh
    .shadowFacts(key)
    ?.policies.byType.get('MeshTimeout')
    ?.map((policy) => policy.name)

describe('facts with policies in shadow', () => {
  it('hold them in their place among the others, and what is served does not', async () => {
    await using world = await withBackend()
    await world.put('MeshTimeout', 'b', { spec: toMesh })
    const changes = changesOf(world.mesh.proxyFacts)
    await world.put('MeshTimeout', 'a', { labels: shadow, spec: toMesh })
    await world.put('MeshTimeout', 'z', {
      labels: shadow,
      spec: { targetRef: { kind: 'Dataplane', labels: { [labelKeys.workload]: 'backend' } }, to: [] },
    })
    assert.deepEqual(namesOf(world), ['b', 'a', 'z'])
    const served = world.mesh.proxyFacts.get(key)
    assert.deepEqual(
      served?.policies.byType.get('MeshTimeout')?.map((policy) => policy.name),
      ['b'],
    )
    assert.notEqual(world.mesh.shadowFacts(key)?.policies.id, served.policies.id)
    assert.deepEqual({ ...world.mesh.shadowFacts(key), policies: undefined }, { ...served, policies: undefined })
    assert.deepEqual(changes.take(), [])
  })

  it('are the served ones when no policy in shadow selects the proxy', async () => {
    await using world = await withBackend()
    await world.put('MeshTimeout', 'served', { spec: toMesh })
    await world.put('MeshTimeout', 'other', {
      labels: shadow,
      spec: { targetRef: { kind: 'Dataplane', labels: { [labelKeys.workload]: 'other' } }, to: [] },
    })
    await world.put('Mesh', 'second')
    await world.put('MeshTimeout', 'elsewhere', { mesh: 'second', labels: shadow, spec: toMesh })
    assert.equal(world.mesh.shadowFacts(key), world.mesh.proxyFacts.get(key))
    assert.equal(world.mesh.shadowFacts('default/nobody'), undefined)
  })
})
