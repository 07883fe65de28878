// Peers of the 2.14 line, scripted from what is known of their wire (contract/kds.md sections 3 and 15): no such program is run here.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Metadata } from '@grpc/grpc-js'
import { codec } from '../../packages/proto/src/index.ts'
import { createKdsClient } from '../../packages/kds/src/client.ts'
import type { KdsServer } from '../../packages/kds/src/contract.ts'
import { createKdsServer } from '../../packages/kds/src/server.ts'
import {
  clientOptions,
  type Member,
  memberOf,
  memoryStore,
  running,
  serverOptions,
  until,
} from '../../packages/kds/src/testing/federation.ts'
import { clusterId, listing, stockGlobal } from '../../packages/kds/src/testing/raw-global.ts'
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  jsonResource,
  jsonResources,
  methods,
  type RawStream,
  rawZone,
  stockFeatures,
} from '../../packages/kds/src/testing/raw-zone.ts'
import { policyDescriptors } from '../../packages/policies/src/index.ts'
import { coreDescriptors, createRegistry, isSentToZones } from '../../packages/resources/src/index.ts'

const registry = createRegistry([...coreDescriptors, ...policyDescriptors])
const resources = codec('kuma.mesh.v1alpha1.KumaResource')
const legacyTypes = [
  'CircuitBreaker',
  'ExternalService',
  'FaultInjection',
  'HealthCheck',
  'MeshGateway',
  'MeshGatewayRoute',
  'ProxyTemplate',
  'RateLimit',
  'Retry',
  'Timeout',
  'TrafficLog',
  'TrafficPermission',
  'TrafficRoute',
  'TrafficTrace',
  'VirtualOutbound',
  'ZoneIngress',
]
/** Features of a 2.14 zone. */
const features = [...stockFeatures, 'optional-top-level-target-ref']

interface Scene extends AsyncDisposable, Member {
  readonly server: KdsServer
  readonly down: RawStream
  readonly up: RawStream
  subscribe(type: string): Promise<ReturnType<typeof decodeResponse>>
  /** Answers the subscribe of global for a type with these resources; resolves with the ACK or NACK. */
  list(type: string, listed: ReturnType<typeof jsonResource>[]): Promise<ReturnType<typeof decodeRequest>>
}

/** Our global and a scripted 2.14.3 zone. */
async function scene(): Promise<Scene> {
  const store = memoryStore()
  const server = createKdsServer({ ...serverOptions(store), registry })
  await server.start()
  const zone = rawZone('old', server.port)
  const headers = (): Metadata => {
    const metadata = new Metadata()
    metadata.set('client-id', 'old')
    metadata.add('features', 'zone-ping-health')
    metadata.add('features', 'hash-suffix')
    metadata.set('version', '2.14.3')
    return metadata
  }
  const node = () => zone.node(features, { version: { kumaCp: { version: '2.14.3', gitTag: 'v2.14.3', gitCommit: 'x', buildDate: 'y' } } })
  const down = zone.open(methods.globalToZone, headers())
  const up = zone.open(methods.zoneToGlobal, headers())
  const asked = new Map<string, ReturnType<typeof decodeRequest>>()
  return {
    ...memberOf(store),
    server,
    down,
    up,
    subscribe: async (type) => {
      down.send(encodeRequest({ node: node(), typeUrl: type, resourceNamesSubscribe: ['*'] }))
      for (;;) {
        const response = decodeResponse(await down.next())
        down.send(encodeRequest({ node: { id: 'old' }, typeUrl: response.typeUrl ?? '', responseNonce: response.nonce ?? '' }))
        if (response.typeUrl === type) return response
      }
    },
    list: async (type, listed) => {
      while (!asked.has(type)) {
        const request = decodeRequest(await up.next())
        asked.set(request.typeUrl ?? '', request)
      }
      up.send(encodeResponse({ typeUrl: type, nonce: `n-${type}`, resources: listed, controlPlane: { identifier: 'old' } }))
      for (;;) {
        const answer = decodeRequest(await up.next())
        if (answer.responseNonce === `n-${type}`) return answer
      }
    },
    [Symbol.asyncDispose]: async () => {
      await zone[Symbol.asyncDispose]()
      await server.stop()
      await store.close()
    },
  }
}

/** A Dataplane of a 2.14 zone: bytes, since our own types have no place for what it says. */
function oldDataplane(name: string, spec: Uint8Array): ReturnType<typeof jsonResource> {
  const value = resources.encode({
    meta: { name, mesh: 'default', labels: { 'kuma.io/display-name': name } },
    spec: { typeUrl: 'type.googleapis.com/kuma.mesh.v1alpha1.Dataplane', value: spec },
  })
  return { name: `${name}.default`, version: 'v1', resource: { typeUrl: 'type.googleapis.com/kuma.mesh.v1alpha1.KumaResource', value } }
}

