import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DestinationFact, ProxyFacts } from '@weft/facts'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { type DestinationLookup, destinationLookup } from '@weft/policy'
import type { ResourceCell } from '@weft/xds'
import { createProxyBuilder, type ProxyBuilder } from './builder.ts'
import type { BuildProblem } from './problem.ts'
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

interface World {
  readonly builder: ProxyBuilder
  readonly problems: BuildProblem[]
  /** Value of a metric line, 0 when absent. */
  metric(line: string): Promise<number>
}

function world(destinations: readonly DestinationFact[] = []): World {
  const problems: BuildProblem[] = []
  const metrics = createMetrics()
  const lookup: DestinationLookup = destinationLookup(destinations)
  const builder = createProxyBuilder({
    log: silentLogger,
    metrics,
    destinations: () => lookup,
    adminCertificate: () => undefined,
    onProblem: (problem) => problems.push(problem),
  })
  return {
    builder,
    problems,
    async metric(line) {
      const { text } = await metrics.expose()
      const found = text.split('\n').find((candidate) => candidate.startsWith(`${line} `))
      return found === undefined ? 0 : Number(found.slice(line.length + 1))
    },
  }
}

/** Version of a cell's content; a function, because content changes behind the type checker's back. */
function versionOf(cell: ResourceCell | undefined): string | undefined {
  return cell?.current?.version
}

const endpoint = { address: '10.0.0.1', port: 80, zone: 'zone-1', priority: 0, weight: 1, health: 'HEALTHY', metadata: {} } as const

