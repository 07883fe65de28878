import { hasCode } from '@weft/foundation/errors'
import { canonicalJson } from '@weft/foundation/schema'
import { namedCodec } from '@weft/proto'
import fc from 'fast-check'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isJsonKind, type ResourceDescriptor } from '../descriptor.ts'
import { coreDescriptors } from '../kinds/core-descriptors.ts'
import { dataplane } from '../kinds/dataplane.ts'
import { mesh } from '../kinds/mesh.ts'
import { meshService } from '../kinds/mesh-service.ts'
import { secret } from '../kinds/secrets.ts'
import { workload } from '../kinds/workload.ts'
import { zone } from '../kinds/zone.ts'
import { createRegistry } from '../registry.ts'
import { arbitraryFor, checkHostileInput, checkRoundTrips } from '../testing/index.ts'
import { decodeKdsResource, encodeKdsResource } from './kds-any.ts'
import { encodeKubernetes } from './kubernetes-json.ts'
import { decodeRest, encodeRest } from './rest-json.ts'
import { checkSpec, emptyStatus } from './spec-json.ts'
import { parseYamlDocuments } from './yaml.ts'

const registry = createRegistry(coreDescriptors)
const times = { creationTime: '2026-01-01T00:00:00.000Z', modificationTime: '2026-01-02T00:00:00.000Z', version: 3 }

describe('every kind', () => {
  for (const kind of coreDescriptors) {
    test(`${kind.type} survives REST and KDS unchanged`, () => checkRoundTrips(kind))
    test(`${kind.type} takes hostile input without breaking`, () => checkHostileInput(kind))
  }
  for (const kind of coreDescriptors.filter((candidate) => !isJsonKind(candidate))) {
    test(`${kind.type} has the canonical form of its protobuf message`, () => {
      const message = namedCodec(kind.wire.spec)
      fc.assert(
        fc.property(arbitraryFor(kind.spec, { proto: true }), (spec) => {
          assert.deepEqual(message.toJson(message.fromJson(spec)), JSON.parse(JSON.stringify(spec)))
        }),
        { numRuns: 50 },
      )
    })
    test(`${kind.type} is packed in parts to the bytes of the whole, again too, and whatever the order of its keys`, () => {
      const message = namedCodec(kind.wire.spec)
      fc.assert(
        fc.property(arbitraryFor(kind.spec, { proto: true }), (spec) => {
          const whole = Buffer.from(message.encode(message.fromJson(JSON.parse(canonicalJson(spec)))))
          const pack = (value: unknown) => encodeKdsResource(kind, { name: 'x', mesh: '', labels: {}, spec: value })
          const shuffled = reversed(spec)
          for (const value of [spec, spec, shuffled, { ...Object(shuffled) }]) {
            const sent = namedCodec('kuma.mesh.v1alpha1.KumaResource').decode(pack(value)) as { spec: { value: Uint8Array } }
            assert.deepEqual(Buffer.from(sent.spec.value), whole)
          }
        }),
        { numRuns: 50 },
      )
    })
  }
})

