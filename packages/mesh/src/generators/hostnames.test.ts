import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Logger, silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { labelKeys, type Labels } from '@weft/resources'
import { createWorld, hostnameGenerator, transparentProxy, type World } from '../world.fixture.ts'

type Kind = Parameters<typeof hostnameGenerator>[0]

const ports = [{ port: 80 }]
const hostnamesOf = (world: World, name: string, { type = 'MeshService', mesh = 'default' } = {}): readonly string[] =>
  ((world.get(type, name, mesh).status as { addresses?: { hostname: string }[] }).addresses ?? []).map((address) => address.hostname)
/** Reason and message of each generator's condition. */
const conditionsOf = (world: World, name: string, type = 'MeshService'): readonly string[] =>
  (world.get(type, name).status as { hostnameGenerators: { conditions: { reason: string; message: string }[] }[] }).hostnameGenerators.map(
    ({ conditions: [first] }) => `${first?.reason} ${first?.message}`.trim(),
  )
const generator = (world: World, name: string, of: { kind?: Kind; template: string; from?: 'zone' | 'global'; labels?: Labels }) =>
  world.put('HostnameGenerator', name, {
    labels: { [labelKeys.origin]: of.from ?? 'global' },
    spec: hostnameGenerator(of.kind ?? 'meshService', of.template, of.labels),
  })
const own = (world: World, name: string, mesh = 'default') =>
  world.put('MeshService', name, { mesh, labels: { [labelKeys.origin]: 'zone', [labelKeys.zone]: 'zone-a' }, spec: { ports } })
/** A service of another zone, as it arrives from global: under a name of its own, said to be of global. */
const foreign = (world: World, zone: string, displayName: string, labels: Labels = {}) =>
  world.put('MeshService', `${displayName}-${zone}`, {
    labels: { [labelKeys.origin]: 'global', [labelKeys.zone]: zone, [labelKeys.displayName]: displayName, ...labels },
    spec: { ports },
  })
/** What the embedded DNS of a connected proxy resolves. */
const records = (world: World, proxy = 'default/client'): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries((world.mesh.proxyFacts.get(proxy)?.dns ?? []).map(({ name, ips }) => [name, ips]))
const connectClient = async (world: World): Promise<void> => {
  await world.dataplane('client', { address: '10.0.0.9' })
  world.connect('client', { transparentProxy })
}
const vipOf = (world: World, name: string): string | undefined =>
  (world.get('MeshService', name).status as { vips?: { ip: string }[] }).vips?.[0]?.ip

describe('hostnames', () => {
  it('follow generators of the right origin and show template errors', async () => {
    await using world = await createWorld()
    await generator(world, 'z-synced', {
      template: '{{ .DisplayName }}.svc.{{ .Zone }}.mesh.local',
      labels: { [labelKeys.origin]: 'global' },
    })
    await generator(world, 'local', { from: 'zone', template: '{{ .DisplayName }}.svc.mesh.local', labels: { [labelKeys.origin]: 'zone' } })
    await own(world, 'backend')
    await foreign(world, 'zone-b', 'backend')
    assert.deepEqual(hostnamesOf(world, 'backend'), ['backend.svc.mesh.local'])
    assert.deepEqual(hostnamesOf(world, 'backend-zone-b'), ['backend.svc.zone-b.mesh.local'])
    await generator(world, 'broken', { from: 'zone', template: '{{ label "none" }}', labels: { [labelKeys.origin]: 'zone' } })
    assert.deepEqual(conditionsOf(world, 'backend'), ['TemplateError no label none', 'Generated'])
    assert.deepEqual(hostnamesOf(world, 'backend'), ['backend.svc.mesh.local'])
  })

  it('stay with the older of two services of the zone', async () => {
    await using world = await createWorld()
    await generator(world, 'any', { template: '{{ label "team" }}.mesh.local' })
    const put = (name: string) => world.put('MeshService', name, { labels: { [labelKeys.origin]: 'zone', team: 'pay' }, spec: { ports } })
    await put('z-first')
    world.clock.advance(1000)
    await put('a-second')
    assert.deepEqual(hostnamesOf(world, 'z-first'), ['pay.mesh.local'])
    assert.deepEqual(hostnamesOf(world, 'a-second'), [])
    assert.deepEqual(conditionsOf(world, 'a-second'), ['Collision Hostname collision with MeshService: z-first'])
    await world.remove('MeshService', 'z-first')
    assert.deepEqual(hostnamesOf(world, 'a-second'), ['pay.mesh.local'])
  })

  it('of equal services go by the generator of the zone, whatever its age', async () => {
    await using world = await createWorld()
    await own(world, 'first')
    await own(world, 'second')
    await generator(world, 'of-global', { template: 'pay.mesh.local', labels: {} })
    assert.deepEqual(hostnamesOf(world, 'first'), ['pay.mesh.local'])
    world.clock.advance(1000)
    await world.put('MeshService', 'second', { labels: { [labelKeys.origin]: 'zone', chosen: 'yes' }, spec: { ports } })
    await generator(world, 'of-zone', { from: 'zone', template: 'pay.mesh.local', labels: { chosen: 'yes' } })
    // both generators give it the name
    assert.deepEqual(hostnamesOf(world, 'second'), ['pay.mesh.local', 'pay.mesh.local'])
    assert.deepEqual(hostnamesOf(world, 'first'), [])
  })
})

