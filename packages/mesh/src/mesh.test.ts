import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { labelKeys } from '@weft/resources'
import {
  backendId,
  backendPort,
  changesOf,
  createWorld,
  hostnameGenerator,
  readyIdentity,
  transparentProxy,
  twoBackends,
} from './world.fixture.ts'

describe('mesh facts of one zone', () => {
  it('derives a service with two endpoints, its destination and the facts of a client', async () => {
    await using world = await createWorld()
    await twoBackends(world)
    world.connect('client-1', { transparentProxy })
    const assignment = world.mesh.loadAssignments.get(backendId)
    assert.deepEqual(
      assignment?.endpoints.map((e) => [e.address, e.port, e.zone, e.priority, e.weight, e.health]),
      [
        ['10.0.0.1', 8080, 'zone-a', 0, 1, 'HEALTHY'],
        ['10.0.0.2', 8080, 'zone-a', 0, 1, 'HEALTHY'],
      ],
    )
    assert.equal(assignment.endpoints[0]?.metadata['kuma.io/protocol'], 'http')
    assert.equal(assignment.endpoints[0]?.metadata[labelKeys.displayName], 'backend-1')
    assert.equal(world.mesh.ingressAssignments.get(backendId), assignment)
    const destination = world.mesh.destinations.get(backendId)
    assert.equal(destination?.sni, 'sni.msvc.default.zone-a.backend.http')
    assert.equal(destination.local, true)
    assert.equal(destination.tls, false)
    const facts = world.mesh.proxyFacts.get('default/client-1')
    assert.deepEqual(
      facts?.outbounds.map((o) => [o.name, o.destination.id, o.address, o.port]),
      [[backendId, backendId, destination.vips[0], 8080]],
    )
    assert.equal(facts.workload, 'client')
    assert.deepEqual(world.graph.errors(), [])
    assert.deepEqual(world.graph.audit(), [])
  })

  it('gives endpoints the protocol as their Dataplane wrote it, and none when it wrote none', async () => {
    await using world = await createWorld()
    await world.dataplane('a', { workload: 'svc', address: '10.0.0.1', ports: [{ port: 80 }] })
    await world.dataplane('b', { workload: 'svc', address: '10.0.0.2', ports: [{ port: 80, protocol: 'tcp' }] })
    await world.dataplane('c', { workload: 'svc', address: '10.0.0.3', ports: [{ port: 80, protocol: 'HTTP' }] })
    const endpoints = world.mesh.loadAssignments.get('kri_msvc_default_zone-a__svc_80')?.endpoints
    assert.deepEqual(
      endpoints?.map((endpoint) => endpoint.metadata['kuma.io/protocol']),
      [undefined, 'tcp', 'HTTP'],
    )
    assert.equal(Object.hasOwn(endpoints[0]?.metadata ?? {}, 'kuma.io/protocol'), false)
  })

  it('touches exactly one load assignment and no proxy facts when the health of an endpoint changes', async () => {
    await using world = await createWorld()
    await twoBackends(world)
    await world.dataplane('other-1', { workload: 'other', address: '10.0.0.9', ports: backendPort })
    for (const name of ['client-1', 'backend-1', 'backend-2']) world.connect(name, { transparentProxy })
    const assignments = changesOf(world.mesh.loadAssignments)
    const facts = changesOf(world.mesh.proxyFacts)
    await world.dataplane('backend-1', { workload: 'backend', address: '10.0.0.1', ports: [{ ...backendPort[0], state: 'NotReady' }] })
    assert.deepEqual(assignments.take(), [backendId])
    assert.deepEqual(facts.take(), [])
    assert.deepEqual(
      world.mesh.loadAssignments.get(backendId)?.endpoints.map((e) => e.address),
      ['10.0.0.2'],
    )
  })

  it('takes out draining proxies at once and keeps lost ones as degraded', async () => {
    await using world = await createWorld()
    await twoBackends(world)
    const endpoints = () => world.mesh.loadAssignments.get(backendId)?.endpoints.map((e) => [e.address, e.health])
    world.graph.transact('hds', () => world.mesh.endpointStates.set('default/backend-1', { draining: true }))
    assert.deepEqual(endpoints(), [['10.0.0.2', 'HEALTHY']])
    assert.deepEqual(world.mesh.soleEndpointOf('default/backend-2'), [backendId])
    assert.deepEqual(world.mesh.soleEndpointOf('default/backend-1'), [])
    world.graph.transact('stream', () => {
      world.mesh.endpointStates.set('default/backend-1', { degraded: true })
      world.mesh.endpointStates.set('default/backend-2', { degraded: true })
    })
    assert.deepEqual(endpoints(), [
      ['10.0.0.1', 'DEGRADED'],
      ['10.0.0.2', 'DEGRADED'],
    ])
    assert.deepEqual(world.mesh.soleEndpointOf('default/backend-2'), [])
    assert.deepEqual(
      world.mesh.soleEndpointOf('default/backend-2', (key) => key !== 'default/backend-1'),
      [backendId],
    )
    await world.mesh.settled()
    assert.equal((world.get('MeshService', 'backend').spec as { state: string }).state, 'Available')
  })

  it('resolves hand-written outbounds by name, labels and the legacy form, and names them as written', async () => {
    await using world = await createWorld()
    await twoBackends(world)
    await world.dataplane('client-1', {
      workload: 'client',
      address: '10.0.0.3',
      networking: {
        outbound: [
          { port: 1, backendRef: { kind: 'MeshService', name: 'backend', port: 8080 } },
          { port: 2, address: '127.0.0.9', backendRef: { kind: 'MeshService', labels: { [labelKeys.displayName]: 'backend' } } },
          { port: 3, backendRef: { kind: 'MeshService', name: 'backend', port: 99 } },
          { port: 4, backendRef: { kind: 'MeshService', name: '__proto__', port: 8080 } },
          { port: 5, backendRef: { kind: 'MeshService', name: 'backend_ns_svc_8080' } },
        ],
      },
    })
    world.connect('client-1')
    const outbounds = world.mesh.proxyFacts.get('default/client-1')?.outbounds.map((o) => [o.name, o.address, o.port])
    assert.deepEqual(outbounds, [
      ['kri_msvc_default_zone-a__backend_8080', '127.0.0.1', 1],
      [backendId, '127.0.0.9', 2],
      [backendId, '127.0.0.1', 5],
    ])
  })

  it('limits VIP outbounds to reachableBackends and leaves out what would hide an own inbound', async () => {
    await using world = await createWorld()
    await twoBackends(world)
    await world.dataplane('other-1', { workload: 'other', address: '10.0.0.9', ports: backendPort })
    const vip = world.mesh.destinations.get(backendId)?.vips[0] ?? ''
    const outbounds = async (networking: object, ports: readonly { port: number }[] = []): Promise<readonly string[]> => {
      await world.dataplane('client-1', { workload: 'client', address: '10.0.0.3', networking, ports })
      world.connect('client-1', { transparentProxy })
      return (world.mesh.proxyFacts.get('default/client-1')?.outbounds ?? []).map((o) => o.destination.name)
    }
    assert.deepEqual(await outbounds({}), ['backend', 'other'])
    assert.deepEqual(await outbounds({ transparentProxying: { reachableBackends: { refs: [] } } }), [])
    assert.deepEqual(await outbounds({ transparentProxying: { reachableBackends: { refs: [{ kind: 'MeshService', name: 'other' }] } } }), [
      'other',
    ])
    assert.deepEqual(
      await outbounds({
        transparentProxying: { reachableBackends: { refs: [{ kind: 'MeshService', labels: { [labelKeys.workload]: 'x' } }] } },
      }),
      [],
    )
    assert.deepEqual(await outbounds({ inbound: [{ port: 8080, address: vip }] }), ['client', 'other'])
  })

  it('shares outbounds and DNS records between proxies without restrictions', async () => {
    await using world = await createWorld()
    await world.put('HostnameGenerator', 'local', {
      labels: { [labelKeys.origin]: 'zone' },
      spec: hostnameGenerator('meshService', '{{ .DisplayName }}.svc.mesh.local'),
    })
    await twoBackends(world)
    world.connect('client-1', { transparentProxy })
    world.connect('backend-1', { transparentProxy })
    const [a, b] = ['client-1', 'backend-1'].map((name) => world.mesh.proxyFacts.get(`default/${name}`))
    assert.ok(a && b)
    assert.equal(a.outbounds, b.outbounds)
    assert.equal(a.dns, b.dns)
    assert.deepEqual(a.dns, [{ name: 'backend.svc.mesh.local', ips: [...(world.mesh.destinations.get(backendId)?.vips ?? [])] }])
  })

  it('shares outbounds between proxies with equal restrictions, also with one that comes after a change elsewhere', async () => {
    await using world = await createWorld()
    await twoBackends(world)
    const networking = { transparentProxying: { reachableBackends: { refs: [{ kind: 'MeshService', name: 'backend' }] } } }
    const restricted = async (name: string, address: string): Promise<void> => {
      await world.dataplane(name, { workload: 'client', address, networking })
      world.connect(name, { transparentProxy })
    }
    const outboundsOf = (name: string) => world.mesh.proxyFacts.get(`default/${name}`)?.outbounds
    await restricted('client-2', '10.0.0.4')
    const before = outboundsOf('client-2')
    assert.equal(before?.length, 1)
    await world.dataplane('other-1', { workload: 'other', address: '10.0.0.9', ports: backendPort })
    await restricted('client-3', '10.0.0.5')
    assert.equal(outboundsOf('client-2'), before)
    assert.equal(outboundsOf('client-3'), before)
    await world.remove('Dataplane', 'backend-1')
    await world.remove('Dataplane', 'backend-2')
    await world.remove('MeshService', 'backend')
    await restricted('client-4', '10.0.0.6')
    assert.equal(outboundsOf('client-2'), outboundsOf('client-4'))
  })

  it('gives an identity and trust once the MeshIdentity is ready, and TLS once every proxy accepts it', async () => {
    await using world = await createWorld()
    await twoBackends(world)
    world.connect('backend-1')
    await world.put('MeshIdentity', 'mid1', { ...readyIdentity, status: {} })
    assert.equal(world.mesh.proxyFacts.get('default/backend-1')?.identity, undefined)
    await world.put('MeshIdentity', 'mid1', readyIdentity)
    const domain = 'default.zone-a.mesh.local'
    const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'
    await world.put('MeshTrust', 'mid1', { spec: { trustDomain: domain, caBundles: [{ type: 'Pem', pem: { value: pem } }] } })
    await world.put('MeshTrust', 'copy', {
      spec: { trustDomain: domain, caBundles: [{ type: 'Pem', pem: { value: `${pem.replaceAll('\n', '\r\n')}\n\n` } }] },
    })
    const facts = world.mesh.proxyFacts.get('default/backend-1')
    assert.deepEqual(facts?.identity, {
      kri: 'kri_mid_default___mid1_',
      spiffeId: `spiffe://${domain}/workload/backend`,
      trustDomain: domain,
    })
    assert.deepEqual(facts.trust, { mesh: 'default', domains: [{ name: domain, pem }] })
    const service = () => world.get('MeshService', 'backend')
    assert.deepEqual((service().spec as { identities: unknown }).identities, [
      { type: 'SpiffeID', value: `spiffe://${domain}/workload/backend` },
    ])
    const tls = () => (service().status as { tls: { status: string } }).tls.status
    assert.equal(tls(), 'NotReady')
    const accept = async (name: string, isAccepting: boolean): Promise<void> => {
      world.graph.transact('ack', () =>
        isAccepting ? world.mesh.tlsAccepting.set(`default/${name}`, true) : world.mesh.tlsAccepting.delete(`default/${name}`),
      )
      await world.mesh.settled()
    }
    await accept('backend-1', true)
    assert.equal(tls(), 'NotReady')
    await accept('backend-2', true)
    assert.equal(tls(), 'Ready')
    assert.equal(world.mesh.destinations.get(backendId)?.tls, true)
    await accept('backend-2', false)
    assert.equal(tls(), 'Ready')
    const lost = { type: 'Ready', status: 'False', reason: 'LastAuthorityInUse', message: '' }
    await world.put('MeshIdentity', 'mid1', { ...readyIdentity, status: { conditions: [lost] } })
    assert.deepEqual(world.mesh.proxyFacts.get('default/backend-1')?.identity, facts.identity, 'nobody falls back to clear text')
    assert.equal(tls(), 'Ready')
    await world.remove('MeshIdentity', 'mid1')
    assert.equal(tls(), 'NotReady')
  })

  it('follows a rename of a workload', async () => {
    await using world = await createWorld()
    await twoBackends(world)
    await world.dataplane('backend-1', { workload: 'renamed', address: '10.0.0.1', ports: backendPort })
    assert.deepEqual(
      world.mesh.loadAssignments.get(backendId)?.endpoints.map((e) => e.address),
      ['10.0.0.2'],
    )
    assert.deepEqual(
      world.mesh.loadAssignments.get('kri_msvc_default_zone-a__renamed_http')?.endpoints.map((e) => e.address),
      ['10.0.0.1'],
    )
    assert.deepEqual(world.graph.errors(), [])
  })

  it('leaves out host names until they are resolved', async () => {
    await using world = await createWorld()
    await world.dataplane('backend-1', { workload: 'backend', address: 'backend.internal', ports: backendPort })
    assert.deepEqual(
      [...world.mesh.hostNames.entries()].map(([name]) => name),
      ['backend.internal'],
    )
    assert.deepEqual(world.mesh.loadAssignments.get(backendId)?.endpoints, [])
    world.graph.transact('dns', () => world.mesh.hosts.set('backend.internal', '10.1.1.1'))
    assert.equal(world.mesh.loadAssignments.get(backendId)?.endpoints[0]?.address, '10.1.1.1')
  })
})
