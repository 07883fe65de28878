import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codec } from '@weft/proto'
import { encodeAnswer, readResponse } from './delta-messages.ts'
import { simulatedTypeUrls } from './envoy-resource.ts'
import { cluster, type Scripted } from './testing/scripted-server.ts'

function response(resources: readonly Scripted[], removed: readonly string[] = []): Buffer {
  return Buffer.from(
    codec('envoy.service.discovery.v3.DeltaDiscoveryResponse').encode({
      systemVersionInfo: 'ignored',
      typeUrl: simulatedTypeUrls.cluster,
      nonce: '7',
      resources: resources.map(({ name, version = '1', any }) => ({ name, version, resource: any, aliases: ['ignored'] })),
      removedResources: removed,
    }),
  )
}

test('a response is read with its names, versions, sizes and what is removed', () => {
  const { any } = cluster('a', { connectTimeoutMs: 1500 })
  const read = readResponse(response([{ name: 'a', version: 'v1', any }], ['b', 'ç']))
  assert.deepEqual([read.type, read.nonce, read.removed], ['cluster', '7', ['b', 'ç']])
  const [resource] = read.resources
  assert.deepEqual([resource?.name, resource?.bytes], ['a', 1 + 2 + (any.value?.length ?? 0)])
  assert.deepEqual(resource?.value, Buffer.from(any.value ?? []))
  assert.deepEqual(resource?.read, {
    version: 'v1',
    references: { endpoint: ['a'], secret: [], route: [] },
    connectTimeoutMs: 1500,
    preferredEndpoints: 0,
  })
})

test('equal resources are read once, whoever they are sent to', () => {
  const sent = cluster('shared', { connectTimeoutMs: 1600 })
  const first = response([sent])
  const [one] = readResponse(first).resources
  // the bytes of a connection are used again
  first.fill(0xff)
  const [other] = readResponse(response([cluster('else'), sent])).resources.slice(1)
  assert.equal(one, other)
})

test('resources that only differ in the middle, where no fingerprint looks, are told apart', () => {
  const secrets = (middle: string): readonly string[] => ['a'.repeat(200), middle, 'z'.repeat(200)]
  for (let round = 0; round < 2; round++) {
    for (let each = 0; each < 20; each++) {
      const middle = `secret-${String(each).padStart(2, '0')}`
      const [resource] = readResponse(response([cluster('alike', { secrets: secrets(middle) })])).resources
      assert.ok(typeof resource?.read === 'object')
      assert.deepEqual(resource.read.references.secret, secrets(middle))
    }
  }
})

test('a resource that cannot be read says why; a response that is none is refused as a whole', () => {
  const broken = { name: 'broken', any: { typeUrl: simulatedTypeUrls.cluster, value: new Uint8Array([0xff]) } }
  const [resource] = readResponse(response([broken])).resources
  assert.match(String(resource?.read), /Cluster cannot be decoded/)
  const whole = response([cluster('a')])
  for (const length of [1, 10, whole.length - 1])
    assert.throws(() => readResponse(whole.subarray(0, length)), /DeltaDiscoveryResponse cannot be decoded/)
})

test('an answer names type and nonce, and the reason of a refusal', () => {
  const request = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest')
  for (const typeUrl of [simulatedTypeUrls.route, 'type.googleapis.com/example.Strange'])
    assert.deepEqual(encodeAnswer(typeUrl, 'n-1'), Buffer.from(request.encode({ typeUrl, responseNonce: 'n-1' })))
  const refusal = request.decode(encodeAnswer(simulatedTypeUrls.route, 'n-2', 'not so'))
  assert.deepEqual([refusal.responseNonce, refusal.errorDetail?.code, refusal.errorDetail?.message], ['n-2', 3, 'not so'])
})
