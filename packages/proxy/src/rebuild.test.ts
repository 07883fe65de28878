// A builder makes anew only what a change can concern. Whatever changes, what it comes to must be what a builder that knows nothing makes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicySet, ProxyFacts } from '@weft/facts'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { destinationLookup } from '@weft/policy'
import type { ProxySnapshot } from '@weft/xds'
import fc from 'fast-check'
import { createProxyBuilder, type ProxyBuilder } from './builder.ts'
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

const destinations = ['a', 'b', 'c', 'd'].map((name, index) => sampleDestination(name, { vips: [`241.0.0.${index}`] }))
const outbounds = destinations.map((destination) => sampleOutbound(destination))
const lookup = destinationLookup(destinations)
const external = sampleDestination('ext', { kind: 'MeshExternalService', protocol: 'tcp' })
const target = { destination: external, endpoints: [{ address: '10.9.0.1', port: 443, priority: 0 }], tls: undefined, problem: undefined }
const certificate = { certificatePem: 'certificate', keyPem: 'key', clientCaPem: 'ca' }

const metrics = createMetrics()
function newBuilder(): ProxyBuilder {
  const builder = createProxyBuilder({ log: silentLogger, metrics, destinations: () => lookup, adminCertificate: () => certificate })
  for (const { id } of [...destinations, external]) builder.setLoadAssignment({ id, endpoints: [] })
  return builder
}

const toMesh = (conf: object): object => ({ to: [{ targetRef: { kind: 'Mesh' }, default: conf }] })
const rules = (conf: object): object => ({ rules: [{ default: conf }] })
const collectors = ['one', 'two'].map((name, index): ProxyFacts['telemetryBackends'][number] => ({
  name,
  labels: { 'kuma.io/display-name': name },
  creationTime: '2026-01-01T00:00:00Z',
  address: `10.8.0.${index}`,
  port: 4317,
  path: '',
  protocol: 'grpc',
  env: undefined,
}))
function logsTo(collector: string): object {
  const backendRef = { kind: 'MeshOpenTelemetryBackend', labels: { 'kuma.io/display-name': collector } }
  return { backends: [{ type: 'OpenTelemetry', openTelemetry: { backendRef } }] }
}
/** Pairs of specs: each kind has no policy, the first or the second. */
const kinds: readonly (readonly [string, object, object])[] = [
  ['MeshTimeout', toMesh({ connectionTimeout: '1s' }), { ...toMesh({ http: { requestTimeout: '2s' } }), ...rules({ idleTimeout: '3s' }) }],
  ['MeshCircuitBreaker', toMesh({ connectionLimits: { maxRetries: 1 } }), rules({ connectionLimits: { maxConnections: 2 } })],
  ['MeshRetry', toMesh({ http: { numRetries: 1 } }), toMesh({ tcp: { maxConnectAttempt: 2 } })],
  [
    'MeshRateLimit',
    rules({ local: { http: { requestRate: { num: 1, interval: '1s' } } } }),
    rules({ local: { tcp: { connectionRate: { num: 2, interval: '1s' } } } }),
  ],
  [
    'MeshFaultInjection',
    rules({ http: [{ abort: { httpStatus: 503, percentage: 1 } }] }),
    toMesh({ http: [{ delay: { value: '1s', percentage: 2 } }] }),
  ],
  [
    'MeshAccessLog',
    { to: [{ targetRef: { kind: 'MeshService', labels: { 'kuma.io/display-name': 'a' } }, default: logsTo('one') }] },
    { ...toMesh(logsTo('two')), ...rules(logsTo('one')) },
  ],
  [
    'MeshTrace',
    { default: { backends: [{ type: 'Zipkin', zipkin: { url: 'http://zipkin:1/api' } }] } },
    { default: { sampling: { overall: 1 }, backends: [{ type: 'Zipkin', zipkin: { url: 'http://other:1/api' } }] } },
  ],
  [
    'MeshMetric',
    { default: { backends: [{ type: 'Prometheus', prometheus: { port: 5670, path: '/metrics' } }] } },
    { default: { backends: [{ type: 'Prometheus', prometheus: { port: 5671, path: '/other' } }] } },
  ],
  ['MeshTLS', rules({ mode: 'Strict' }), rules({ mode: 'Permissive', tlsVersion: { min: 'TLS13' } })],
  [
    'MeshTrafficPermission',
    rules({ allow: [{ spiffeID: { type: 'Prefix', value: 'spiffe://a/' } }] }),
    rules({ deny: [{ spiffeID: { type: 'Exact', value: 'spiffe://a/b' } }] }),
  ],
  [
    'MeshPassthrough',
    { default: { passthroughMode: 'None' } },
    { default: { passthroughMode: 'Matched', appendMatch: [{ type: 'Domain', value: 'x.example', protocol: 'tls', port: 443 }] } },
  ],
  [
    'MeshProxyPatch',
    { default: { appendModifications: [{ cluster: { operation: 'Patch', match: { origin: 'outbound' }, value: 'connectTimeout: 9s' } }] } },
    { default: { appendModifications: [{ cluster: { operation: 'Add', value: 'name: added' } }] } },
  ],
  ['MeshHealthCheck', toMesh({ interval: '1s', tcp: {} }), toMesh({ interval: '1s', http: { path: '/' } })],
  [
    'MeshLoadBalancingStrategy',
    toMesh({ loadBalancer: { type: 'Random' } }),
    toMesh({ localityAwareness: { localZone: { affinityTags: [{ key: 'rack', weight: 9 }] } } }),
  ],
]

