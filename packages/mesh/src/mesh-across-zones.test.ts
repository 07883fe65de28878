import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { labelKeys } from '@weft/resources'
import { backendId, backendPort, createWorld, readyIdentity, type World } from './world.fixture.ts'

describe('mesh facts across zones', () => {
  const remoteLabels = {
    [labelKeys.origin]: 'global',
    [labelKeys.zone]: 'zone-b',
    [labelKeys.displayName]: 'backend',
    [labelKeys.mesh]: 'default',
    app: 'backend',
  }
  const remoteSpec = {
    state: 'Available',
    selector: { dataplaneLabels: { matchLabels: { [labelKeys.workload]: 'backend' } } },
    ports: [{ port: 8080, name: 'http', appProtocol: 'http' }],
    identities: [{ type: 'SpiffeID', value: 'spiffe://default.zone-b.mesh.local/workload/backend' }],
  }
  const remoteId = 'kri_msvc_default_zone-b__backend_http'

  async function remote(world: World): Promise<void> {
    await world.put('MeshService', 'backend-d845z258x757bxf7', { labels: remoteLabels, spec: remoteSpec })
    const labels = { [labelKeys.origin]: 'global', [labelKeys.zone]: 'zone-b' }
    await world.put('MeshZoneAddress', 'zone-b-1', { labels, spec: { address: '192.0.2.1', port: 10001 } })
    await world.put('MeshZoneAddress', 'zone-b-2', { labels, spec: { address: '192.0.2.1', port: 10001 } })
  }

  it('reaches a remote service through its zone address once the mesh has an identity', async () => {
    await using world = await createWorld()
    await world.dataplane('local', { workload: 'backend', address: '10.0.0.1', ports: backendPort })
    await remote(world)
    assert.deepEqual(world.mesh.loadAssignments.get(remoteId)?.endpoints, [])
    await world.put('MeshIdentity', 'mid1', readyIdentity)
    assert.deepEqual(world.mesh.loadAssignments.get(remoteId)?.endpoints, [
      {
        address: '192.0.2.1',
        port: 10001,
        zone: 'zone-b',
        priority: 1,
        weight: 1,
        health: 'HEALTHY',
        metadata: { [labelKeys.zone]: 'zone-b' },
      },
    ])
    const destination = world.mesh.destinations.get(remoteId)
    assert.equal(destination?.tls, true)
    assert.equal(destination.local, false)
    assert.equal(destination.sni, 'sni.msvc.default.zone-b.backend.http')
    assert.deepEqual(destination.spiffeIds, ['spiffe://default.zone-b.mesh.local/workload/backend'])
    assert.equal(world.mesh.ingressAssignments.get(remoteId), undefined)
    // a remote service gets an address of its own here, but nobody here touches its state
    assert.equal(destination.vips.length, 1)
    assert.deepEqual(world.get('MeshService', 'backend-d845z258x757bxf7').spec, remoteSpec)
  })

  it('fails over a multi-zone service: local first, remote only while its service is available', async () => {
    await using world = await createWorld()
    await world.put('MeshIdentity', 'mid1', readyIdentity)
    await remote(world)
    await world.put('MeshService', 'mine', {
      labels: { [labelKeys.origin]: 'zone', [labelKeys.zone]: 'zone-a', app: 'backend' },
      spec: {
        selector: { dataplaneLabels: { matchLabels: { [labelKeys.workload]: 'mine' } } },
        ports: [{ port: 80, targetPort: 'http', name: 'http', appProtocol: 'http' }],
      },
    })
    await world.put('MeshMultiZoneService', 'backend', {
      labels: { [labelKeys.origin]: 'global' },
      spec: { selector: { meshService: { matchLabels: { app: 'backend' } } }, ports: [{ port: 8080, name: 'http', appProtocol: 'http' }] },
    })
    const id = 'kri_mzsvc_default___backend_http'
    const endpoints = () => world.mesh.loadAssignments.get(id)?.endpoints.map((e) => [e.address, e.priority])
    await world.dataplane('mine-1', { workload: 'mine', address: '10.0.0.7', ports: backendPort })
    assert.deepEqual(endpoints(), [
      ['10.0.0.7', 0],
      ['192.0.2.1', 1],
    ])
    assert.deepEqual(
      world.mesh.ingressAssignments.get(id)?.endpoints.map((e) => e.address),
      ['10.0.0.7'],
    )
    assert.equal(world.mesh.destinations.get(id)?.sni, 'sni.mzsvc.default.backend.http')
    assert.deepEqual(world.mesh.destinations.get(id)?.spiffeIds, [
      'spiffe://default.zone-a.mesh.local/workload/mine',
      'spiffe://default.zone-b.mesh.local/workload/backend',
    ])
    const status = world.get('MeshMultiZoneService', 'backend').status as {
      meshServices: unknown
      conditions: { reason: string; message: string }[]
    }
    assert.deepEqual(status.meshServices, [
      { name: 'backend', namespace: '', zone: 'zone-b', mesh: 'default' },
      { name: 'mine', namespace: '', zone: 'zone-a', mesh: 'default' },
    ])
    assert.equal(status.conditions[0]?.message, 'Matched 2 MeshService(s)')
    await world.remove('Dataplane', 'mine-1')
    assert.deepEqual(endpoints(), [['192.0.2.1', 1]])
    await world.put('MeshService', 'backend-d845z258x757bxf7', { labels: remoteLabels, spec: { ...remoteSpec, state: 'Unavailable' } })
    assert.deepEqual(endpoints(), [])
  })

  it('gives a zone ingress the local services and the multi-zone ones, and external services the egresses of this zone', async () => {
    await using world = await createWorld()
    await remote(world)
    await world.put('MeshIdentity', 'mid1', readyIdentity)
    await world.dataplane('backend-1', { workload: 'backend', address: '10.0.0.1', ports: backendPort })
    await world.put('MeshExternalService', 'ext', {
      labels: { [labelKeys.origin]: 'zone', [labelKeys.zone]: 'zone-a', access: 'external' },
      spec: { match: { port: 443, protocol: 'tcp' } },
    })
    const id = 'kri_extsvc_default_zone-a__ext_443'
    assert.deepEqual(world.mesh.loadAssignments.get(id)?.endpoints, [])
    assert.equal(world.mesh.destinations.get(id)?.tls, false)
    const listeners = [
      { type: 'ZoneIngress', port: 10001, name: 'in' },
      { type: 'ZoneEgress', port: 10002, name: 'out' },
      { type: 'ZoneEgress', port: 10003, name: 'out-2', state: 'NotReady' },
    ]
    await world.dataplane('zone-proxy', { workload: 'zp', address: '10.0.0.8', networking: { listeners } })
    world.connect('zone-proxy')
    assert.deepEqual(
      world.mesh.loadAssignments.get(id)?.endpoints.map((e) => [e.address, e.port, e.zone, e.metadata]),
      [['10.0.0.8', 10002, '', { [labelKeys.origin]: 'zone', [labelKeys.zone]: 'zone-a', access: 'external' }]],
    )
    assert.deepEqual(world.mesh.destinations.get(id)?.spiffeIds, ['spiffe://default.zone-a.mesh.local/workload/zp'])
    assert.equal(world.mesh.destinations.get(id)?.tls, true)
    const facts = world.mesh.proxyFacts.get('default/zone-proxy')
    assert.deepEqual(
      facts?.ingressDestinations.map((d) => d.id),
      [backendId],
    )
    assert.deepEqual(
      facts.zoneListeners.map((l) => [l.kind, l.section, l.port]),
      [
        ['ZoneIngress', 'in', 10001],
        ['ZoneEgress', 'out', 10002],
        ['ZoneEgress', 'out-2', 10003],
      ],
    )
  })
})
