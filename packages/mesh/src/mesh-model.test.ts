// Random histories against a control plane that starts fresh on what they left in the store: same facts, and nothing to write.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ProxyFacts } from '@weft/facts'
import { matchPolicies } from '@weft/policy'
import { labelKeys } from '@weft/resources'
import fc from 'fast-check'
import { policyView } from './index.ts'
import { createWorld, hostnameGenerator, readyIdentity, testPolicy, transparentProxy, type World } from './world.fixture.ts'

const names = ['a', 'b', 'c', 'd'] as const
const name = fc.constantFrom(...names)
const workload = fc.constantFrom('red', 'blue', undefined)

type Step = (world: World) => Promise<void>

const steps: fc.Arbitrary<{ readonly text: string; readonly run: Step }> = fc.oneof(
  fc
    .record({
      name,
      workload,
      port: fc.integer({ min: 80, max: 82 }),
      isReady: fc.boolean(),
      isTransparent: fc.boolean(),
      isZoneProxy: fc.boolean(),
    })
    .map((v) => ({
      text: `dataplane ${JSON.stringify(v)}`,
      run: async (world: World) => {
        const networking = {
          ...(v.isZoneProxy
            ? {
                listeners: [
                  { type: 'ZoneIngress', port: 1000 },
                  { type: 'ZoneEgress', port: 1001 },
                ],
              }
            : {}),
          outbound: [{ port: 5000, backendRef: { kind: 'MeshService', name: 'red', port: 80 } }],
          ...(v.isTransparent ? { transparentProxying: { redirectPortOutbound: 15001 } } : {}),
        }
        const ports = [{ port: v.port, name: 'main', state: v.isReady ? 'Ready' : 'NotReady' }] as const
        await world.dataplane(v.name, {
          address: `10.0.0.${names.indexOf(v.name) + 1}`,
          ports,
          networking,
          ...(v.workload === undefined ? {} : { workload: v.workload }),
        })
      },
    })),
  name.map((n) => ({
    text: `remove dataplane ${n}`,
    run: (world: World) => (world.find('Dataplane', n) ? world.remove('Dataplane', n) : Promise.resolve()),
  })),
  fc.record({ name, kind: fc.constantFrom('Mesh', 'Dataplane', 'Nonsense'), workload: fc.constantFrom('red', 'blue') }).map((v) => ({
    text: `policy ${JSON.stringify(v)}`,
    run: (world: World) =>
      world.put('MeshTimeout', v.name, {
        spec: { targetRef: v.kind === 'Dataplane' ? { kind: v.kind, labels: { [labelKeys.workload]: v.workload } } : { kind: v.kind } },
      }),
  })),
  name.map((n) => ({
    text: `remove policy ${n}`,
    run: (world: World) => (world.find('MeshTimeout', n) ? world.remove('MeshTimeout', n) : Promise.resolve()),
  })),
  fc.record({ name, zone: fc.constantFrom('zone-b', 'zone-c'), state: fc.constantFrom('Available', 'Unavailable') }).map((v) => ({
    text: `remote ${JSON.stringify(v)}`,
    run: (world: World) =>
      world.put('MeshService', `${v.name}-${v.zone}`, {
        labels: { [labelKeys.origin]: 'global', [labelKeys.zone]: v.zone, [labelKeys.displayName]: v.name, app: 'x' },
        spec: { state: v.state, ports: [{ port: 80, name: 'main', appProtocol: 'tcp' }] },
      }),
  })),
  fc.constantFrom('zone-b', 'zone-c').map((zone) => ({
    text: `zone address ${zone}`,
    run: (world: World) =>
      world.put('MeshZoneAddress', zone, {
        labels: { [labelKeys.origin]: 'global', [labelKeys.zone]: zone },
        spec: { address: '192.0.2.1', port: 10001 },
      }),
  })),
  fc.record({ zone: fc.constantFrom('zone-b', 'zone-c'), action: fc.constantFrom('deprioritize', 'withdraw', undefined) }).map((v) => ({
    text: `reachability ${JSON.stringify(v)}`,
    run: async (world: World) => {
      const { zone, action } = v
      world.graph.transact('probe', () => {
        if (action === undefined) world.mesh.zoneReachability.delete(`default/${zone}`)
        else world.mesh.zoneReachability.set(`default/${zone}`, { action, unreachable: ['192.0.2.1 10001'] })
      })
    },
  })),
  fc.boolean().map((isThere) => ({
    text: `identity ${isThere}`,
    run: async (world: World) => {
      if (isThere) await world.put('MeshIdentity', 'mid', readyIdentity)
      else if (world.find('MeshIdentity', 'mid')) await world.remove('MeshIdentity', 'mid')
    },
  })),
  fc.constant({
    text: 'multi-zone and external service',
    run: async (world: World) => {
      await world.put('MeshMultiZoneService', 'mz', {
        labels: { [labelKeys.origin]: 'global' },
        spec: { selector: { meshService: { matchLabels: { app: 'x' } } }, ports: [{ port: 80, name: 'main', appProtocol: 'tcp' }] },
      })
      await world.put('MeshExternalService', 'ext', { spec: { match: { port: 443, protocol: 'tcp' } } })
    },
  }),
  fc.constantFrom('{{ .DisplayName }}.svc', 'fixed.svc', '{{ label "none" }}').map((template) => ({
    text: `hostname ${template}`,
    run: (world: World) => world.put('HostnameGenerator', 'gen', { spec: hostnameGenerator('meshService', template) }),
  })),
  fc.constant({
    text: 'time passes',
    run: async (world: World) => {
      world.clock.advance(3_600_001)
      await world.mesh.settled()
    },
  }),
)

