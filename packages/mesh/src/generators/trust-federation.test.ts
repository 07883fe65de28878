import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createMeshCa } from '@weft/identity'
import { labelKeys } from '@weft/resources'
import { createWorld, type World } from '../world.fixture.ts'
import { approveTrust, revokeTrust } from './trust-approvals.ts'

const global = { settings: { mode: 'global', zone: '' } } as const

async function caPem(domain: string): Promise<string> {
  return (await createMeshCa({ trustDomain: domain, now: Date.UTC(2026, 0, 1) })).certificatePem
}

const zoneLabels = (zone: string) => ({ [labelKeys.origin]: 'zone', [labelKeys.zone]: zone })
const trustOf = (domain: string, ...pems: readonly string[]) => ({
  trustDomain: domain,
  caBundles: pems.map((value) => ({ type: 'Pem', pem: { value } })),
})
const published = (world: World) =>
  world.store.list('MeshTrust').filter((trust) => trust.labels[labelKeys.managedBy] === 'trust-federation')

const refusals = (world: World) =>
  [...(world.mesh.trustVerdicts?.entries() ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { refusal }]) => refusal)

async function advance(world: World, ms: number): Promise<void> {
  world.clock.advance(ms)
  await world.mesh.settled()
}

async function globalWorld(): Promise<World> {
  const world = await createWorld(global)
  await world.put('Zone', 'zone-a')
  await world.put('Zone', 'zone-b')
  await world.put('MeshIdentity', 'mid1', {
    labels: { [labelKeys.origin]: 'global' },
    spec: { selector: { dataplane: { matchLabels: {} } } },
  })
  return world
}