const size = (length: number): number[] => (length > 127 ? [(length & 127) | 128, length >> 7] : [length])
const field = (number: number, bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from([(number << 3) | 2, ...size(bytes.length)]), bytes])
const text = (number: number, value: string): Buffer => field(number, Buffer.from(value))
const varint = (number: number, value: number): Buffer => Buffer.from([number << 3, ...size(value)])
const tag = (number: number, key: string, value: string): Buffer => field(number, Buffer.concat([text(1, key), text(2, value)]))

describe('a scripted 2.14.3 zone at our global', { concurrency: 1 }, () => {
  test('gets an answer for each of its 45 types, an empty one for those that are gone', async () => {
    await using at = await scene()
    await at.put('Mesh', '', 'default', {})
    const types = [...registry.all.filter(isSentToZones).map((kind) => kind.type), ...legacyTypes]
    assert.equal(types.length, 45)
    for (const type of types) {
      const { resources: listed = [] } = await at.subscribe(type)
      assert.equal(listed.length, type === 'Mesh' ? 1 : 0, type)
    }
  })

  test('gets its Mesh with meshServices.mode Exclusive, and a v3 zone gets none', async () => {
    await using at = await scene()
    await at.put('Mesh', '', 'default', { skipCreatingInitialPolicies: ['*'] })
    const specOf = (response: ReturnType<typeof decodeResponse>) =>
      codec('kuma.legacy.v2.Mesh').toJson(
        codec('kuma.legacy.v2.Mesh').decode(
          resources.decode(response.resources?.[0]?.resource?.value ?? new Uint8Array(0)).spec?.value ?? new Uint8Array(0),
        ),
      )
    assert.deepEqual(specOf(await at.subscribe('Mesh')), { skipCreatingInitialPolicies: ['*'], meshServices: { mode: 'Exclusive' } })
    await using third = rawZone('new', at.server.port)
    const down = third.open(methods.globalToZone)
    down.send(encodeRequest({ node: third.node(), typeUrl: 'Mesh', resourceNamesSubscribe: ['*'] }))
    assert.deepEqual(specOf(decodeResponse(await down.next())), { skipCreatingInitialPolicies: ['*'] })
  })

  test('gets policies with a top-level targetRef, which it would not read otherwise', async () => {
    await using at = await scene()
    await at.put('Mesh', '', 'default', {})
    const to = [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '3s' } }]
    await at.put('MeshTimeout', 'default', 'open', { to })
    await at.put('MeshTimeout', 'default', 'aimed', { targetRef: { kind: 'Dataplane', labels: { app: 'x' } }, to })
    const specs = jsonResources(await at.subscribe('MeshTimeout')).map(({ spec }) => spec)
    assert.deepEqual(
      specs.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
      [
        { targetRef: { kind: 'Dataplane', labels: { app: 'x' } }, to },
        { targetRef: { kind: 'Mesh' }, to },
      ],
    )
    // what is stored here has none
    assert.deepEqual(at.store.get({ type: 'MeshTimeout', mesh: 'default', name: 'open' })?.spec, { to })
  })

  test('gets TLS sources in its own form; what has none is left out and shown', async () => {
    await using at = await scene()
    await at.put('Mesh', '', 'default', {})
    const verification = {
      mode: 'Secured',
      caCert: { type: 'Secret', secretRef: { kind: 'Secret', name: 'ca' } },
      clientCert: { type: 'InsecureInline', insecureInline: { value: 'PEM' } },
      clientKey: { type: 'File', file: { path: '/key.pem' } },
    }
    const spec = { match: { type: 'HostnameGenerator', port: 443, protocol: 'http' }, tls: { enabled: true, verification } }
    await at.put('MeshExternalService', 'default', 'outside', spec)
    const [sent] = jsonResources(await at.subscribe('MeshExternalService'))
    assert.deepEqual(sent?.spec, {
      ...spec,
      tls: { enabled: true, verification: { mode: 'Secured', caCert: { secret: 'ca' }, clientCert: { inlineString: 'PEM' } } },
    })
    const [shown] = at.server.zones()
    assert.equal(shown?.secondGeneration, true)
    assert.deepEqual(at.server.leftOut('old'), [
      { type: 'MeshExternalService', mesh: 'default', name: 'outside', fields: ['spec.tls.verification.clientKey'] },
    ])
    assert.deepEqual(at.server.leftOut('nobody'), [])
    assert.deepEqual(
      at.server.status().map(({ leftOut }) => leftOut),
      [at.server.leftOut('old')],
    )
  })

  test('has its Dataplanes stored: protocols from tags, no outbounds that name no destination, its own origin', async () => {
    await using at = await scene()
    await at.put('Mesh', '', 'default', {})
    const inbound = (port: number, tags: readonly Buffer[]): Buffer => field(1, Buffer.concat([...tags, varint(3, port)]))
    const outbound = Buffer.concat([text(3, '240.0.0.1'), varint(4, 80), tag(5, 'kuma.io/service', 'web')])
    const networking = Buffer.concat([
      inbound(8080, [tag(2, 'kuma.io/service', 'web'), tag(2, 'kuma.io/protocol', 'http'), tag(2, 'kuma.io/zone', 'elsewhere')]),
      inbound(9090, [tag(2, 'kuma.io/service', 'plain')]),
      field(2, outbound),
      text(5, '10.0.0.1'),
    ])
    const answer = await at.list('Dataplane', [oldDataplane('web-1', field(1, networking))])
    assert.equal(answer.errorDetail, undefined)
    const [stored] = at.store.list('Dataplane')
    assert.deepEqual(stored?.spec, { networking: { address: '10.0.0.1', inbound: [{ port: 8080, protocol: 'http' }, { port: 9090 }] } })
    // it came without any origin
    assert.deepEqual([stored.labels['kuma.io/origin'], stored.labels['kuma.io/zone']], ['zone', 'old'])
  })

  test('is refused what nobody understands any more, by name, and goes on', async () => {
    await using at = await scene()
    await at.put('Mesh', '', 'default', {})
    const own = { 'kuma.io/display-name': 'x' }
    const good = { to: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '3s' } }] }
    const answer = await at.list('MeshTimeout', [
      jsonResource('default', 'good', good, own),
      jsonResource('default', 'with-from', { ...good, from: [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '9s' } }] }, own),
      jsonResource('default', 'subset', { targetRef: { kind: 'MeshSubset', tags: { a: 'b' } }, ...good }, own),
    ])
    assert.match(answer.errorDetail?.message ?? '', /MeshTimeout name=subset/)
    assert.doesNotMatch(answer.errorDetail?.message ?? '', /name=good|name=with-from/)
    assert.deepEqual(
      at.store.list('MeshTimeout').map(({ name, spec }) => [name, spec]),
      [
        ['good', good],
        ['with-from', good],
      ],
    )
  })
})