/** Policies by name and version: ids of policy sets differ between processes. */
function printable(facts: ProxyFacts): unknown {
  return { ...facts, policies: [...facts.policies.byType].map(([type, list]) => [type, list.map((policy) => [policy.name, policy.spec])]) }
}

const content = (collection: { entries(): Iterable<[string, unknown]> }): unknown =>
  new Map([...collection.entries()].sort(([a], [b]) => (a < b ? -1 : 1)))

describe('mesh against a fresh start', () => {
  it('reaches the same facts by any history, and a fresh start writes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 25 }), async (history) => {
        await using world = await createWorld()
        for (const each of names) world.connect(each, each === 'a' ? { transparentProxy } : {})
        for (const step of history) await step.run(world)
        assert.deepEqual(world.graph.errors(), [], history.map((step) => step.text).join('\n'))
        assert.deepEqual(world.graph.audit(), [])
        const { seq } = world.store
        const fresh = await createWorld({ store: world.store, clock: world.clock })
        fresh.graph.transact('probe', () => {
          for (const [key, fact] of world.mesh.zoneReachability.entries()) fresh.mesh.zoneReachability.set(key, fact)
        })
        for (const each of names) fresh.connect(each, each === 'a' ? { transparentProxy } : {})
        await fresh.mesh.settled()
        assert.equal(world.store.seq, seq, JSON.stringify(fresh.generated))
        for (const view of ['loadAssignments', 'ingressAssignments', 'destinations', 'trust', 'identities'] as const) {
          assert.deepEqual(content(world.mesh[view]), content(fresh.mesh[view]), view)
        }
        for (const [key, facts] of fresh.mesh.proxyFacts.entries()) {
          const held = world.mesh.proxyFacts.get(key)
          assert.ok(held)
          assert.deepEqual(printable(held), printable(facts))
          const dataplane = world.mesh.dataplanes.get(key)
          assert.ok(dataplane)
          const expected = matchPolicies(world.store.list(testPolicy.type, 'default'), policyView(dataplane))
          assert.deepEqual(
            (held.policies.byType.get(testPolicy.type) ?? []).map((policy) => policy.name),
            expected.map((policy) => policy.name),
          )
        }
        assert.equal(world.mesh.proxyFacts.size, fresh.mesh.proxyFacts.size)
        await fresh.mesh.stop()
      }),
      { numRuns: 60 },
    )
  })
})