describe('sharing', () => {
  const destinations = Array.from({ length: 50 }, (_, index) => sampleDestination(`svc-${index}`, { vips: [`241.0.0.${index}`] }))
  const outbounds = destinations.map((destination) => sampleOutbound(destination))
  const policies = samplePolicies(
    samplePolicy('MeshTimeout', 't', { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '3s' } }] }),
  )
  const trust = sampleTrust()
  const proxies = Array.from(
    { length: 200 },
    (_, index): ProxyFacts =>
      sampleFacts(`p-${index}`, {
        outbounds: [...outbounds],
        policies,
        identity: sampleIdentity(`p-${index}`),
        trust,
        proxy: sampleMetadata({ transparentProxy: sampleRedirect }),
        inbounds: [sampleInbound()],
      }),
  )

  test('200 proxies with the same outbounds encode each shared resource once', async () => {
    const { builder, metric } = world(destinations)
    for (const destination of destinations) builder.setLoadAssignment({ id: destination.id, endpoints: [endpoint] })
    const snapshots = proxies.map((facts) => builder.build(facts))
    for (const type of ['cluster', 'listener', 'endpoint']) {
      assert.equal(await metric(`proxy_encodes_total{type="${type}",scope="shared"}`), 50, type)
    }
    assert.equal(await metric('proxy_encodes_total{type="secret",scope="shared"}'), 1)
    const [first, second] = snapshots
    assert.ok(first && second)
    for (const { name } of outbounds) {
      assert.ok(first.cluster.get(name))
      assert.equal(first.cluster.get(name), second.cluster.get(name))
      assert.equal(first.listener.get(name), second.listener.get(name))
      assert.equal(first.endpoint.get(name), second.endpoint.get(name))
    }
    assert.equal(first.secret.get('system_trust_bundle'), second.secret.get('system_trust_bundle'))
    assert.notEqual(first.listener.get('self_inbound_dp_http'), second.listener.get('self_inbound_dp_http'))
  })

  test('policy sets that say the same share, ones that do not do not', () => {
    const { builder } = world(destinations)
    const build = (name: string, timeout: string): ReturnType<ProxyBuilder['build']> =>
      builder.build(
        sampleFacts(name, {
          outbounds,
          policies: samplePolicies(
            samplePolicy('MeshTimeout', `t-${name}`, { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: timeout } }] }),
          ),
        }),
      )
    const name = outbounds[0]?.name ?? ''
    assert.equal(build('a', '3s').cluster.get(name), build('b', '3s').cluster.get(name))
    assert.notEqual(build('a', '3s').cluster.get(name), build('c', '4s').cluster.get(name))
  })

  test('an edit of a field of clusters makes nothing else of a proxy anew', async () => {
    const { builder, metric } = world(destinations)
    const [one, two] = proxies.map((facts): ProxyFacts => ({ ...facts, outbounds, identity: sampleIdentity('p') }))
    assert.ok(one && two)
    const [before, other] = [builder.build(one), builder.build(two)]
    const encoded = await metric('proxy_encodes_total{type="listener",scope="own"}')
    const edited = samplePolicies(
      samplePolicy('MeshTimeout', 't', { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '4s' } }] }),
    )
    const after = builder.build({ ...one, policies: edited })
    assert.notEqual(after.cluster.get(outbounds[0]?.name ?? ''), before.cluster.get(outbounds[0]?.name ?? ''))
    for (const type of ['endpoint', 'listener', 'secret'] as const) assert.equal(after[type], before[type], type)
    assert.equal(other.endpoint, before.endpoint)
    assert.equal(await metric('proxy_encodes_total{type="listener",scope="own"}'), encoded)
  })

  test('the passthrough is encoded once for proxies that redirect alike, unless a policy is about it', () => {
    const { builder } = world(destinations)
    const name = 'self_transparentproxy_passthrough_outbound_ipv4'
    const [one, two] = proxies
    assert.ok(one && two)
    const encoded = (facts: ProxyFacts, type: 'cluster' | 'listener'): unknown => builder.build(facts)[type].get(name)?.current
    const [cluster, listener] = [encoded(one, 'cluster'), encoded(one, 'listener')]
    assert.ok(cluster && listener)
    assert.equal(encoded(two, 'cluster'), cluster)
    assert.equal(encoded(two, 'listener'), listener)
    const closed = samplePolicies(samplePolicy('MeshPassthrough', 'p', { default: { passthroughMode: 'None' } }))
    assert.notEqual(encoded({ ...two, policies: closed }, 'cluster'), cluster)
    const otherPort = sampleMetadata({ transparentProxy: { ...sampleRedirect, outboundPort: 15111 } })
    assert.notEqual(encoded({ ...two, proxy: otherPort }, 'listener'), listener)
    assert.equal(encoded(one, 'listener'), listener)
  })

  test('an inbound logs to a collector that appears after the policy', () => {
    const { builder } = world()
    const backendRef = { kind: 'MeshOpenTelemetryBackend', labels: { 'kuma.io/display-name': 'logs' } }
    const logs = { default: { backends: [{ type: 'OpenTelemetry', openTelemetry: { backendRef } }] } }
    const facts = sampleFacts('p', {
      inbounds: [sampleInbound()],
      policies: samplePolicies(samplePolicy('MeshAccessLog', 'l', { rules: [logs] })),
    })
    const version = (): string | undefined => versionOf(builder.build(facts).listener.get('self_inbound_dp_http'))
    const collector = { name: 'logs', labels: backendRef.labels, creationTime: '', address: '10.8.0.1', port: 4317, path: '' } as const
    const before = version()
    const after = builder.build({ ...facts, telemetryBackends: [{ ...collector, protocol: 'grpc', env: undefined }] })
    assert.notEqual(versionOf(after.listener.get('self_inbound_dp_http')), before)
  })

  test('an endpoint change sets one cell and rebuilds nothing', async () => {
    const { builder, metric } = world(destinations)
    for (const destination of destinations) builder.setLoadAssignment({ id: destination.id, endpoints: [] })
    const [facts] = proxies
    assert.ok(facts)
    const before = builder.build(facts)
    const name = outbounds[7]?.name ?? ''
    const versions = [...before.endpoint.values()].map((cell) => cell.current?.version)
    builder.setLoadAssignment({ id: name, endpoints: [endpoint] })
    const changed = [...before.endpoint.values()].filter((cell, index) => cell.current?.version !== versions[index])
    assert.deepEqual(
      changed.map((cell) => cell.name),
      [name],
    )
    assert.equal(await metric('proxy_encodes_total{type="endpoint",scope="shared"}'), 51)
    assert.equal(builder.build(facts), before)
  })

  test('equal facts give the same snapshot object; a lost outbound a new one without it', () => {
    const { builder } = world(destinations)
    const [facts] = proxies
    assert.ok(facts)
    const before = builder.build(facts)
    assert.equal(builder.build({ ...facts }), before)
    const after = builder.build({ ...facts, outbounds: facts.outbounds.slice(1) })
    assert.notEqual(after, before)
    const name = outbounds[0]?.name ?? ''
    assert.ok(before.cluster.has(name))
    for (const type of ['cluster', 'endpoint', 'listener'] as const) assert.equal(after[type].has(name), false)
  })
})

