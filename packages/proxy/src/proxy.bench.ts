// Cost of building snapshots: 1,000 proxies with 200 outbounds each. Run it with node; prints one line per figure, CPU milliseconds.
import type { EndpointFact, ProxyFacts } from '@weft/facts'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { destinationLookup } from '@weft/policy'
import { createProxyBuilder } from './builder.ts'
import {
  sampleDestination,
  sampleFacts,
  sampleIdentity,
  sampleInbound,
  sampleMetadata,
  sampleOutbound,
  samplePolicies,
  samplePolicy,
  sampleRedirect,
  sampleTrust,
} from './testing/sample-facts.ts'

const proxyCount = 1_000
const outboundCount = 200
const endpointCount = 1_000

const destinations = Array.from({ length: outboundCount }, (_, index) => sampleDestination(`svc-${index}`, { vips: [`241.0.1.${index}`] }))
const lookup = destinationLookup(destinations)
const policies = samplePolicies(
  samplePolicy('MeshTimeout', 't', { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '3s' } }] }),
  samplePolicy('MeshRetry', 'r', { to: [{ targetRef: { kind: 'Mesh' }, default: { http: { numRetries: 5 } } }] }),
)
const trust = sampleTrust()
const proxies = Array.from(
  { length: proxyCount },
  (_, index): ProxyFacts =>
    sampleFacts(`p-${index}`, {
      outbounds: destinations.map((destination) => sampleOutbound(destination)),
      policies,
      identity: sampleIdentity(`p-${index}`),
      trust,
      proxy: sampleMetadata({ transparentProxy: sampleRedirect }),
      inbounds: [sampleInbound()],
    }),
)

function endpointsOf(seed: number): EndpointFact[] {
  const metadata = { app: 'backend', version: 'v1', 'kuma.io/zone': 'zone-1' }
  return Array.from({ length: endpointCount }, (_, index) => ({
    address: `10.${seed}.${index >> 8}.${index & 255}`,
    port: 8080,
    zone: 'zone-1',
    priority: 0,
    weight: 1,
    health: 'HEALTHY',
    metadata,
  }))
}

function measure(label: string, times: number, run: () => void): void {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  const ms = (user + system) / 1000
  process.stdout.write(`${label}: ${ms.toFixed(1)} ms CPU, ${(ms / times).toFixed(3)} ms each\n`)
}

const builder = createProxyBuilder({
  log: silentLogger,
  metrics: createMetrics(),
  destinations: () => lookup,
  adminCertificate: () => undefined,
})
const [first] = proxies
if (first === undefined) throw new Error('no proxies')
const rest = proxies.slice(1)

measure('load assignments, empty', outboundCount, () => {
  for (const { id } of destinations) builder.setLoadAssignment({ id, endpoints: [] })
})
measure('first proxy, everything encoded', 1, () => builder.build(first))
const heapBefore = process.memoryUsage().heapUsed
measure('other proxies, first build, nothing shared anew', rest.length, () => {
  for (const facts of rest) builder.build(facts)
})
process.stdout.write(
  `heap per proxy: ${Math.round((process.memoryUsage().heapUsed - heapBefore) / rest.length / 1024)} KiB before collection\n`,
)
measure('all proxies again, same facts', proxyCount, () => {
  for (const facts of proxies) builder.build(facts)
})
measure('all proxies again, one outbound fewer', proxyCount, () => {
  for (const facts of proxies) builder.build({ ...facts, outbounds: facts.outbounds.slice(1) })
})
const strict = samplePolicies(
  samplePolicy('MeshTimeout', 't', { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '4s' } }] }),
)
measure('mesh-wide policy edit', proxyCount, () => {
  for (const facts of proxies) builder.build({ ...facts, policies: strict })
})
// proxies that may call the same share their list, as the mesh's facts have it
const alike = proxies.map((facts): ProxyFacts => ({ ...facts, outbounds: first.outbounds }))
for (const facts of alike) builder.build({ ...facts, policies: strict })
measure('mesh-wide policy edit, outbounds shared', proxyCount, () => {
  for (const facts of alike) builder.build(facts)
})
const [target] = destinations
if (target === undefined) throw new Error('no destinations')
const endpoints = endpointsOf(1)
measure(`load assignment of ${endpointCount} new endpoints`, 1, () => builder.setLoadAssignment({ id: target.id, endpoints }))
measure('one endpoint of it replaced', 100, () => {
  for (let round = 0; round < 100; round++) {
    const changed = endpoints.slice()
    const one = endpoints[round]
    if (one !== undefined) changed[round] = { ...one, port: 9000 + round }
    builder.setLoadAssignment({ id: target.id, endpoints: changed })
  }
})
