import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { labelKeys } from '@weft/resources'
import { createMemoryStore } from '@weft/store'
import { defaultMeshSettings } from '../settings.ts'
import { createWorld, hostnameGenerator, readyIdentity, type World } from '../world.fixture.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const port = [{ port: 8080, name: 'http', protocol: 'http' }] as const
const vipOf = (world: World, name: string, type = 'MeshService'): string | undefined => {
  const status = world.find(type, name)?.status as { vips?: { ip: string }[]; vip?: { ip: string } } | undefined
  return status?.vip?.ip ?? status?.vips?.[0]?.ip
}

describe('generated services and workloads', () => {
  it('writes service, workload, VIP, hostname and status, and nothing the second time', async () => {
    const clock = new FakeClock()
    const store = createMemoryStore({ clock, log: silentLogger })
    {
      await using world = await createWorld({ clock, store })
      await world.put('Mesh', 'default')
      await world.put('HostnameGenerator', 'local', {
        labels: { [labelKeys.origin]: 'zone' },
        spec: hostnameGenerator('meshService', '{{ .DisplayName }}.svc.mesh.local'),
      })
      await world.dataplane('backend-1', { workload: 'backend', address: '10.0.0.1', ports: port })
      const service = world.get('MeshService', 'backend')
      assert.deepEqual(service.labels, {
        [labelKeys.mesh]: 'default',
        [labelKeys.displayName]: 'backend',
        [labelKeys.managedBy]: 'meshservice-generator',
        [labelKeys.env]: 'universal',
        [labelKeys.zone]: 'zone-a',
        [labelKeys.origin]: 'zone',
      })
      assert.deepEqual(service.spec, {
        state: 'Available',
        selector: { dataplaneLabels: { matchLabels: { [labelKeys.workload]: 'backend' } } },
        ports: [{ name: 'http', port: 8080, targetPort: 8080, appProtocol: 'http' }],
      })
      assert.deepEqual(service.status, {
        vips: [{ ip: vipOf(world, 'backend') }],
        tls: { status: 'NotReady' },
        dataplaneProxies: { connected: 0, healthy: 1, total: 1 },
        addresses: [{ hostname: 'backend.svc.mesh.local', origin: 'HostnameGenerator', hostnameGeneratorRef: { coreName: 'local' } }],
        hostnameGenerators: [
          {
            hostnameGeneratorRef: { coreName: 'local' },
            conditions: [{ type: 'Generated', status: 'True', reason: 'Generated', message: '' }],
          },
        ],
      })
      assert.deepEqual(world.get('Workload', 'backend').status, { dataplaneProxies: { connected: 0, healthy: 1, total: 1 } })
      assert.ok(world.generated.every((change) => change.class === 'observed'))
      // made first, then completed at once by what follows from its existence: proxies see address and host name together
      const written = world.generated.filter((change) => change.key.type === 'MeshService').map((change) => change.after?.status)
      assert.equal(written.length, 2)
      assert.deepEqual(
        written.map((status) => Object.keys(status ?? {}).filter((field) => field === 'vips' || field === 'addresses')),
        [[], ['vips', 'addresses']],
      )
      await world.mesh.stop()
      // the store of the next process lives on
      world.store.close = () => Promise.resolve()
    }
    const { seq } = store
    await using again = await createWorld({ clock, store })
    await again.mesh.settled()
    assert.equal(store.seq, seq)
    assert.equal(again.generated.length, 0)
  })

  it('keeps state, identities and VIP when ports change', async () => {
    await using world = await createWorld()
    await world.put('MeshIdentity', 'mid1', readyIdentity)
    await world.dataplane('backend-1', { workload: 'backend', address: '10.0.0.1', ports: port })
    const before = world.get('MeshService', 'backend')
    await world.dataplane('backend-1', { workload: 'backend', address: '10.0.0.1', ports: [{ port: 9090, protocol: 'tcp' }] })
    const after = world.get('MeshService', 'backend')
    assert.deepEqual((after.spec as { ports: unknown }).ports, [{ name: '9090', port: 9090, targetPort: 9090, appProtocol: 'tcp' }])
    assert.deepEqual((after.spec as { identities: unknown }).identities, (before.spec as { identities: unknown }).identities)
    assert.deepEqual(after.status, before.status)
  })

  it('settles conflicting ports: the oldest dataplane first, then what is stored already', async () => {
    await using world = await createWorld()
    const ports = () => (world.get('MeshService', 'backend').spec as { ports: { port: number }[] }).ports.map((p) => p.port)
    await world.dataplane('z-old', { workload: 'backend', address: '10.0.0.1', ports: [{ port: 1 }] })
    world.clock.advance(1000)
    await world.dataplane('a-new', { workload: 'backend', address: '10.0.0.2', ports: [{ port: 2 }] })
    assert.deepEqual(ports(), [1])
    await world.remove('Dataplane', 'z-old')
    assert.deepEqual(ports(), [2])
    world.clock.advance(1000)
    await world.dataplane('later', { workload: 'backend', address: '10.0.0.3', ports: [{ port: 1 }] })
    assert.deepEqual(ports(), [2])
  })

  it('keeps a service without dataplanes for the grace period, and the workload not at all', async () => {
    await using world = await createWorld()
    await world.dataplane('backend-1', { workload: 'backend', address: '10.0.0.1', ports: port })
    const vip = vipOf(world, 'backend')
    await world.remove('Dataplane', 'backend-1')
    assert.equal(world.find('Workload', 'backend'), undefined)
    assert.equal(world.get('MeshService', 'backend').labels[labelKeys.graceStarted], '2026-01-01T00:00:00.000Z')
    assert.equal((world.get('MeshService', 'backend').spec as { state: string }).state, 'Unavailable')
    assert.equal(world.mesh.destinations.get('kri_msvc_default_zone-a__backend_http')?.labels[labelKeys.graceStarted], undefined)
    world.clock.advance(3_599_999)
    await world.mesh.settled()
    await world.dataplane('backend-2', { workload: 'backend', address: '10.0.0.2', ports: port })
    assert.equal(world.get('MeshService', 'backend').labels[labelKeys.graceStarted], undefined)
    assert.equal(vipOf(world, 'backend'), vip)
    await world.remove('Dataplane', 'backend-2')
    world.clock.advance(3_600_000)
    await world.mesh.settled()
    assert.equal(world.find('MeshService', 'backend'), undefined)
    assert.equal(world.mesh.loadAssignments.size, 0)
  })

  it('leaves services of others alone and brings back what was deleted', async () => {
    await using world = await createWorld()
    await world.put('MeshService', 'backend', { labels: { [labelKeys.origin]: 'zone' }, spec: { ports: [{ port: 1 }] } })
    await world.dataplane('backend-1', { workload: 'backend', address: '10.0.0.1', ports: port })
    assert.deepEqual((world.get('MeshService', 'backend').spec as { ports: unknown }).ports, [{ port: 1 }])
    await world.remove('MeshService', 'backend')
    assert.equal(world.get('MeshService', 'backend').labels[labelKeys.managedBy], 'meshservice-generator')
    await world.remove('MeshService', 'backend')
    assert.ok(world.find('MeshService', 'backend'))
  })

  it('ignores workloads that cannot name a service, dataplanes of unknown meshes, and counts proxies online', async () => {
    await using world = await createWorld()
    await world.dataplane('bad', { workload: '1.not-a-label', address: '10.0.0.1', ports: port })
    await world.put('Dataplane', 'lost', {
      mesh: 'nowhere',
      labels: { [labelKeys.origin]: 'zone', [labelKeys.workload]: 'lost' },
      spec: { networking: { address: '10.0.0.1', inbound: port } },
    })
    assert.equal(world.store.list('MeshService').length, 0)
    await world.dataplane('ok', { workload: 'ok', address: '10.0.0.1', ports: port })
    await world.put('DataplaneInsight', 'ok', { spec: { subscriptions: [{ id: '1', connectTime: '2026-01-01T00:00:00Z' }] } })
    assert.deepEqual((world.get('Workload', 'ok').status as { dataplaneProxies: unknown }).dataplaneProxies, {
      connected: 1,
      healthy: 1,
      total: 1,
    })
    await world.put('DataplaneInsight', 'ok', {
      spec: { subscriptions: [{ id: '1', connectTime: '2026-01-01T00:00:00Z', disconnectTime: '2026-01-01T00:00:01Z' }] },
    })
    assert.deepEqual((world.get('MeshService', 'ok').status as { dataplaneProxies: unknown }).dataplaneProxies, {
      connected: 0,
      healthy: 1,
      total: 1,
    })
  })

  it('writes nothing when every generator is off', async () => {
    const off = { meshServices: false, workloads: false, status: false, vips: false, hostnames: false, trustFederation: false }
    await using world = await createWorld({ settings: { generators: off } })
    await world.dataplane('backend-1', { workload: 'backend', address: '10.0.0.1', ports: port })
    assert.equal(world.generated.length, 0)
  })
})

