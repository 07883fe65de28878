import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { labelKeys } from '@weft/resources'
import type { MeshSettings } from './settings.ts'
import { createWorld, readyIdentity } from './world.fixture.ts'

describe('mesh facts at global', () => {
  it('makes the facts of a dataplane of any zone when asked, as that zone has them', async () => {
    const labels = { [labelKeys.origin]: 'zone', [labelKeys.zone]: 'zone-a', [labelKeys.workload]: 'backend' }
    const spec = { networking: { address: '10.0.0.1', inbound: [{ port: 8080, name: 'http', protocol: 'http', state: 'NotReady' }] } }
    const factsIn = async (settings: Partial<MeshSettings>) => {
      await using world = await createWorld({ settings })
      await world.put('MeshIdentity', 'mid', readyIdentity)
      await world.put('Dataplane', 'backend-1', { labels, spec })
      const key = 'default/backend-1'
      const { dataplanes, dataplaneHealth, identities } = world.mesh
      return { fact: dataplanes.get(key), health: dataplaneHealth.get(key), identity: identities.get(key), size: dataplanes.size }
    }
    const [zone, global] = [await factsIn({ zone: 'zone-a' }), await factsIn({ mode: 'global', zone: '' })]
    assert.deepEqual([zone.fact?.workload, zone.health?.inbounds, zone.size], ['backend', [false], 1])
    assert.deepEqual({ ...global, identity: undefined }, { ...zone, identity: undefined })
    // a template that names the zone is rendered with the zone of the control plane
    assert.deepEqual([zone.identity?.kri, global.identity?.kri], [zone.identity?.kri, zone.identity?.kri])
    assert.ok(zone.identity)
  })

  it('tells of changes and of what is gone', async () => {
    await using world = await createWorld({ settings: { mode: 'global', zone: '' } })
    const seen: (readonly [string | undefined, string | undefined])[] = []
    world.mesh.dataplanes.onCommit((changes) =>
      seen.push(...changes.map(({ before, after }) => [before?.address, after?.address] as const)),
    )
    const at = (address: string) => ({ spec: { networking: { address } } })
    await world.put('Dataplane', 'one', at('10.0.0.1'))
    await world.put('Dataplane', 'one', at('10.0.0.2'))
    await world.remove('Dataplane', 'one')
    assert.deepEqual(seen, [
      [undefined, '10.0.0.1'],
      ['10.0.0.1', '10.0.0.2'],
      ['10.0.0.2', undefined],
    ])
    assert.equal(world.mesh.dataplanes.get('default/one'), undefined)
  })
})