/** The same value with the keys of all its objects the other way round. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]) => [key, reversed(item)])
      .reverse(),
  )
}

test('a JSON kind shows spec, status, identifier and server names in the order of the peers', () => {
  const spec = checkSpec(meshService, {
    ports: [
      { port: 90, name: 'b' },
      { port: 80, targetPort: 8080, protocol: 'tcp' },
    ],
  })
  assert.deepEqual(spec.unknown, ['spec.ports[1].protocol'])
  const body = encodeRest(meshService, {
    type: 'MeshService',
    mesh: 'default',
    name: 'redis',
    labels: { 'kuma.io/zone': 'east' },
    ...times,
    spec: spec.value,
    status: emptyStatus(meshService),
  })
  assert.equal(
    JSON.stringify(body),
    '{"type":"MeshService","mesh":"default","name":"redis","creationTime":"2026-01-01T00:00:00.000Z","modificationTime":"2026-01-02T00:00:00.000Z",' +
      '"labels":{"kuma.io/zone":"east"},"kri":"kri_msvc_default_east__redis_",' +
      '"snis":[{"port":80,"sni":"sni.msvc.default.east.redis.80"},{"port":90,"sni":"sni.msvc.default.east.redis.b"}],' +
      '"spec":{"state":"Unavailable","selector":{},"ports":[{"name":"b","port":90,"appProtocol":"tcp"},{"port":80,"targetPort":8080,"appProtocol":"tcp"}]},' +
      '"status":{"tls":{},"dataplaneProxies":{}}}',
  )
})

test('a protobuf kind is flat, without zero values and without labels when there are none', () => {
  const { value } = checkSpec(dataplane, {
    networking: { address: '1.1.1.1', inbound: [{ port: 80, state: 'Ready', name: '', servicePort: 0 }], outbound: [] },
  })
  const body = encodeRest(dataplane, { type: 'Dataplane', mesh: 'm', name: 'dp', labels: {}, ...times, spec: value })
  assert.deepEqual(Object.keys(body), ['type', 'mesh', 'name', 'creationTime', 'modificationTime', 'kri', 'networking'])
  assert.deepEqual(body['networking'], { address: '1.1.1.1', inbound: [{ port: 80 }] })
})

test('protobuf names, enum numbers and numbers in text are understood', () => {
  const { value, violations } = checkSpec(dataplane, {
    networking: {
      address: '1.1.1.1',
      inbound: [{ port: '80', state: 1, service_port: 81 }],
      transparent_proxying: { redirect_port_inbound: 15006 },
    },
  })
  assert.deepEqual(violations, [])
  assert.deepEqual(value, {
    networking: {
      address: '1.1.1.1',
      inbound: [{ port: 80, servicePort: 81, state: 'NotReady' }],
      transparentProxying: { redirectPortInbound: 15006 },
    },
  })
})

test('new resources have the status of the peers', () => {
  assert.deepEqual(emptyStatus(workload), { dataplaneProxies: { connected: 0, healthy: 0, total: 0 } })
  assert.deepEqual(
    registry.all.filter((kind) => kind.status !== undefined).map((kind) => `${kind.type} ${JSON.stringify(emptyStatus(kind))}`),
    [
      'MeshExternalService {"vip":{}}',
      'MeshIdentity {}',
      'MeshMultiZoneService {}',
      'MeshOpenTelemetryBackend {}',
      'MeshService {"tls":{},"dataplaneProxies":{}}',
      'MeshTrust {}',
      'Workload {"dataplaneProxies":{"connected":0,"healthy":0,"total":0}}',
    ],
  )
  assert.equal(emptyStatus(mesh), undefined)
})

test('bodies: mesh defaults, status is ignored, strangers are listed', () => {
  const body = { type: 'Workload', name: 'w', spec: {}, status: { dataplaneProxies: { total: 5 } }, 'e\n': 1, creationTime: 'x' }
  const decoded = decodeRest(workload, body)
  assert.deepEqual([decoded.mesh, decoded.name, decoded.unknown], ['default', 'w', ['["e\\n"]']])
  assert.equal(decodeRest(workload, body, 'other').mesh, 'other')
  const flat = decodeRest(dataplane, { type: 'Other', name: 'd', networking: { address: '1.1.1.1' }, tags: {} })
  assert.deepEqual([flat.type, flat.unknown, flat.violations], ['Other', ['tags'], []])
  assert.deepEqual(decodeRest(zone, { type: 'Zone', name: 'z', spec: { enabled: false } }).spec, { enabled: false })
  assert.deepEqual(decodeRest(zone, { type: 'Zone', name: 'z', enabled: true, spec: { enabled: false } }).spec, { enabled: true })
})

test('bodies: what is wrong with an envelope, in the words of the peers', () => {
  const lines = (kind: ResourceDescriptor, body: unknown): readonly string[] =>
    decodeRest(kind, body).violations.map(({ field, message }) => (field === '' ? message : `${field} | ${message}`))
  assert.deepEqual(lines(workload, {}), ['.name in body is required', '.spec in body is required', '.type in body is required'])
  assert.deepEqual(lines(meshService, { type: 'Nope', name: 4, labels: { a: 1, b: null }, spec: { ports: 3 } }), [
    'labels.a in body must be of type string: "number"',
    'name in body must be of type string: "number"',
    'type in body should be one of [MeshService]',
    'spec.ports | in body must be of type array: "number"',
  ])
  assert.deepEqual(lines(mesh, { labels: [], mesh: {} }), [
    'json: cannot unmarshal array into Go struct field ResourceMeta.labels of type map[string]string',
    'json: cannot unmarshal object into Go struct field ResourceMeta.mesh of type string',
  ])
  for (const body of [5, null, [], undefined]) {
    assert.throws(
      () => decodeRest(mesh, body),
      (error: unknown) => hasCode(error, 'resource/undecodable'),
    )
  }
})

test('a label called __proto__ stays an ordinary label', () => {
  const body: unknown = JSON.parse('{"type":"Mesh","name":"m","labels":{"__proto__":"x"}}')
  const decoded = decodeRest(mesh, body)
  assert.deepEqual(Object.keys(decoded.labels), ['__proto__'])
  const bytes = encodeKdsResource(mesh, { name: 'm', mesh: '', labels: decoded.labels, spec: {} })
  assert.equal(Reflect.get({}, 'x'), undefined)
  assert.ok(bytes.length > 0)
})

test('KDS: an empty Mesh is an Any of no bytes, a JSON kind an Any without type', () => {
  const wire = namedCodec('kuma.mesh.v1alpha1.KumaResource')
  type Wire = {
    readonly spec?: { readonly typeUrl?: string; readonly value?: Uint8Array }
    readonly status?: { readonly value?: Uint8Array }
  }
  const empty = wire.decode(encodeKdsResource(mesh, { name: 'default', mesh: '', labels: {}, spec: {} })) as Wire
  assert.deepEqual(
    [empty.spec?.typeUrl, empty.spec?.value?.length ?? 0, empty.status],
    ['type.googleapis.com/kuma.mesh.v1alpha1.Mesh', 0, undefined],
  )
  const json = wire.decode(
    encodeKdsResource(workload, { name: 'w', mesh: 'default', labels: { b: '2', a: '1' }, spec: {}, status: { dataplaneProxies: {} } }),
  ) as Wire
  assert.deepEqual([json.spec?.typeUrl ?? '', Buffer.from(json.spec?.value ?? []).toString()], ['', '{}'])
  assert.equal(Buffer.from(json.status?.value ?? []).toString(), '{"dataplaneProxies":{}}')
})

test('KDS: a spec of another type, broken JSON and a wrong shape are told apart and name the resource', () => {
  const asSecret = encodeKdsResource(secret, { name: 's', mesh: 'm', labels: {}, spec: { data: 'YQ==' } })
  assert.throws(
    () => decodeKdsResource(dataplane, asSecret),
    (error: unknown) => hasCode(error, 'resource/undecodable') && error.details['name'] === 's',
  )
  const wire = namedCodec('kuma.mesh.v1alpha1.KumaResource')
  const packed = (spec: string): Uint8Array =>
    wire.encode({ meta: { name: 'x', mesh: 'm' }, spec: { typeUrl: '', value: Buffer.from(spec) } })
  assert.throws(
    () => decodeKdsResource(meshService, packed('{')),
    (error: unknown) => hasCode(error, 'resource/undecodable'),
  )
  assert.throws(
    () => decodeKdsResource(meshService, packed('{"ports":[{"port":"x"}]}')),
    (error: unknown) => hasCode(error, 'resource/invalid') && error.violations[0]?.field === 'spec.ports[0].port',
  )
  assert.deepEqual(decodeKdsResource(meshService, packed('{"State":"Available","newer":1}')).spec, { state: 'Available', selector: {} })
  assert.deepEqual(decodeKdsResource(meshService, packed('')).spec, { state: 'Unavailable', selector: {} })
})

test('a status that does not fit is left out, the spec stays', () => {
  const wire = namedCodec('kuma.mesh.v1alpha1.KumaResource')
  const bytes = wire.encode({
    meta: { name: 'x', mesh: 'm' },
    spec: { value: Buffer.from('{}') },
    status: { value: Buffer.from('{"vips":5}') },
  })
  assert.deepEqual(decodeKdsResource(meshService, bytes), {
    name: 'x',
    mesh: 'm',
    labels: {},
    spec: { state: 'Unavailable', selector: {} },
  })
})

test('YAML: several documents with lines, JSON, empty ones skipped', () => {
  const text = '# a\ntype: Mesh\nname: a\n---\n---\n{"type": "Mesh"}\n'
  assert.deepEqual(parseYamlDocuments(text), [
    { line: 2, value: { type: 'Mesh', name: 'a' } },
    { line: 6, value: { type: 'Mesh' } },
  ])
  assert.deepEqual(parseYamlDocuments(''), [])
  assert.deepEqual(parseYamlDocuments('norway: no\nbig: 0x10\n')[0]?.value, { norway: 'no', big: 16 })
})

test('YAML: syntax errors name their line; duplicate keys, bombs and huge files are refused', () => {
  const fails = (text: string, pattern: RegExp): void =>
    assert.throws(
      () => parseYamlDocuments(text),
      (error: unknown) => hasCode(error, 'resource/undecodable') && pattern.test(error.message),
    )
  fails('a: 1\n---\nb: [1\n', /^line \d/)
  fails('a: 1\na: 2\n', /^line 2/)
  fails(`a: &a [x]\n${Array.from({ length: 200 }, (_, i) => `k${i}: *a`).join('\n')}`, /alias/i)
  assert.throws(() => parseYamlDocuments('aaaa', { maxBytes: 3 }), /larger than 3 bytes/)
})

test('Kubernetes form: mesh label, namespace for namespaced kinds, Secrets as Secrets', () => {
  const meta = { mesh: 'm', name: 'x', labels: { a: 'b' }, ...times }
  assert.deepEqual(encodeKubernetes(workload, { type: 'Workload', ...meta, spec: {} }, 'ns'), {
    kind: 'Workload',
    apiVersion: 'kuma.io/v1alpha1',
    metadata: { name: 'x', namespace: 'ns', creationTimestamp: times.creationTime, labels: { a: 'b', 'kuma.io/mesh': 'm' } },
    spec: {},
  })
  const asSecret = encodeKubernetes(secret, { type: 'Secret', ...meta, spec: { data: 'YQ==' } }, 'ns')
  assert.deepEqual([asSecret['kind'], asSecret['type'], asSecret['data']], ['Secret', 'system.kuma.io/secret', { value: 'YQ==' }])
})