describe('virtual IPs', () => {
  it('depend on the destination alone, survive an empty store, and a stored one wins', async () => {
    const addresses: (string | undefined)[] = []
    for (const order of [
      ['a', 'b'],
      ['b', 'a'],
    ]) {
      await using world = await createWorld()
      for (const name of order)
        await world.dataplane(`${name}-1`, { workload: name, address: `10.0.0.${name === 'a' ? 1 : 2}`, ports: port })
      addresses.push(vipOf(world, 'a'))
      assert.match(vipOf(world, 'a') ?? '', /^241\./)
      assert.notEqual(vipOf(world, 'a'), vipOf(world, 'b'))
    }
    assert.equal(addresses[0], addresses[1])
    await using world = await createWorld()
    await world.put('MeshService', 'mine', {
      labels: { [labelKeys.origin]: 'zone' },
      spec: { ports: [{ port: 1 }] },
      status: { vips: [{ ip: '10.96.0.1' }] },
    })
    assert.equal(vipOf(world, 'mine'), '10.96.0.1')
  })

  it('are probed past taken ones, rest after use, and run out without harm', async () => {
    await using world = await createWorld({
      settings: { cidrs: { meshService: '241.0.0.0/30', meshExternalService: '242.0.0.0/30', meshMultiZoneService: '243.0.0.0/30' } },
    })
    const put = (name: string) => world.put('MeshService', name, { labels: { [labelKeys.origin]: 'zone' }, spec: { ports: [{ port: 1 }] } })
    await put('a')
    await put('b')
    await put('c')
    assert.deepEqual([vipOf(world, 'a'), vipOf(world, 'b')].sort(), ['241.0.0.1', '241.0.0.2'])
    assert.equal(vipOf(world, 'c'), undefined)
    const first = vipOf(world, 'a')
    await world.remove('MeshService', 'a')
    await put('d')
    assert.equal(vipOf(world, 'd'), undefined)
    await put('a')
    assert.equal(vipOf(world, 'a'), first)
    await world.remove('MeshService', 'a')
    world.clock.advance(3_600_001)
    await put('e')
    assert.equal(vipOf(world, 'e'), first)
    await world.put('MeshExternalService', 'ext', { spec: { match: { port: 443 } } })
    assert.match(vipOf(world, 'ext', 'MeshExternalService') ?? '', /^242\.0\.0\.[12]$/)
  })

  it('rest over a restart, and for as long as a proxy has a listener there', async () => {
    const settings = { cidrs: { ...defaultMeshSettings.cidrs, meshService: '241.0.0.0/30' } }
    const put = (world: World, name: string) =>
      world.put('MeshService', name, { labels: { [labelKeys.origin]: 'zone' }, spec: { ports: [{ port: 1 }] } })
    const clock = new FakeClock()
    const store = createMemoryStore({ clock, log: silentLogger })
    await store.transact([{ op: 'put', resource: { type: 'Mesh', mesh: '', name: 'default', labels: {}, spec: {} } }], {
      actor: 'user:test',
      reason: 'api',
      class: 'desired',
    })
    const before = await createWorld({ settings, store, clock })
    await put(before, 'a')
    await put(before, 'b')
    const first = vipOf(before, 'a')
    await before.remove('MeshService', 'a')
    await turn()
    await before.mesh.stop()
    clock.advance(3_500_000)
    const held = new Set(['kri_msvc_default___a_'])
    await using world = await createWorld({ settings, store, clock, holdsListener: (kri) => held.has(kri) })
    await put(world, 'c')
    assert.equal(vipOf(world, 'c'), undefined)
    clock.advance(200_000)
    await put(world, 'd')
    assert.equal(vipOf(world, 'd'), undefined)
    held.clear()
    await put(world, 'e')
    assert.equal(vipOf(world, 'e'), first)
  })
})
