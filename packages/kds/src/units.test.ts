// Small pieces: back-off, loopback, framing, node facts, wire names.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isLoopback } from '@weft/foundation/net'
import { codec } from '@weft/proto'
import { kdsName } from '@weft/resources'
import { createBackoff } from './backoff.ts'
import { retryRangeOf } from './client-session.ts'
import { parseGlobalAddress } from './global-channel.ts'
import { isLoopbackTarget } from './loopback.ts'
import { splitWireName, writeClassOf } from './incoming.ts'
import { describingNode, hasKubernetesStore, isSecondGeneration, nodeFacts } from './peer.ts'
import { composeResponse, decodeRequest, decodeResponse, encodeRequest, frameResource } from './wire.ts'

test('back-off doubles between its bounds, with jitter, and starts over', () => {
  const backoff = createBackoff()
  const next = (random: number): number => backoff.next({ firstMs: 200, lastMs: 5_000, random: () => random })
  assert.deepEqual([next(0.999999), next(0.999999), next(0), next(0.999999)], [200, 400, 400, 1600])
  for (let count = 0; count < 50; count++) assert.ok(next(Math.random()) <= 5_000)
  backoff.reset()
  assert.equal(next(0.5), 200)
})

test('an own global that is back is looked for within a second, however long it was away', () => {
  for (const random of [0, 0.5, 0.999]) {
    const backoff = createBackoff()
    const waits = Array.from({ length: 20 }, () => backoff.next({ ...retryRangeOf('own'), random: () => random }))
    assert.ok(
      waits.every((ms) => ms >= 200 && ms <= 1_000),
      waits.join(),
    )
  }
  // a stock one must not see a stream return within a second
  assert.equal(createBackoff().next({ ...retryRangeOf('stock'), random: () => 0 }), 1_000)
})

test('loopback in every spelling, and nothing else', () => {
  for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) assert.equal(isLoopback(address), true, address)
  for (const address of ['10.0.0.1', '127.0.0.1.example.com', 'localhost', '2001:db8::1', '', '128.0.0.1', '::ffff:10.0.0.1'])
    assert.equal(isLoopback(address), false, address)
  for (const target of ['localhost:5685', '127.0.0.1:80', '[::1]:80']) assert.equal(isLoopbackTarget(target), true, target)
  for (const target of ['localhost.evil:80', '10.0.0.1:80', '[2001:db8::1]:80', ':80', ''])
    assert.equal(isLoopbackTarget(target), false, target)
})

test('a composed response is what the codec would make of it', () => {
  const responses = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse')
  fc.assert(
    fc.property(
      fc.array(fc.record({ name: fc.string(), version: fc.string(), value: fc.uint8Array() })),
      fc.array(fc.string({ minLength: 1 })),
      fc.boolean(),
      (resources, removed, partial) => {
        const frames = resources.map(({ name, version, value }) => frameResource(name, version, value))
        const bytes = composeResponse({ type: 'Mesh', nonce: 'n', sender: 'global', frames, removed, partial })
        const decoded = decodeResponse(bytes)
        assert.deepEqual([decoded.type, decoded.nonce, decoded.partial, decoded.removed], ['Mesh', 'n', partial, removed])
        assert.deepEqual(
          decoded.resources.map(({ name, version, value }) => ({ name, version, value: Buffer.from(value).toString('hex') })),
          resources.map(({ name, version, value }) => ({ name, version, value: Buffer.from(value).toString('hex') })),
        )
        assert.equal(responses.decode(bytes).controlPlane?.identifier, 'global')
      },
    ),
  )
})

test('requests survive the way there and back', () => {
  const self = { instanceId: 'host-1234', version: { version: '1', gitTag: '2', gitCommit: '3', buildDate: '4' }, storeId: 'store' }
  const node = describingNode('zone-1', self, { features: ['a', 'b'], config: '{}' })
  const request = decodeRequest(
    encodeRequest({
      type: 'Mesh',
      node,
      subscribe: new Map([
        ['__proto__', '1'],
        ['b.', '2'],
      ]),
    }),
  )
  assert.deepEqual(
    [...request.initialVersions],
    [
      ['__proto__', '1'],
      ['b.', '2'],
    ],
  )
  assert.ok(request.node)
  const facts = nodeFacts(request.node)
  assert.deepEqual(
    [facts.version, facts.config, facts.instanceId, [...facts.features], facts.storeId],
    [self.version, '{}', 'host-1234', ['a', 'b'], 'store'],
  )
  const nack = decodeRequest(encodeRequest({ type: 'Mesh', node: { id: 'z', metadata: undefined }, nonce: '7', error: '' }))
  assert.deepEqual([nack.nonce, nack.error, nack.subscribes], ['7', 'rejected without a reason', true])
})

