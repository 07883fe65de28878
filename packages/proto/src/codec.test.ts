import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import {
  anyName,
  anyOf,
  codec,
  decodeAny,
  enumValues,
  fullRoot,
  type Messages,
  namedCodec,
  prunedRoot,
  toNumber,
  unpackAny,
  warm,
} from './index.ts'

const cluster = codec('envoy.config.cluster.v3.Cluster')
const listener = codec('envoy.config.listener.v3.Listener')
/** Collects all garbage at once. */
function collector(): () => void {
  setFlagsFromString('--expose-gc')
  // what the flag makes exists in contexts that begin after it
  return runInNewContext('gc') as () => void
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('codec', () => {
  const value: Messages['envoy.config.cluster.v3.Cluster'] = {
    name: 'web',
    type: enumValues('envoy.config.cluster.v3.Cluster.DiscoveryType').EDS,
    connectTimeout: { seconds: 5, nanos: 250_000_000 },
    perConnectionBufferLimitBytes: { value: 32_768 },
    edsClusterConfig: { edsConfig: { ads: {}, resourceApiVersion: 2 } },
    metadata: { filterMetadata: { 'io.kuma.tags': { fields: { version: { stringValue: 'v1' }, weight: { numberValue: 3 } } } } },
    typedExtensionProtocolOptions: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': anyOf('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
        explicitHttpConfig: { http2ProtocolOptions: {} },
      }),
    },
  }

  it('reads texts of every length and alphabet as they were written', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 80 }),
      fc.string({ unit: 'binary', maxLength: 40 }).map((any) => any.toWellFormed()),
    )
    fc.assert(
      fc.property(text, text, (name, altStatName) => {
        const { name: readName, altStatName: readOther } = cluster.decode(cluster.encode({ name, altStatName }))
        assert.deepEqual([readName || '', readOther || ''], [name, altStatName])
      }),
    )
  })

  it('keeps a text in one piece of memory', () => {
    const texts = Array.from({ length: 2_000 }, (_, index) => `a-name-of-40-characters-number-${String(index).padStart(9, '0')}`)
    const bytes = texts.map((name) => cluster.encode({ name }))
    const gc = collector()
    const kept: (string | undefined)[] = []
    gc()
    const before = process.memoryUsage().heapUsed
    for (const each of bytes) kept.push(cluster.decode(each).name)
    gc()
    const each = (process.memoryUsage().heapUsed - before) / texts.length
    assert.deepEqual(kept, texts)
    // 40 characters and a header of 16 bytes, and the place in the list; in pieces it would be over 250
    assert.ok(each < 150, `${each.toFixed(0)} bytes for each text`)
  })

  it('brings a message through its wire form and its JSON', () => {
    const bytes = cluster.encode(value)
    const decoded = cluster.decode(bytes)
    assert.equal(hex(cluster.encode(decoded)), hex(bytes))
    const json = cluster.toJson(decoded)
    assert.deepEqual(json, {
      name: 'web',
      type: 'EDS',
      edsClusterConfig: { edsConfig: { ads: {}, resourceApiVersion: 'V3' } },
      connectTimeout: '5.250s',
      perConnectionBufferLimitBytes: 32_768,
      metadata: { filterMetadata: { 'io.kuma.tags': { version: 'v1', weight: 3 } } },
      typedExtensionProtocolOptions: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          explicitHttpConfig: { http2ProtocolOptions: {} },
        },
      },
    })
    assert.equal(hex(cluster.encode(cluster.fromJson(json))), hex(bytes))
  })

  it('reads field names in either spelling', () => {
    const snake = cluster.fromJson({ connect_timeout: '1s', eds_cluster_config: { eds_config: { ads: {} } } })
    const camel = cluster.fromJson({ connectTimeout: '1s', edsClusterConfig: { edsConfig: { ads: {} } } })
    assert.equal(hex(cluster.encode(snake)), hex(cluster.encode(camel)))
  })

  it('reads what is unset as undefined', () => {
    const decoded = cluster.decode(new Uint8Array(0))
    assert.equal(decoded.connectTimeout, undefined)
    assert.equal(decoded.type, undefined)
    assert.equal(decoded.name, '')
    assert.deepEqual(decoded.healthChecks, [])
  })

  it('hands out bytes of their own', () => {
    const bytes = cluster.encode(value)
    assert.equal(bytes.buffer.byteLength, bytes.length)
  })

  it('encodes frozen values', () => {
    assert.equal(hex(cluster.encode(Object.freeze({ name: 'a' }))), '0a0161')
  })

  it('keeps 64-bit integers whole', () => {
    const stats = codec('kuma.system.v1alpha1.KDSServiceStats')
    const decoded = stats.fromJson({ responsesSent: '18446744073709551615' })
    assert.deepEqual(stats.toJson(stats.decode(stats.encode(decoded))), { responsesSent: '18446744073709551615' })
    assert.equal(toNumber(stats.decode(stats.encode({ responsesSent: 7 })).responsesSent), 7)
    assert.equal(toNumber({ low: -1, high: -1, unsigned: false }), -1)
    assert.equal(toNumber(undefined), 0)
  })

  it('compiles types ahead', () => {
    warm(['envoy.config.listener.v3.Listener'])
    assert.equal(hex(listener.encode({ name: 'l' })), '0a016c')
  })

  it('says what encoding would swallow', () => {
    const faults: readonly (readonly [unknown, RegExp | undefined])[] = [
      [value, undefined],
      [{ nmae: 'x' }, /^nmae: .* has no such field/],
      [{ connect_timeout: {} }, /no such field/],
      [{ type: 'EDS' }, /^type: expected a number/],
      [{ type: 99 }, /^type: expected a number/],
      [{ type: 3, clusterType: {} }, /^clusterType: type is set too/],
      [{ connectTimeout: { seconds: 1n } }, /^connectTimeout.seconds: expected a 64-bit integer/],
      [{ perConnectionBufferLimitBytes: { value: 2 ** 32 } }, /value: expected an integer from 0/],
      [{ healthChecks: [{ timeout: {} }, { timeout: 'x' }] }, /^healthChecks\[1\]\.timeout: expected a message/],
      [{ metadata: { filterMetadata: { a: 1 } } }, /^metadata\.filterMetadata\["a"\]: expected a message/],
      ['x', /expected a message/],
    ]
    for (const [input, fault] of faults) {
      const found = cluster.verify(input)
      if (fault === undefined) assert.equal(found, undefined)
      else assert.match(found ?? '', fault)
    }
  })
})