describe('load assignments', () => {
  test('one destination under two Envoy names: each cell carries its own name', () => {
    const destination = sampleDestination('backend')
    const { builder } = world([destination])
    const numbered = `${destination.id.slice(0, -4)}80`
    const snapshot = builder.build(
      sampleFacts('a', { outbounds: [sampleOutbound(destination), sampleOutbound(destination, { name: numbered, address: '127.0.0.1' })] }),
    )
    builder.setLoadAssignment({ id: destination.id, endpoints: [endpoint] })
    const described = builder.describe('default/a')?.['type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment']
    assert.deepEqual(Object.keys(described ?? {}), [numbered, destination.id].sort())
    for (const name of [numbered, destination.id]) {
      assert.equal(snapshot.endpoint.get(name)?.current?.name, name)
      assert.deepEqual(described?.[name], { ...(described?.[name] as object | undefined), clusterName: name })
    }
  })

  test('an unknown assignment is an empty cell; a removed one keeps what it shows for those who still hold it', () => {
    const destination = sampleDestination('backend')
    const { builder } = world([destination])
    const cell = builder.build(sampleFacts('a', { outbounds: [sampleOutbound(destination)] })).endpoint.get(destination.id)
    assert.ok(cell)
    assert.equal(versionOf(cell), undefined)
    const fact = { id: destination.id, endpoints: [endpoint] }
    builder.setLoadAssignment(fact)
    const version = versionOf(cell)
    assert.ok(version)
    builder.removeLoadAssignment(destination.id)
    assert.equal(versionOf(cell), version)
    builder.setLoadAssignment({ id: destination.id, endpoints: [] })
    assert.notEqual(versionOf(cell), version)
    builder.removeLoadAssignment('no such assignment')
  })
})