describe('trust federation', () => {
  it('publishes the own domain of a zone, with the bundles of all its trusts, until they are gone', async () => {
    await using world = await globalWorld()
    const domain = 'default.zone-a.mesh.local'
    const [one, two] = [await caPem(domain), await caPem(domain)]
    await world.put('MeshTrust', 'mid1-hash-a', { labels: zoneLabels('zone-a'), spec: trustOf(domain, one) })
    const [first] = published(world)
    assert.equal(published(world).length, 1)
    assert.equal(first?.labels[labelKeys.origin], 'global')
    assert.equal(first.labels[labelKeys.zone], undefined)
    assert.deepEqual(first.spec, trustOf(domain, one.trim()))
    await world.put('MeshTrust', 'other-hash-a', { labels: zoneLabels('zone-a'), spec: trustOf(domain, two, one) })
    assert.equal(published(world)[0]?.name, first.name)
    assert.deepEqual(published(world)[0]?.spec, trustOf(domain, ...[one.trim(), two.trim()].sort()))
    await world.remove('MeshTrust', 'mid1-hash-a')
    assert.deepEqual(published(world)[0]?.spec, trustOf(domain, ...[one.trim(), two.trim()].sort()))
    await world.remove('MeshTrust', 'other-hash-a')
    // proxies that still drain connections to the zone need it
    assert.equal(published(world).length, 1)
    await advance(world, 59_000)
    assert.equal(published(world).length, 1)
    await advance(world, 1_000)
    assert.deepEqual(published(world), [])
  })

  it('keeps what comes back in time', async () => {
    await using world = await globalWorld()
    const domain = 'default.zone-a.mesh.local'
    const spec = trustOf(domain, await caPem(domain))
    await world.put('MeshTrust', 'mid1-hash-a', { labels: zoneLabels('zone-a'), spec })
    await world.remove('MeshTrust', 'mid1-hash-a')
    await advance(world, 59_000)
    await world.put('MeshTrust', 'mid1-hash-a', { labels: zoneLabels('zone-a'), spec })
    await advance(world, 600_000)
    assert.equal(published(world).length, 1)
  })

  it('withdraws the trust of a disabled zone once none of its proxies is connected, and gives it back', async () => {
    await using world = await globalWorld()
    const domain = 'default.zone-a.mesh.local'
    await world.put('MeshTrust', 'mid1-hash-a', { labels: zoneLabels('zone-a'), spec: trustOf(domain, await caPem(domain)) })
    const insight = async (name: string, zone: string, isOnline: boolean): Promise<void> =>
      world.put('DataplaneInsight', name, {
        labels: zoneLabels(zone),
        spec: { subscriptions: [{ connectTime: '2026-01-01T00:00:00Z', ...(isOnline ? {} : { disconnectTime: '2026-01-02T00:00:00Z' }) }] },
      })
    await insight('web-a', 'zone-a', true)
    await insight('web-b', 'zone-b', true)
    await world.put('Zone', 'zone-a', { spec: { enabled: false } })
    await advance(world, 600_000)
    // what its proxies present must be accepted as long as they call
    assert.equal(published(world).length, 1)
    await insight('web-a', 'zone-a', false)
    assert.deepEqual(refusals(world), ['zone-disabled'])
    await advance(world, 60_000)
    assert.deepEqual(published(world), [])
    await world.put('Zone', 'zone-a', { spec: { enabled: true } })
    assert.equal(published(world).length, 1)
  })

  it('publishes a domain that several zones have only for the zones an operator approved', async () => {
    await using world = await createWorld(global)
    await world.put('Zone', 'zone-a')
    await world.put('Zone', 'zone-b')
    await world.put('MeshIdentity', 'mid1', {
      labels: { [labelKeys.origin]: 'global' },
      spec: { spiffeID: { trustDomain: 'corp.example' } },
    })
    const spec = async (): Promise<unknown> => trustOf('corp.example', await caPem('corp.example'))
    await world.put('MeshTrust', 'mid1-a', { labels: zoneLabels('zone-a'), spec: await spec() })
    await world.put('MeshTrust', 'mid1-b', { labels: zoneLabels('zone-b'), spec: await spec() })
    assert.deepEqual(refusals(world), ['needs-approval', 'needs-approval'])
    assert.deepEqual(published(world), [])
    const approval = { mesh: 'default', zone: 'zone-a', trustDomain: 'corp.example' }
    const context = { actor: 'user:test', reason: 'api', class: 'desired' } as const
    await world.store.transact([approveTrust(approval, world.get('Zone', 'zone-a', '').creationTime)], context)
    await world.mesh.settled()
    assert.deepEqual(refusals(world), [undefined, 'needs-approval'])
    assert.equal(published(world).length, 1)
    // a zone made anew under the old name is another zone
    await world.remove('Zone', 'zone-a', '')
    await advance(world, 1_000)
    await world.put('Zone', 'zone-a')
    assert.deepEqual(refusals(world), ['needs-approval', 'needs-approval'])
    assert.deepEqual(published(world), [])
    await world.store.transact([approveTrust(approval, world.get('Zone', 'zone-a', '').creationTime)], context)
    await world.mesh.settled()
    assert.equal(published(world).length, 1)
    await world.store.transact([revokeTrust(approval)], context)
    await world.mesh.settled()
    assert.deepEqual(published(world), [])
    // no approval lets a zone speak for a domain that names another one
    await world.store.transact(
      [approveTrust({ ...approval, trustDomain: 'default.zone-b.mesh.local' }, world.get('Zone', 'zone-a', '').creationTime)],
      context,
    )
    await world.put('MeshIdentity', 'default', { labels: { [labelKeys.origin]: 'global' }, spec: {} })
    await world.put('MeshTrust', 'mid1-a', { labels: zoneLabels('zone-a'), spec: trustOf('default.zone-b.mesh.local', await caPem('x')) })
    assert.deepEqual(refusals(world), ['foreign-domain', 'needs-approval'])
    assert.deepEqual(published(world), [])
  })

  it('never lets a zone speak for another one', async () => {
    await using world = await globalWorld()
    const refuse = async (name: string, zone: string, domain: string): Promise<void> => {
      await world.put('MeshTrust', name, { labels: zoneLabels(zone), spec: trustOf(domain, await caPem(domain)) })
      assert.deepEqual(published(world), [], `${zone} must not publish ${domain}`)
    }
    await refuse('forged', 'zone-b', 'default.zone-a.mesh.local')
    await refuse('elsewhere', 'zone-b', 'default.zone-c.mesh.local')
    // an identity of the zone's own making proves nothing about a domain that does not name the zone
    await world.put('MeshIdentity', 'own', {
      labels: zoneLabels('zone-b'),
      spec: { spiffeID: { trustDomain: 'default.zone-a.mesh.local' } },
    })
    await refuse('forged', 'zone-b', 'default.zone-a.mesh.local')
    await world.put('MeshIdentity', 'own', { labels: zoneLabels('zone-b'), spec: { spiffeID: { trustDomain: 'example.com' } } })
    await refuse('literal', 'zone-b', 'example.com')
    // a zone whose name is part of another one's domain
    await world.put('Zone', 'a')
    await world.put('MeshIdentity', 'own', {
      labels: zoneLabels('a'),
      spec: { spiffeID: { trustDomain: 'default.zone-{{ .Zone }}.mesh.local' } },
    })
    await refuse('tricky', 'a', 'default.zone-a.mesh.local')
  })

  it("takes a domain of the zone's own identity when it names the zone and nobody else renders it", async () => {
    await using world = await globalWorld()
    await world.put('MeshIdentity', 'own', { labels: zoneLabels('zone-b'), spec: { spiffeID: { trustDomain: '{{ .Zone }}.example.com' } } })
    const domain = 'zone-b.example.com'
    await world.put('MeshTrust', 'own', { labels: zoneLabels('zone-b'), spec: trustOf(domain, await caPem(domain)) })
    assert.equal(published(world).length, 1)
    assert.deepEqual(
      published(world).map((trust) => (trust.spec as { trustDomain: string }).trustDomain),
      [domain],
    )
  })

  it('is off by a label of the mesh, and takes no garbage', async () => {
    await using world = await globalWorld()
    const domain = 'default.zone-a.mesh.local'
    const garbage = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'
    await world.put('MeshTrust', 'a', { labels: zoneLabels('zone-a'), spec: trustOf(domain, garbage) })
    assert.deepEqual(published(world), [])
    await world.put('MeshTrust', 'a', { labels: zoneLabels('zone-a'), spec: trustOf(domain, await caPem(domain), garbage) })
    assert.deepEqual(
      published(world).map((trust) => (trust.spec as { caBundles: unknown[] }).caBundles.length),
      [1],
    )
    await world.put('Mesh', 'default', { labels: { [labelKeys.trustFederation]: 'disabled' } })
    assert.deepEqual(published(world), [])
    await world.put('Mesh', 'default')
    assert.equal(published(world).length, 1)
  })

  it('does nothing in a zone, and global generates nothing else', async () => {
    await using zone = await createWorld()
    const domain = 'default.zone-a.mesh.local'
    await zone.put('MeshIdentity', 'mid1', { labels: { [labelKeys.origin]: 'global' }, spec: {} })
    await zone.put('MeshTrust', 'a', { labels: zoneLabels('zone-a'), spec: trustOf(domain, await caPem(domain)) })
    assert.deepEqual(published(zone), [])
    await using world = await globalWorld()
    await world.put('Dataplane', 'dp', {
      labels: { ...zoneLabels('zone-a'), [labelKeys.workload]: 'w' },
      spec: { networking: { address: '10.0.0.1', inbound: [{ port: 1 }] } },
    })
    await world.put('MeshService', 'w', { labels: zoneLabels('zone-a'), spec: { ports: [{ port: 1 }] } })
    assert.deepEqual(world.generated, [])
    assert.deepEqual(world.graph.errors(), [])
  })
})