describe('hostile input', () => {
  it('is refused as undecodable', () => {
    const inputs: readonly (readonly [string, () => unknown])[] = [
      ['truncated', () => cluster.decode(Buffer.from('0a05', 'hex'))],
      ['field zero', () => cluster.decode(Buffer.from('0001', 'hex'))],
      ['bad UTF-8', () => cluster.decode(Buffer.from('0a02c328', 'hex'))],
      ['unknown JSON field', () => cluster.fromJson({ nmae: 'x' })],
      ['unknown enum name', () => cluster.fromJson({ type: 'NOPE' })],
      ['wrong JSON kind', () => cluster.fromJson({ name: 1 })],
      ['no object', () => cluster.fromJson([])],
      ['two members of a oneof', () => cluster.fromJson({ type: 'EDS', clusterType: { name: 'x' } })],
      ['unknown Any', () => listener.fromJson({ filterChains: [{ filters: [{ typedConfig: { '@type': 'type.googleapis.com/a.B' } }] }] })],
      [
        'short name in an Any',
        () => listener.fromJson({ filterChains: [{ filters: [{ typedConfig: { '@type': 'type.googleapis.com/SocketAddress' } }] }] }),
      ],
      ['unknown type', () => namedCodec('__proto__')],
      ['unknown type in an Any', () => decodeAny({ typeUrl: 'type.googleapis.com/constructor', value: new Uint8Array(0) })],
    ]
    for (const [name, read] of inputs) assert.throws(read, { code: 'resource/undecodable' }, name)
  })

  it('does not nest without end', () => {
    let nested: Uint8Array = new Uint8Array(0)
    const struct = codec('google.protobuf.Value')
    for (let depth = 0; depth < 500; depth++) {
      const list = Buffer.concat([Buffer.from([0x0a]), varint(nested.length), nested])
      nested = Buffer.concat([Buffer.from([0x32]), varint(list.length), list])
    }
    assert.throws(() => struct.decode(nested), { code: 'resource/undecodable' })
    let json: unknown = 1
    for (let depth = 0; depth < 500; depth++) json = [json]
    assert.throws(() => struct.fromJson(json), { code: 'resource/undecodable' })
  })

  it('never reaches a prototype', () => {
    const request = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest')
    const decoded = request.decode(
      request.encode(request.fromJson(JSON.parse('{"initialResourceVersions":{"__proto__":"1","constructor":"2"}}'))),
    )
    assert.deepEqual(Object.entries(decoded.initialResourceVersions ?? {}), [
      ['__proto__', '1'],
      ['constructor', '2'],
    ])
    assert.equal(Object.getPrototypeOf({}), Object.prototype)
    assert.throws(() => cluster.fromJson(JSON.parse('{"__proto__":{}}')), { code: 'resource/undecodable' })
  })

  it('throws nothing but its own errors on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          cluster.toJson(cluster.decode(bytes))
        } catch (error) {
          assert.ok(error instanceof Error)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('leaves no trace of unknown Any types', () => {
    const before = prunedRoot().types.size
    for (let i = 0; i < 100; i++) {
      assert.throws(() => listener.fromJson({ filterChains: [{ filters: [{ typedConfig: { '@type': `type.googleapis.com/x.Y${i}` } }] }] }))
    }
    assert.equal(prunedRoot().types.size, before)
  })

  it('drops what the schema lacks when asked to', () => {
    assert.equal(cluster.fromJson({ name: 'a', nope: 1, type: 'NOPE' }, { ignoreUnknown: true }).name, 'a')
  })
})

describe('Any', () => {
  it('is packed and unpacked by exact name', () => {
    const any = anyOf('envoy.extensions.filters.http.lua.v3.Lua', { statPrefix: 's' })
    assert.equal(any.typeUrl, 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua')
    assert.equal(anyName(any), 'envoy.extensions.filters.http.lua.v3.Lua')
    assert.equal(unpackAny(any, 'envoy.extensions.filters.http.lua.v3.Lua')?.statPrefix, 's')
    assert.equal(unpackAny(any, 'envoy.extensions.filters.http.router.v3.Router'), undefined)
    assert.equal(unpackAny(undefined, 'envoy.extensions.filters.http.router.v3.Router'), undefined)
  })

  it('holds an empty message in its canonical JSON', () => {
    const any = codec('google.protobuf.Any')
    const json = { '@type': 'type.googleapis.com/google.protobuf.Empty', value: {} }
    assert.deepEqual(any.toJson(any.fromJson(json)), json)
  })

  it('may hold messages of other sets inside one of those that control planes exchange', () => {
    const any = codec('google.protobuf.Any')
    for (const [name, body] of [
      ['kuma.mesh.v1alpha1.Mesh', {}],
      ['envoy.config.cluster.v3.Cluster', { name: 'a' }],
      ['envoy.extensions.filters.http.ext_authz.v3.ExtAuthz', { statPrefix: 'x' }],
    ] as const) {
      const json = { '@type': `type.googleapis.com/${name}`, ...body }
      assert.deepEqual(any.toJson(any.decode(any.encode(any.fromJson(json)))), json)
    }
    const inEnvoy = { '@type': 'type.googleapis.com/kuma.mesh.v1alpha1.Mesh' }
    const withKuma = { filterChains: [{ filters: [{ name: 'f', typedConfig: inEnvoy }] }] }
    assert.deepEqual(listener.toJson(listener.fromJson(withKuma)), withKuma)
  })

  it('may hold any message of Envoy, also in JSON', () => {
    const name = 'envoy.extensions.filters.http.ext_authz.v3.ExtAuthz'
    assert.equal(prunedRoot().types.has(name), false)
    const typedConfig = { '@type': `type.googleapis.com/${name}`, statPrefix: 'x' }
    const json = { filterChains: [{ filters: [{ name: 'f', typedConfig }] }] }
    assert.deepEqual(listener.toJson(listener.decode(listener.encode(listener.fromJson(json)))), json)
    const any = listener.fromJson(json).filterChains?.[0]?.filters?.[0]?.typedConfig
    assert.equal(any === undefined ? '' : decodeAny(any).name, name)
    assert.ok(fullRoot().types.size > 1_500)
  })
})

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  bytes.push(rest)
  return Buffer.from(bytes)
}