describe('identity and trust', () => {
  const destination = sampleDestination('backend')
  const secured = sampleFacts('a', {
    identity: sampleIdentity('a'),
    trust: sampleTrust('one'),
    outbounds: [sampleOutbound(destination)],
    inbounds: [sampleInbound()],
  })

  test('a renewed certificate changes one cell of one proxy', () => {
    const { builder } = world([destination])
    const snapshot = builder.build(secured)
    const kri = secured.identity?.kri ?? ''
    const cell = snapshot.secret.get(kri)
    assert.equal(cell, builder.identitySecret(secured.key))
    assert.equal(versionOf(cell), undefined)
    builder.setIdentity(secured.key, { name: kri, certChainPem: 'c1', keyPem: 'k1' })
    const first = versionOf(cell)
    assert.ok(first)
    builder.setIdentity(secured.key, { name: kri, certChainPem: 'c2', keyPem: 'k2' })
    assert.notEqual(versionOf(cell), first)
    assert.equal(builder.build(secured), snapshot)
    const other = builder.build({ ...secured, key: 'default/b', name: 'b' })
    assert.notEqual(other.secret.get(kri), cell)
  })

  test('clusters and listeners name the secrets and load assignments they need', () => {
    const { builder } = world([destination])
    const snapshot = builder.build(secured)
    const kri = secured.identity?.kri ?? ''
    assert.deepEqual(snapshot.cluster.get(destination.id)?.current?.needs, {
      endpoints: [destination.id],
      secrets: [kri, 'system_trust_bundle'],
    })
    assert.deepEqual(snapshot.listener.get(destination.id)?.current?.needs, { clusters: [destination.id] })
    assert.deepEqual(snapshot.listener.get('self_inbound_dp_http')?.current?.needs, {
      clusters: ['self_inbound_dp_http'],
      secrets: [kri, 'system_trust_bundle'],
    })
    for (const name of ['self_inbound_dp_http', 'system_envoy_admin'])
      assert.deepEqual(snapshot.cluster.get(name)?.current?.needs ?? {}, {})
  })

  test('names resolve when what they stand for can be reached: the records follow the clusters of their destinations', () => {
    const named = sampleDestination('named', { hostnames: ['named.mesh'], vips: ['240.0.0.9'] })
    const unnamed = sampleDestination('unnamed', { hostnames: [], vips: ['240.0.0.8'] })
    const { builder } = world([named, unnamed])
    const facts = {
      ...secured,
      proxy: sampleMetadata({ dnsPort: 15053, transparentProxy: sampleRedirect }),
      outbounds: [sampleOutbound(named), sampleOutbound(unnamed)],
      dns: [{ name: 'named.mesh', ips: ['240.0.0.9'] }],
    }
    const records = (of: ProxyFacts): unknown => builder.build(of).listener.get('system_dynamicconfig')?.current?.needs
    assert.deepEqual(records(facts), { after: [named.id] })
    assert.deepEqual(records({ ...facts, outbounds: [sampleOutbound(unnamed)], dns: [] }), {})
  })

  test('new roots change one cell for all proxies of the mesh', () => {
    const { builder } = world([destination])
    const cell = builder.build(secured).secret.get('system_trust_bundle')
    const before = cell?.current?.version
    builder.setTrust(sampleTrust('two'))
    assert.ok(before && cell?.current?.version)
    assert.notEqual(cell.current.version, before)
  })

  test('private keys and certificates of the proxy are not described', () => {
    const { builder } = world([destination])
    builder.build(secured)
    builder.setIdentity(secured.key, { name: secured.identity?.kri ?? '', certChainPem: 'CHAIN', keyPem: 'KEY' })
    const secrets = builder.describe(secured.key)?.['type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret']
    assert.deepEqual(Object.keys(secrets ?? {}), ['system_trust_bundle'])
  })

  test('a forgotten proxy has nothing', () => {
    const { builder } = world([destination])
    builder.build(secured)
    builder.remove(secured.key)
    assert.equal(builder.describe(secured.key), undefined)
    assert.equal(builder.identitySecret(secured.key), undefined)
  })
})