test('metadata of any shape is read without harm', () => {
  for (const metadata of [
    undefined,
    null,
    7,
    'x',
    [],
    { features: 'hash-suffix', version: [], config: {} },
    { features: [1, null, 'x'], version: { kumaCp: 'no' } },
  ]) {
    const facts = nodeFacts({ id: 'z', metadata })
    assert.equal(facts.config, '')
    assert.equal(facts.version.version, '')
  }
  assert.equal(hasKubernetesStore('{"store":{"type":"kubernetes"}}'), true)
  for (const config of ['', '{', '[]', '{"store":"kubernetes"}', '{"store":{"type":"memory"}}'])
    assert.equal(hasKubernetesStore(config), false, config)
  const facts = (version: string) => ({ version: { version, gitTag: '', gitCommit: '', buildDate: '' }, config: '', instanceId: '' })
  assert.deepEqual(
    [
      isSecondGeneration(undefined, facts('2.14.3')),
      isSecondGeneration('v3', facts('2.14.3')),
      isSecondGeneration(undefined, facts('3.0.0')),
    ],
    [true, false, false],
  )
})

test('names split at the last dot, and hash as the peers do', () => {
  assert.deepEqual(splitWireName('Mesh', 'default.'), { type: 'Mesh', mesh: '', name: 'default' })
  assert.deepEqual(splitWireName('MeshService', 'a.b.c.default'), { type: 'MeshService', mesh: 'default', name: 'a.b.c' })
  assert.deepEqual(splitWireName('Mesh', 'bare'), { type: 'Mesh', mesh: '', name: 'bare' })
  const vectors: readonly [string, string, Readonly<Record<string, string>>, string][] = [
    ['default', 'default-timeout-global', {}, 'default-timeout-global-54dbd4c66zwbcf9c'],
    ['default', 'redis-zone-1', { 'kuma.io/zone': 'zone-1' }, 'redis-zone-1-2v6wfvvcvbc9f55d'],
    ['default', 'redis-zone-2', { 'kuma.io/zone': 'zone-2' }, 'redis-zone-2-ff29vc4685c6f594'],
    ['default', 'default-timeout-zone-1', { 'kuma.io/zone': 'zone-1' }, 'default-timeout-zone-1-c58w24w4vw27f454'],
    ['', 'synced-universal-mesh-service', {}, 'synced-universal-mesh-service-46484vczc724vc29'],
    ['default', 'web', { 'kuma.io/zone': 'zone-b' }, 'web-d4974dwdwbz7bfx5'],
    [
      'default',
      'stored',
      { 'kuma.io/display-name': 'backend', 'kuma.io/zone': 'zone-1', 'k8s.kuma.io/namespace': 'ns' },
      'backend-74254xc9z29774d5',
    ],
  ]
  for (const [mesh, name, labels, expected] of vectors) assert.equal(kdsName({ mesh, name, labels }), expected)
})

test('facts and wishes', () => {
  assert.equal(writeClassOf('Dataplane', {}), 'observed')
  assert.equal(writeClassOf('MeshTimeout', { 'kuma.io/managed-by': 'x' }), 'desired')
  assert.equal(writeClassOf('MeshService', {}), 'desired')
  assert.equal(writeClassOf('MeshService', { 'kuma.io/managed-by': 'meshservice-generator' }), 'observed')
})

test('addresses of a global', () => {
  assert.deepEqual(parseGlobalAddress('grpcs://global.example.com:5685'), { target: 'global.example.com:5685', tls: true })
  assert.deepEqual(parseGlobalAddress('grpc://[::1]:5685'), { target: '[::1]:5685', tls: false })
})
