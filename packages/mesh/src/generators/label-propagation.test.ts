import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { labelKeys } from '@weft/resources'
import { createWorld, type World } from '../world.fixture.ts'
import { applyPropagated, isReservedLabelKey, propagatedLabels } from './label-propagation.ts'

const all = { allowedKeys: [] }
const at = (seconds: number, labels: Readonly<Record<string, string>>) => ({
  creationTime: new Date(Date.UTC(2026, 0, 1, 0, 0, seconds)).toISOString(),
  labels,
})
/** `kuma.io/pkey-` and half of the SHA-256 of the key. */
const marks = { team: 'kuma.io/pkey-ca8b22d0db83a22d', mine: 'kuma.io/pkey-3fd30542fe3f61b1' }

describe('what dataplanes agree on', () => {
  it('takes the value of most, then of the newest, then the first in order', () => {
    assert.deepEqual(propagatedLabels([at(9, { team: 'a' }), at(1, { team: 'b' }), at(2, { team: 'b' })], all), { team: 'b' })
    assert.deepEqual(propagatedLabels([at(1, { team: 'a' }), at(2, { team: 'b' })], all), { team: 'b' })
    assert.deepEqual(propagatedLabels([at(1, { team: 'b' }), at(1, { team: 'a' })], all), { team: 'a' })
    assert.deepEqual(propagatedLabels([at(1, { team: 'a' }), at(2, {})], all), { team: 'a' })
  })

  it('leaves out reserved keys, keys that are not allowed and what is no label', () => {
    const labels = { team: 'a', 'kuma.io/owner': 'x', 'k8s.kuma.io/x': 'y', 'acme.io/tier': 'gold', 'not a key': 'v', bad: 'not a value' }
    assert.deepEqual(propagatedLabels([at(1, labels)], all), { 'acme.io/tier': 'gold', team: 'a' })
    assert.deepEqual(propagatedLabels([at(1, labels)], { allowedKeys: ['acme.io/tier', 'kuma.io/owner'] }), { 'acme.io/tier': 'gold' })
    const hostile = JSON.parse('{"__proto__":"x","constructor":"y"}') as Readonly<Record<string, string>>
    assert.deepEqual(propagatedLabels([at(1, hostile)], all), { constructor: 'y' })
    assert.ok(isReservedLabelKey('kuma.io/zone'))
    assert.ok(!isReservedLabelKey('acme.kuma.io.example/zone'))
  })
})

describe('labels of a service', () => {
  it('marks what is taken over, and takes it away with its mark', () => {
    const own = { [labelKeys.managedBy]: 'x', note: 'n' }
    const first = applyPropagated(own, { team: 'a' })
    assert.deepEqual(first, { ...own, team: 'a', [marks.team]: '' })
    assert.deepEqual(applyPropagated(first, { team: 'a' }), first)
    assert.deepEqual(applyPropagated(first, { mine: 'b' }), { ...own, mine: 'b', [marks.mine]: '' })
    assert.deepEqual(applyPropagated(first, {}), own)
  })

  it('understands numbered marks of older control planes, and never takes a reserved label away', () => {
    const labels = { team: 'a', note: 'n', [labelKeys.zone]: 'z', 'kuma.io/pkey-0': 'team', 'kuma.io/pkey-1': labelKeys.zone }
    assert.deepEqual(applyPropagated(labels, {}), { note: 'n', [labelKeys.zone]: 'z' })
  })
})

describe('generated services with label propagation', () => {
  const port = [{ port: 8080, name: 'http', protocol: 'http' }] as const
  const dataplane = (world: World, name: string, labels: Readonly<Record<string, string>>) =>
    world.dataplane(name, { workload: 'backend', address: '10.0.0.1', ports: port, labels })
  const own = (world: World) =>
    Object.fromEntries(Object.entries(world.get('MeshService', 'backend').labels).filter(([key]) => !isReservedLabelKey(key)))

  it('follow their dataplanes and keep labels of others', async () => {
    await using world = await createWorld({ settings: { labelPropagation: { allowedKeys: [] } } })
    await dataplane(world, 'b1', { team: 'a' })
    assert.deepEqual(own(world), { team: 'a' })
    const service = world.get('MeshService', 'backend')
    assert.equal(service.labels[marks.team], '')
    assert.equal(world.mesh.destinations.get('kri_msvc_default_zone-a__backend_http')?.labels['team'], 'a')
    await world.put('MeshService', 'backend', { ...service, labels: { ...service.labels, note: 'n', team: 'operator' } })
    assert.deepEqual(own(world), { note: 'n', team: 'a' })
    await dataplane(world, 'b1', {})
    assert.deepEqual(own(world), { note: 'n' })
    assert.equal(world.get('MeshService', 'backend').labels[marks.team], undefined)
    await dataplane(world, 'b1', { team: 'b' })
    await world.remove('Dataplane', 'b1')
    assert.deepEqual(own(world), { note: 'n', team: 'b' })
  })

  it('have none of their labels when it is off', async () => {
    await using world = await createWorld()
    await dataplane(world, 'b1', { team: 'a' })
    assert.deepEqual(own(world), {})
  })
})