describe('failures stay where they are', () => {
  const good = sampleDestination('good', { vips: ['241.0.0.1'] })
  const bad = sampleDestination('bad', { vips: ['241.0.0.2'], sni: undefined })

  test('a destination that cannot be reached over mTLS costs only its own cluster', () => {
    const { builder, problems } = world([good, bad])
    const facts = sampleFacts('a', {
      identity: sampleIdentity('a'),
      trust: sampleTrust(),
      outbounds: [sampleOutbound(bad), sampleOutbound(good)],
      inbounds: [sampleInbound()],
    })
    const snapshot = builder.build(facts)
    assert.equal(snapshot.cluster.has(bad.id), false)
    assert.ok(snapshot.cluster.get(good.id)?.current)
    assert.ok(snapshot.listener.get('self_inbound_dp_http')?.current)
    assert.deepEqual(
      problems.map(({ proxy, type, resource, policy }) => ({ proxy, type, resource, policy })),
      [{ proxy: 'default/a', type: 'cluster', resource: bad.id, policy: undefined }],
    )
    builder.build({ ...facts, inbounds: [] })
    assert.equal(problems.length, 1, 'a problem that lasts is told once')
    assert.deepEqual(builder.problems(facts.key), problems)
    builder.build({ ...facts, outbounds: [sampleOutbound(good)] })
    assert.deepEqual(builder.problems(facts.key), [])
  })

  test('what worked before stays when its new form cannot be built', () => {
    const { builder, problems } = world([good])
    const facts = sampleFacts('a', { identity: sampleIdentity('a'), trust: sampleTrust(), outbounds: [sampleOutbound(good)] })
    const before = builder.build(facts).cluster.get(good.id)
    assert.ok(before?.current)
    const broken = { ...good, sni: undefined }
    const after = builder.build({ ...facts, outbounds: [sampleOutbound(broken)] })
    assert.equal(after.cluster.get(good.id), before)
    assert.equal(problems.length, 1)
  })

  test('a hostile policy leaves the rest of the proxy and the other policies alone', () => {
    const { builder } = world([good])
    const facts = sampleFacts('a', {
      outbounds: [sampleOutbound(good)],
      inbounds: [sampleInbound()],
      policies: samplePolicies(
        samplePolicy('MeshTimeout', 'hostile', { to: 'not a list', rules: [null, 1, { default: { http: 7, connectionTimeout: {} } }] }),
        samplePolicy('MeshHTTPRoute', 'hostile', { to: [{ targetRef: { kind: '__proto__' }, rules: [{ matches: 3 }] }] }),
        samplePolicy('MeshCircuitBreaker', 'fine', {
          to: [{ targetRef: { kind: 'Mesh' }, default: { connectionLimits: { maxConnections: 7 } } }],
        }),
      ),
    })
    builder.build(facts)
    const clusters = builder.describe(facts.key)?.['type.googleapis.com/envoy.config.cluster.v3.Cluster']
    const cluster = clusters?.[good.id] as { circuitBreakers: { thresholds: { maxConnections: number }[] } }
    assert.equal(cluster.circuitBreakers.thresholds[0]?.maxConnections, 7)
  })

  test('names that look like object internals are ordinary names', () => {
    const destination = sampleDestination('x', { id: '__proto__' })
    const { builder } = world([destination])
    const facts = sampleFacts('a', {
      outbounds: [sampleOutbound(destination)],
      labels: JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>,
      inbounds: [sampleInbound({ section: 'constructor' })],
    })
    const snapshot = builder.build(facts)
    assert.ok(snapshot.cluster.has('__proto__'))
    const clusters = builder.describe(facts.key)?.['type.googleapis.com/envoy.config.cluster.v3.Cluster'] ?? {}
    assert.ok(Object.hasOwn(clusters, '__proto__'))
    assert.ok(Object.hasOwn(clusters, 'self_inbound_dp_constructor'))
  })
})

describe('previews', () => {
  test('a preview shows what would be built and changes nothing', () => {
    const destination = sampleDestination('backend')
    const { builder } = world([destination])
    const facts = sampleFacts('a', { outbounds: [sampleOutbound(destination)], identity: sampleIdentity('a'), trust: sampleTrust('one') })
    const before = builder.build(facts)
    const described = builder.describe(facts.key)
    const timeout = samplePolicy('MeshTimeout', 't', { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '42s' } }] })
    const preview = builder.preview({ ...facts, policies: samplePolicies(timeout), trust: sampleTrust('two') })
    const cluster = preview['type.googleapis.com/envoy.config.cluster.v3.Cluster']?.[destination.id] as { connectTimeout: string }
    assert.equal(cluster.connectTimeout, '42s')
    assert.deepEqual(builder.describe(facts.key), described)
    assert.equal(builder.build(facts), before)
  })

  test('a preview of the facts in use equals their description', () => {
    const destination = sampleDestination('backend')
    const { builder } = world([destination])
    const facts = sampleFacts('a', { outbounds: [sampleOutbound(destination)], inbounds: [sampleInbound()] })
    builder.build(facts)
    assert.deepEqual(builder.preview(facts), builder.describe(facts.key))
  })
})
