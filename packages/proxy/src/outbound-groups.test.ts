import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { OutboundFact, PolicySet, ProxyFacts } from '@weft/facts'
import { destinationLookup } from '@weft/policy'
import { traitsOf } from './features.ts'
import { createLoadAssignments } from './load-assignments.ts'
import { createOutboundGroups, type OutboundGroup } from './outbound-groups.ts'
import { createSharedOutbounds } from './shared-outbounds.ts'
import {
  sampleDestination,
  sampleFacts,
  sampleIdentity,
  sampleMetadata,
  sampleOutbound,
  samplePolicies,
  samplePolicy,
  sampleRedirect,
} from './testing/sample-facts.ts'

const destinations = ['a', 'b', 'c'].map((name) => sampleDestination(name))
const outbounds: readonly OutboundFact[] = destinations.map((destination) => sampleOutbound(destination))
const lookup = destinationLookup(destinations)
const toMesh = (conf: object) => ({ to: [{ targetRef: { kind: 'Mesh' }, default: conf }] })

function world(): (facts: ProxyFacts, seenBy?: typeof lookup) => OutboundGroup {
  const groups = createOutboundGroups(
    createSharedOutbounds(() => {}),
    createLoadAssignments(() => {}),
  )
  return (facts, seenBy = lookup) => groups.of(facts, traitsOf(facts), seenBy)
}

function proxy(name: string, policies: PolicySet, override: Partial<ProxyFacts> = {}): ProxyFacts {
  return sampleFacts(name, {
    outbounds,
    policies,
    identity: sampleIdentity(name),
    proxy: sampleMetadata({ transparentProxy: sampleRedirect }),
    ...override,
  })
}

describe('groups of outbounds', () => {
  test('proxies with equal outbounds, policies and ways to reach them have the same', () => {
    const groupOf = world()
    const policies = samplePolicies(samplePolicy('MeshTimeout', 't', toMesh({ connectionTimeout: '1s' })))
    const first = groupOf(proxy('p-1', policies))
    assert.equal(groupOf(proxy('p-2', policies, { labels: { app: 'other' } })), first)
    assert.deepEqual(
      [...first.clusters.keys()],
      destinations.map(({ id }) => id),
    )
    assert.deepEqual(
      [...first.listeners.keys()],
      destinations.map(({ id }) => id),
    )
    assert.deepEqual(
      first.named.names,
      destinations.map(({ id }) => id),
    )
    for (const other of [
      proxy('p-3', policies, { identity: undefined }),
      proxy('p-3', policies, { proxy: sampleMetadata() }),
      proxy('p-3', policies, {
        proxy: sampleMetadata({ transparentProxy: sampleRedirect, ipv6Enabled: !proxy('p', policies).proxy.ipv6Enabled }),
      }),
      proxy('p-3', samplePolicies()),
      proxy('p-3', policies, { outbounds: outbounds.slice(1) }),
    ]) {
      assert.notEqual(groupOf(other), first)
    }
  })

  test('a change of destinations elsewhere leaves them as they are', () => {
    const groupOf = world()
    const policies = samplePolicies()
    const first = groupOf(proxy('p-1', policies))
    assert.equal(groupOf(proxy('p-1', policies), destinationLookup([...destinations, sampleDestination('d')])), first)
  })

  test('a proxy that shows in its outbounds has its own', () => {
    const showing = [
      samplePolicy('MeshAccessLog', 'l', toMesh({ backends: [{ type: 'File', file: { path: '/dev/stdout' } }] })),
      samplePolicy('MeshHealthCheck', 'h', toMesh({ interval: '1s', http: { path: '/' } })),
      samplePolicy(
        'MeshLoadBalancingStrategy',
        'b',
        toMesh({ localityAwareness: { localZone: { affinityTags: [{ key: 'rack', weight: 9 }] } } }),
      ),
    ]
    for (const policy of showing) {
      const groupOf = world()
      const policies = samplePolicies(policy)
      const [one, two] = ['1', '2'].map((rack) => groupOf(proxy(`p-${rack}`, policies, { labels: { rack } })))
      assert.ok(one && two)
      const differs = (['clusters', 'endpoints', 'listeners'] as const).filter((part) =>
        [...one[part]].some(([name, cell]) => two[part].get(name) !== cell),
      )
      assert.equal(differs.length, 1, `${policy.type}: ${differs.join()}`)
    }
  })

  test('what cannot be built is named, so that its proxy keeps what it has', () => {
    const groupOf = world()
    const broken = sampleDestination('x', { sni: undefined })
    const { missing, clusters, named, problems } = groupOf(proxy('p-1', samplePolicies(), { outbounds: [sampleOutbound(broken)] }))
    assert.deepEqual(missing, [{ type: 'cluster', name: broken.id }])
    assert.equal(clusters.size, 0)
    assert.deepEqual(named.names, [broken.id])
    assert.equal(problems.length, 1)
  })
})