describe('our zone at a scripted 2.14.3 global', { concurrency: 1 }, () => {
  test('announces what makes it send policies without a targetRef, and takes a Mesh with more than it knows', async () => {
    await using global = await stockGlobal()
    const zone = memberOf(memoryStore())
    await using _client = await running(createKdsClient({ ...clientOptions(zone.store, 'zone-1', global.port), registry }))
    const down = await global.down.take()
    const first = decodeRequest(await down.next())
    const metadata = codec('google.protobuf.Struct').toJson(first.node?.metadata ?? {}) as { features?: string[] }
    // a 2.14 global withholds them from a zone that does not say this
    assert.ok(metadata.features?.includes('optional-top-level-target-ref'))
    // mtls 1 {enabledBackend 1}, meshServices 9 {mode 1: Exclusive}
    const spec = Buffer.concat([field(1, text(1, 'ca-1')), field(9, varint(1, 3))])
    const mesh = resources.encode({
      meta: { name: 'default', mesh: '', labels: {} },
      spec: { typeUrl: 'type.googleapis.com/kuma.mesh.v1alpha1.Mesh', value: spec },
    })
    down.send(listing('Config', '1', [clusterId('old-cluster')]))
    down.send(
      listing('Mesh', '2', [
        { name: 'default.', version: 'v', resource: { typeUrl: 'type.googleapis.com/kuma.mesh.v1alpha1.KumaResource', value: mesh } },
      ]),
    )
    // no top-level targetRef, an old section, and no label at all
    const to = [{ targetRef: { kind: 'Mesh' }, default: { connectionTimeout: '3s' } }]
    down.send(listing('MeshTimeout', '3', [jsonResource('default', 'open-hash', { from: [{ targetRef: { kind: 'Mesh' } }], to })]))
    await until(() => zone.store.list('MeshTimeout').length === 1 && zone.store.list('Mesh').length === 1)
    assert.deepEqual(zone.store.list('Mesh')[0]?.spec, {})
    const [policy] = zone.store.list('MeshTimeout')
    assert.deepEqual([policy?.spec, policy?.labels['kuma.io/origin']], [{ to }, 'global'])
    await zone.store.close()
  })

  test('answers its 31 subscribes, those for types that are gone with nothing', async () => {
    await using global = await stockGlobal()
    const zone = memberOf(memoryStore())
    await using _client = await running(createKdsClient({ ...clientOptions(zone.store, 'zone-1', global.port), registry }))
    const up = await global.up.take()
    const node = { id: 'zone-1', metadata: codec('google.protobuf.Struct').fromJson({ features: ['hash-suffix'] }) }
    const old = ['MeshGateway', 'ZoneEgress', 'ZoneEgressInsight', 'ZoneIngress', 'ZoneIngressInsight']
    for (const type of old) up.send(encodeRequest({ node, typeUrl: type, resourceNamesSubscribe: ['*'] }))
    for (const type of old) {
      const response = decodeResponse(await up.next())
      assert.deepEqual([response.typeUrl, response.resources ?? []], [type, []])
    }
    await zone.store.close()
  })
})
