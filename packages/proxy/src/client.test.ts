import type { ProxyFacts } from '@weft/facts'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { destinationLookup } from '@weft/policy'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createProxyBuilder } from './builder.ts'
import { sampleDestination, sampleFacts, sampleOutbound, samplePolicies, samplePolicy } from './testing/sample-facts.ts'

const destination = sampleDestination('backend')
const outbounds = [sampleOutbound(destination)]
const toAll = (conf: object): object => ({ to: [{ targetRef: { kind: 'Mesh' }, default: conf }] })
const policiesOf = (type: string, conf: object) => samplePolicies(samplePolicy(type, 'p', toAll(conf)))

/** The cells of the destination that clients with these labels and one policy are served. */
function cellsOf(type: string, conf: object, ...clients: readonly Readonly<Record<string, string>>[]) {
  const lookup = destinationLookup([destination])
  const builder = createProxyBuilder({
    log: silentLogger,
    metrics: createMetrics(),
    destinations: () => lookup,
    adminCertificate: () => undefined,
  })
  builder.setLoadAssignment({ id: destination.id, endpoints: [] })
  const policies = policiesOf(type, conf)
  return clients.map((labels, index) => {
    const facts: ProxyFacts = { ...sampleFacts(`client-${index}`, { outbounds, policies }), labels }
    const snapshot = builder.build(facts)
    return { cluster: snapshot.cluster.get(destination.id), endpoint: snapshot.endpoint.get(destination.id) }
  })
}

describe('what outbound resources depend on of a client', () => {
  test('the value of an affinity label, and no other label, tells load assignments apart', () => {
    const localityAwareness = { localZone: { affinityTags: [{ key: 'rack' }] } }
    const [a, b, c] = cellsOf('MeshLoadBalancingStrategy', { localityAwareness }, { rack: '1', x: 'y' }, { rack: '1' }, { rack: '2' })
    assert.ok(a?.endpoint)
    assert.equal(a.endpoint, b?.endpoint)
    assert.notEqual(a.endpoint, c?.endpoint)
    assert.equal(a.cluster, c?.cluster)
  })

  test('the labels tell clusters apart only when a check shows them', () => {
    const [a, b] = cellsOf('MeshHealthCheck', { http: {} }, { rack: '1' }, { rack: '2' })
    assert.ok(a?.cluster)
    assert.notEqual(a.cluster, b?.cluster)
    assert.equal(a.endpoint, b?.endpoint)
    const [c, d] = cellsOf('MeshHealthCheck', { http: { disabled: true }, tcp: {} }, { rack: '1' }, { rack: '2' })
    assert.equal(c?.cluster, d?.cluster)
  })
})
