// What load assignments become when an ingress of another zone cannot be reached.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { labelKeys } from '@weft/resources'
import { changesOf, createWorld, readyIdentity, type World } from './world.fixture.ts'
import { unreachableRule } from './zone-reachability.ts'

const id = 'kri_mzsvc_default___backend_http'
const ports = [{ port: 8080, name: 'http', appProtocol: 'http' }]

/** A multi-zone service in zone-b (two ingresses) and zone-c, and here when `local`. */
async function federation(local: boolean): Promise<World> {
  const world = await createWorld()
  await world.put('MeshIdentity', 'mid', readyIdentity)
  for (const zone of ['zone-b', 'zone-c']) {
    const labels = { [labelKeys.origin]: 'global', [labelKeys.zone]: zone, [labelKeys.displayName]: 'backend', app: 'backend' }
    await world.put('MeshService', `backend-${zone}`, { labels, spec: { state: 'Available', ports } })
  }
  const address = async (name: string, zone: string, ip: string): Promise<void> =>
    world.put('MeshZoneAddress', name, {
      labels: { [labelKeys.origin]: 'global', [labelKeys.zone]: zone },
      spec: { address: ip, port: 10001 },
    })
  await address('b1', 'zone-b', '192.0.2.1')
  await address('b2', 'zone-b', '192.0.2.2')
  await address('c1', 'zone-c', '192.0.2.3')
  if (local) {
    await world.dataplane('here', { workload: 'here', address: '10.0.0.1', ports: [{ port: 8080, name: 'http', protocol: 'http' }] })
    await world.put('MeshService', 'mine', {
      labels: { [labelKeys.origin]: 'zone', [labelKeys.zone]: 'zone-a', app: 'backend' },
      spec: {
        selector: { dataplaneLabels: { matchLabels: { [labelKeys.workload]: 'here' } } },
        ports: [{ port: 8080, targetPort: 'http', name: 'http', appProtocol: 'http' }],
      },
    })
  }
  await world.put('MeshMultiZoneService', 'backend', {
    labels: { [labelKeys.origin]: 'global' },
    spec: { selector: { meshService: { matchLabels: { app: 'backend' } } }, ports },
  })
  return world
}

const places = (world: World, of = id): readonly string[] =>
  (world.mesh.loadAssignments.get(of)?.endpoints ?? []).map(
    ({ address, priority, outOfReach }) => `${address} p${priority}${outOfReach ? ` ${outOfReach}` : ''}`,
  )

function lost(world: World, zone: string, unreachable: readonly string[], action: 'deprioritize' | 'withdraw' = 'deprioritize'): void {
  world.graph.transact('probe', () => {
    if (unreachable.length === 0) world.mesh.zoneReachability.delete(`default/${zone}`)
    else world.mesh.zoneReachability.set(`default/${zone}`, { action, unreachable: unreachable.map((ip) => `${ip} 10001`) })
  })
}

describe('zones out of reach', () => {
  it('mark their endpoints in every service, and unmark them; nothing but load assignments changes', async () => {
    await using world = await federation(true)
    world.connect('here')
    const before = places(world)
    assert.deepEqual(before, ['10.0.0.1 p0', '192.0.2.1 p1', '192.0.2.2 p1', '192.0.2.3 p1'])
    const proxies = changesOf(world.mesh.proxyFacts)
    const destinations = changesOf(world.mesh.destinations)
    const assignments = changesOf(world.mesh.loadAssignments)
    lost(world, 'zone-c', ['192.0.2.3'])
    assert.deepEqual(places(world), ['10.0.0.1 p0', '192.0.2.1 p1', '192.0.2.2 p1', '192.0.2.3 p1 behind'])
    assert.deepEqual([...assignments.take()].sort(), ['kri_msvc_default_zone-c__backend_http', id])
    lost(world, 'zone-c', ['192.0.2.3'], 'withdraw')
    assert.deepEqual(places(world), ['10.0.0.1 p0', '192.0.2.1 p1', '192.0.2.2 p1', '192.0.2.3 p1 leave'])
    lost(world, 'zone-c', [])
    assert.deepEqual(places(world), before)
    assert.deepEqual([proxies.take(), destinations.take()], [[], []])
  })

  it('one of two ingresses is marked alone', async () => {
    await using world = await federation(true)
    lost(world, 'zone-b', ['192.0.2.1'])
    assert.deepEqual(places(world, 'kri_msvc_default_zone-b__backend_http'), ['192.0.2.1 p1 behind', '192.0.2.2 p1'])
  })

  it('an endpoint of another mesh or zone at the same address is another one', async () => {
    await using world = await federation(false)
    world.graph.transact('probe', () =>
      world.mesh.zoneReachability.set('other/zone-b', { action: 'withdraw', unreachable: ['192.0.2.1 10001', '192.0.2.3 10001'] }),
    )
    lost(world, 'zone-b', ['192.0.2.3'])
    assert.deepEqual(places(world), ['192.0.2.1 p1', '192.0.2.2 p1', '192.0.2.3 p1'])
  })

  it('the ingresses of other zones are told, by the address they resolve to', async () => {
    await using world = await federation(false)
    await world.put('MeshZoneAddress', 'own', { labels: { [labelKeys.zone]: 'zone-a' }, spec: { address: '192.0.2.9', port: 1 } })
    await world.put('MeshZoneAddress', 'named', {
      labels: { [labelKeys.origin]: 'global', [labelKeys.zone]: 'zone-d' },
      spec: { address: 'ingress.example', port: 7 },
    })
    const listed = (): readonly string[] =>
      [...world.mesh.remoteIngresses.entries()].map(([, entry]) => `${entry.zone} ${entry.address}`).sort()
    assert.deepEqual(listed(), ['zone-b 192.0.2.1', 'zone-b 192.0.2.2', 'zone-c 192.0.2.3'])
    world.graph.transact('dns', () => world.mesh.hosts.set('ingress.example', '192.0.2.8'))
    assert.equal(listed().at(-1), 'zone-d 192.0.2.8')
  })

  it('labels of the Mesh say what to do; what cannot be read counts as absent', () => {
    const rule = (action?: string, after?: string) =>
      unreachableRule({
        ...(action === undefined ? {} : { [labelKeys.unreachableZone]: action }),
        ...(after === undefined ? {} : { [labelKeys.unreachableZoneAfter]: after }),
      })
    assert.deepEqual(rule(), { action: 'deprioritize', afterMs: 30_000 })
    assert.deepEqual(rule('withdraw', '5m'), { action: 'withdraw', afterMs: 300_000 })
    assert.deepEqual(rule('keep', '0s'), { action: 'keep', afterMs: 0 })
    assert.deepEqual(rule('delete', 'soon'), { action: 'deprioritize', afterMs: 30_000 })
    assert.deepEqual(rule('', '-1s'), { action: 'deprioritize', afterMs: 30_000 })
  })
})