describe('nobody takes a hostname that belongs to another one', () => {
  it('a service of another zone does not take the name of one of this zone, though it was here first', async () => {
    await using world = await createWorld()
    await connectClient(world)
    await generator(world, 'flat', { template: '{{ .DisplayName }}.mesh.local' })
    await foreign(world, 'zone-b', 'pay')
    assert.deepEqual(hostnamesOf(world, 'pay-zone-b'), ['pay.mesh.local'])
    world.clock.advance(60_000)
    await own(world, 'pay')
    assert.deepEqual(records(world), { 'pay.mesh.local': [vipOf(world, 'pay')] })
    assert.deepEqual(conditionsOf(world, 'pay-zone-b'), ['Collision Hostname collision with MeshService: pay'])
    const before = world.get('MeshService', 'pay').status
    await foreign(world, 'zone-c', 'pay')
    assert.deepEqual(world.get('MeshService', 'pay').status, before)
    assert.deepEqual(records(world), { 'pay.mesh.local': [vipOf(world, 'pay')] })
  })

  it('a service of another zone does not take the name of one of a third zone that was here first', async () => {
    await using world = await createWorld()
    await connectClient(world)
    await generator(world, 'flat', { template: '{{ .DisplayName }}.mesh.local' })
    await foreign(world, 'zone-c', 'pay')
    const vip = vipOf(world, 'pay-zone-c')
    world.clock.advance(1000)
    await foreign(world, 'zone-b', 'pay')
    assert.deepEqual(records(world), { 'pay.mesh.local': [vip] })
    assert.deepEqual(hostnamesOf(world, 'pay-zone-b'), [])
    await world.remove('MeshService', 'pay-zone-c')
    assert.deepEqual(records(world), { 'pay.mesh.local': [vipOf(world, 'pay-zone-b')] })
  })

  it('labels that a zone chooses freely give it no name of another zone', async () => {
    await using world = await createWorld()
    await generator(world, 'a-by-label', { template: '{{ label "wanted" }}' })
    world.clock.advance(1000)
    await generator(world, 'b-by-zone', { template: '{{ .DisplayName }}.svc.{{ .Zone }}.mesh.local', labels: { team: 'pay' } })
    await foreign(world, 'zone-b', 'thief', { wanted: 'pay.svc.zone-c.mesh.local' })
    world.clock.advance(1000)
    await foreign(world, 'zone-c', 'pay', { team: 'pay', wanted: 'other.mesh.local' })
    assert.deepEqual(hostnamesOf(world, 'thief-zone-b'), [])
    assert.deepEqual(hostnamesOf(world, 'pay-zone-c'), ['other.mesh.local', 'pay.svc.zone-c.mesh.local'])
  })

  it('a generator with the name of another zone spelt out does not take it, of the zone or of global', async () => {
    for (const from of ['zone', 'global'] as const) {
      await using world = await createWorld()
      await connectClient(world)
      await own(world, 'pay')
      await generator(world, 'impostor', {
        from,
        template: '{{ .DisplayName }}.svc.zone-b.mesh.local',
        labels: { [labelKeys.origin]: 'zone' },
      })
      world.clock.advance(60_000)
      await generator(world, 'synced', {
        template: '{{ .DisplayName }}.svc.{{ .Zone }}.mesh.local',
        labels: { [labelKeys.origin]: 'global' },
      })
      await foreign(world, 'zone-b', 'pay')
      assert.deepEqual(records(world), { 'pay.svc.zone-b.mesh.local': [vipOf(world, 'pay-zone-b')] })
      assert.deepEqual(conditionsOf(world, 'pay'), ['Collision Hostname collision with MeshService: pay-zone-b'])
    }
  })

  it('a service of another zone takes no name of a destination of global', async () => {
    await using world = await createWorld()
    await generator(world, 'a-services', { template: '{{ .DisplayName }}.mesh.local' })
    await foreign(world, 'zone-b', 'pay')
    await foreign(world, 'zone-b', 'bank')
    world.clock.advance(1000)
    await generator(world, 'b-multi-zone', { kind: 'meshMultiZoneService', template: '{{ .DisplayName }}.mesh.local' })
    await generator(world, 'c-external', { kind: 'meshExternalService', template: '{{ .DisplayName }}.mesh.local' })
    const labels = { [labelKeys.origin]: 'global' }
    await world.put('MeshMultiZoneService', 'pay', {
      labels,
      spec: { selector: { meshService: { matchLabels: { app: 'pay' } } }, ports: [{ port: 80, name: 'http' }] },
    })
    await world.put('MeshExternalService', 'bank', { labels, spec: { match: { port: 443 } } })
    assert.deepEqual(hostnamesOf(world, 'pay', { type: 'MeshMultiZoneService' }), ['pay.mesh.local'])
    assert.deepEqual(hostnamesOf(world, 'bank', { type: 'MeshExternalService' }), ['bank.mesh.local'])
    assert.deepEqual(conditionsOf(world, 'pay-zone-b'), ['Collision Hostname collision with MeshMultiZoneService: pay'])
    assert.deepEqual(conditionsOf(world, 'bank-zone-b'), ['Collision Hostname collision with MeshExternalService: bank'])
  })

  it('an external service does not take the name of a service that had it, nor the other way round', async () => {
    await using world = await createWorld()
    const zone = { [labelKeys.origin]: 'zone' }
    await connectClient(world)
    await generator(world, 'z-services', { from: 'zone', template: '{{ .DisplayName }}.svc.mesh.local', labels: zone })
    await own(world, 'pay')
    const vip = vipOf(world, 'pay')
    world.clock.advance(1000)
    await generator(world, 'a-external', { kind: 'meshExternalService', from: 'zone', template: '{{ .DisplayName }}.svc.mesh.local' })
    await world.put('MeshExternalService', 'pay', { labels: zone, spec: { match: { port: 80 } } })
    assert.deepEqual(records(world), { 'pay.svc.mesh.local': [vip] })
    assert.deepEqual(conditionsOf(world, 'pay', 'MeshExternalService'), ['Collision Hostname collision with MeshService: pay'])
    await world.remove('HostnameGenerator', 'z-services', '')
    world.clock.advance(1000)
    assert.deepEqual(hostnamesOf(world, 'pay', { type: 'MeshExternalService' }), ['pay.svc.mesh.local'])
    await generator(world, 'z-services', { from: 'zone', template: '{{ .DisplayName }}.svc.mesh.local', labels: zone })
    assert.deepEqual(hostnamesOf(world, 'pay', { type: 'MeshExternalService' }), ['pay.svc.mesh.local'])
    assert.deepEqual(conditionsOf(world, 'pay'), ['Collision Hostname collision with MeshExternalService: pay'])
  })

  it('a mesh has its names for itself', async () => {
    await using world = await createWorld()
    await world.put('Mesh', 'other')
    await connectClient(world)
    await generator(world, 'flat', { template: '{{ .DisplayName }}.mesh.local' })
    await own(world, 'pay')
    const before = records(world)
    assert.deepEqual(Object.keys(before), ['pay.mesh.local'])
    await own(world, 'pay', 'other')
    assert.deepEqual(hostnamesOf(world, 'pay', { mesh: 'other' }), ['pay.mesh.local'])
    assert.deepEqual(records(world), before)
    assert.notEqual((world.get('MeshService', 'pay', 'other').status as { vips: { ip: string }[] }).vips[0]?.ip, vipOf(world, 'pay'))
  })

  it('a generator that came from another zone has no say', async () => {
    await using world = await createWorld()
    await own(world, 'pay')
    await world.put('HostnameGenerator', 'stray', {
      labels: { [labelKeys.origin]: 'global', [labelKeys.zone]: 'zone-b' },
      spec: hostnameGenerator('meshService', '{{ .DisplayName }}.mesh.local'),
    })
    assert.deepEqual(world.get('MeshService', 'pay').status, { vips: [{ ip: vipOf(world, 'pay') }], ...statusOfService })
  })

  it('an address in a status that no generator gave is taken away', async () => {
    await using world = await createWorld()
    await connectClient(world)
    await generator(world, 'flat', { template: '{{ .DisplayName }}.mesh.local', labels: { team: 'pay' } })
    await world.put('MeshService', 'pay', { labels: { [labelKeys.origin]: 'zone', team: 'pay' }, spec: { ports } })
    await world.put('MeshService', 'thief', {
      labels: { [labelKeys.origin]: 'zone' },
      spec: { ports },
      status: { addresses: [{ hostname: 'pay.mesh.local', origin: 'HostnameGenerator', hostnameGeneratorRef: { coreName: 'flat' } }] },
    })
    assert.deepEqual(hostnamesOf(world, 'thief'), [])
    assert.deepEqual(records(world), { 'pay.mesh.local': [vipOf(world, 'pay')] })
  })
})

