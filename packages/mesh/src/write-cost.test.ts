// What a single write looks at in a zone with many dataplanes: counted, so that it says the same on every machine.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { labelKeys, type Labels } from '@weft/resources'
import type { PutOp } from '@weft/store'
import { createWorld, type World } from './world.fixture.ts'

const dataplanes = 400
const workloads = 20
const observed = { actor: 'proxy', reason: 'test', class: 'observed' } as const
const names = Array.from({ length: dataplanes }, (_, n) => `dp-${n}`)
const workloadOf = (name: string): string => `w-${Number(name.slice(3)) % workloads}`

/** A value that notes whose it is when anything in it is read. */
function watched<T extends object>(value: T, look: () => void): T {
  return new Proxy(value, {
    get: (of, field) => (look(), Reflect.get(of, field) as unknown),
    ownKeys: (of) => (look(), Reflect.ownKeys(of)),
    getOwnPropertyDescriptor: (of, field) => (look(), Reflect.getOwnPropertyDescriptor(of, field)),
  })
}

function dataplane(name: string, looked: Set<string>, port = 8080): PutOp {
  const look = (): void => void looked.add(name)
  const labels: Labels = {
    [labelKeys.mesh]: 'default',
    [labelKeys.zone]: 'zone-a',
    [labelKeys.origin]: 'zone',
    [labelKeys.workload]: workloadOf(name),
  }
  const networking = { address: `10.0.0.${name.length}`, inbound: [{ port, name: 'http', protocol: 'http', state: 'Ready' }] }
  return {
    op: 'put',
    resource: { type: 'Dataplane', mesh: 'default', name, labels: watched(labels, look), spec: watched({ networking }, look) },
  }
}

async function zone(looked: Set<string>): Promise<World> {
  const world = await createWorld()
  await world.store.transact(
    names.map((name) => dataplane(name, looked)),
    observed,
  )
  await world.mesh.settled()
  assert.equal(looked.size, dataplanes, 'all of them are watched')
  looked.clear()
  return world
}

it('a write of a policy looks at no dataplane', async () => {
  const looked = new Set<string>()
  await using world = await zone(looked)
  await world.put('MeshTimeout', 'one', { spec: { targetRef: { kind: 'Dataplane', labels: { app: 'nobody' } }, to: [] } })
  await world.put('MeshTimeout', 'one', { spec: { targetRef: { kind: 'Mesh' }, to: [] } })
  await world.remove('MeshTimeout', 'one')
  assert.deepEqual([...looked], [])
})

it('a write of a dataplane looks at none of other services', async () => {
  const looked = new Set<string>()
  await using world = await zone(looked)
  await world.store.transact([dataplane('dp-7', looked, 8081)], observed)
  await world.mesh.settled()
  assert.equal(world.mesh.dataplanes.get('default/dp-7')?.inbounds[0]?.port, 8081)
  assert.ok(looked.has('dp-7'))
  assert.deepEqual(
    [...looked].filter((name) => workloadOf(name) !== workloadOf('dp-7')),
    [],
  )
})