interface World {
  /** For each kind which of its two policies there is; none for any other number. */
  readonly policies: readonly number[]
  readonly rack: number
  readonly inbounds: number
  readonly outbounds: number
  readonly identity: number
  readonly roots: number
  readonly ingress: number
  readonly egress: number
  readonly collectors: number
}

const parts = ['rack', 'inbounds', 'outbounds', 'identity', 'roots', 'ingress', 'egress', 'collectors'] as const
const number = fc.nat(4)
const worlds: fc.Arbitrary<World> = fc.record({
  policies: fc.array(number, { minLength: kinds.length, maxLength: kinds.length }),
  ...Object.fromEntries(parts.map((part) => [part, number])),
} as Record<keyof World, fc.Arbitrary<never>>)
/** A change of one policy or of one other part. */
const changes: fc.Arbitrary<(world: World) => World> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.nat(kinds.length - 1), number).map(([kind, chosen]) => withPolicy(kind, chosen)) },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...parts), number).map(([part, chosen]) => withPart(part, chosen)) },
)

function withPolicy(kind: number, chosen: number): (world: World) => World {
  return (world) => ({ ...world, policies: world.policies.with(kind, chosen) })
}

function withPart(part: (typeof parts)[number], chosen: number): (world: World) => World {
  return (world) => ({ ...world, [part]: chosen })
}

// what did not change is the identical object, as in the facts of a mesh
const policyVersions = kinds.map(([type, ...specs]) => specs.map((spec) => samplePolicy(type, 'policy', spec)))
const outboundLists = [0, 1, 2, 3, 4].map((count) => outbounds.slice(0, count))
const records = outboundLists.map((list) =>
  list.map(({ destination, address }) => ({ name: destination.hostnames[0] ?? '', ips: [address] })),
)
const inboundLists = [0, 1, 2].map((count) => [8080, 8081].slice(0, count).map((port) => sampleInbound({ section: `p-${port}`, port })))
const identity = sampleIdentity('p')
const trusts = ['one', 'two'].map((pem) => sampleTrust(pem))
const racks = [{ rack: '0' }, { rack: '1' }]
const redirecting = sampleMetadata({ transparentProxy: sampleRedirect })
const zoneListeners: ProxyFacts['zoneListeners'] = [
  { kind: 'ZoneIngress', section: 'in', address: '10.1.0.9', port: 10001 },
  { kind: 'ZoneEgress', section: 'out', address: '10.1.0.9', port: 10002 },
]
const egressTargets = [target]
const collectorLists = [[], collectors.slice(1), collectors]
const unchanging = new Map(['p-1', 'p-2', 'bound', 'zone'].map((name): [string, ProxyFacts] => [name, sampleFacts(name)]))

function proxiesOf(world: World): readonly ProxyFacts[] {
  const policies: PolicySet = samplePolicies(...policyVersions.flatMap((versions, kind) => versions[world.policies[kind] ?? 0] ?? []))
  const common = {
    policies,
    telemetryBackends: collectorLists[world.collectors % 3] ?? [],
    ...(world.identity > 0 ? { identity, trust: trusts[world.roots % 2] } : {}),
  }
  const called = { outbounds: outboundLists[world.outbounds] ?? [], dns: records[world.outbounds] ?? [] }
  const sidecar = { ...common, ...called, inbounds: inboundLists[world.inbounds % 3] ?? [] }
  const facts = (name: string, override: Partial<ProxyFacts>): ProxyFacts => ({
    ...(unchanging.get(name) ?? sampleFacts(name)),
    ...override,
  })
  return [
    facts('p-1', { ...sidecar, proxy: redirecting, ...(world.rack > 1 ? { labels: racks[world.rack % 2] ?? {} } : {}) }),
    facts('p-2', { ...sidecar, proxy: redirecting }),
    facts('bound', sidecar),
    facts('zone', {
      ...common,
      // a zone proxy may be more than that
      ...(world.rack > 2 ? { inbounds: sidecar.inbounds, outbounds: called.outbounds } : {}),
      zoneListeners,
      ingressDestinations: destinations.slice(0, world.ingress),
      egressTargets: world.egress > 0 ? egressTargets : [],
    }),
  ]
}

/** What a resource comes after counts only when it is sent, so one whose bytes stay keeps what it had. */
function contentOf(snapshot: ProxySnapshot): readonly string[] {
  return (['cluster', 'endpoint', 'listener', 'secret'] as const).flatMap((type) =>
    [...snapshot[type]]
      .map(([name, { current }]) => `${type} ${name} ${current?.version} ${JSON.stringify({ ...current?.needs, after: undefined })}`)
      .sort(),
  )
}

test('what is built after any changes is what is built anew', () => {
  fc.assert(
    fc.property(worlds, fc.array(changes, { maxLength: 8 }), (start, steps) => {
      const builder = newBuilder()
      let world = start
      for (const change of [(same: World) => same, ...steps]) {
        world = change(world)
        const fresh = newBuilder()
        for (const facts of proxiesOf(world)) {
          assert.deepEqual(contentOf(builder.build(facts)), contentOf(fresh.build(facts)), facts.name)
          assert.deepEqual(builder.problems(facts.key), fresh.problems(facts.key))
        }
      }
    }),
    { numRuns: 30 },
  )
})