describe('hostnames that collide', () => {
  it('are counted and logged once, until they no longer do', async () => {
    const { log, lines } = recordingLog()
    const metrics = createMetrics()
    const figures = async () => {
      const { text } = await metrics.expose()
      return text.split('\n').filter((line) => line.startsWith('hostname_collisions'))
    }
    await using world = await createWorld({ log, metrics })
    await generator(world, 'flat', { template: '{{ .DisplayName }}.mesh.local' })
    await own(world, 'pay')
    await foreign(world, 'zone-b', 'pay')
    await foreign(world, 'zone-b', 'pay', { version: '2' })
    await own(world, 'unrelated')
    const line = {
      type: 'MeshService',
      mesh: 'default',
      name: 'pay-zone-b',
      hostname: 'pay.mesh.local',
      generator: 'flat',
      holderType: 'MeshService',
      holder: 'pay',
    }
    assert.deepEqual(lines, [line])
    assert.deepEqual(await figures(), ['hostname_collisions_total{type="MeshService"} 1', 'hostname_collisions_count 1'])
    await world.remove('MeshService', 'pay')
    assert.deepEqual(await figures(), ['hostname_collisions_total{type="MeshService"} 1', 'hostname_collisions_count 0'])
    await own(world, 'pay')
    assert.deepEqual(lines, [line, line])
    assert.deepEqual(await figures(), ['hostname_collisions_total{type="MeshService"} 2', 'hostname_collisions_count 1'])
  })

  it('are many at once in a few lines', async () => {
    const { log, lines } = recordingLog()
    await using world = await createWorld({ log })
    await generator(world, 'flat', { template: 'pay.mesh.local', labels: { team: 'pay' } })
    await own(world, 'pay')
    for (let i = 0; i < 30; i++) await foreign(world, 'zone-b', `pay-${i}`)
    await generator(world, 'flat', { template: 'pay.mesh.local' })
    assert.equal(lines.length, 11)
    assert.deepEqual(lines.at(-1), { count: 20 })
  })
})

/** The status a service without proxies has. */
const statusOfService = {
  tls: { status: 'NotReady' },
  dataplaneProxies: { connected: 0, healthy: 0, total: 0 },
}

function recordingLog(): { readonly log: Logger; readonly lines: unknown[] } {
  const lines: unknown[] = []
  const log: Logger = { ...silentLogger, warn: (fields: unknown) => void lines.push(fields), child: () => log }
  return { log, lines }
}
