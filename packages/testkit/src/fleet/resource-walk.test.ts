import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anyOf, codec, type MessageName, wrap } from '@weft/proto'
import { walkMessage } from './resource-walk.ts'

/** The references in a message, or undefined when it is refused. */
function walked(name: MessageName, bytes: Uint8Array): readonly string[] | undefined {
  const found: string[] = []
  try {
    walkMessage(name, bytes, (type, of) => found.push(`${type} ${of}`))
    return found
  } catch {
    return undefined
  }
}

function isDecodable(name: MessageName, bytes: Uint8Array): boolean {
  try {
    codec(name).decode(bytes)
    return true
  } catch {
    return false
  }
}

const listener = codec('envoy.config.listener.v3.Listener').encode({
  name: 'ein-hörender',
  address: { socketAddress: { address: '127.0.0.1', portValue: 443 } },
  metadata: { filterMetadata: { 'io.kuma.tags': { fields: { key: { stringValue: 'wért' }, count: { numberValue: 7 } } } } },
  perConnectionBufferLimitBytes: { value: 32_768 },
  filterChains: [{ name: 'first', filterChainMatch: { serverNames: ['a', 'b'] }, filters: [{ name: 'unconfigured' }] }, { name: 'second' }],
})

test('what is cut off or overwritten anywhere is refused exactly when decoding it would fail', () => {
  const name = 'envoy.config.listener.v3.Listener'
  for (let length = 0; length <= listener.length; length++) {
    const cut = listener.subarray(0, length)
    assert.equal(walked(name, cut) !== undefined, isDecodable(name, cut), `cut to ${length} of ${listener.length} bytes`)
  }
  for (let at = 0; at < listener.length; at++) {
    for (const byte of [0x00, 0x07, 0x0a, 0x7f, 0x80, 0xff]) {
      const changed = Uint8Array.from(listener)
      changed[at] = byte
      assert.equal(walked(name, changed) !== undefined, isDecodable(name, changed), `byte ${at} is ${byte}`)
    }
  }
})

test('references are found where the message says so, inside maps and nested extensions too', () => {
  const tls = { tlsCertificateSdsSecretConfigs: [{ name: 'identity', sdsConfig: { ads: {} } }, { name: 'from a file' }] }
  const cluster = codec('envoy.config.cluster.v3.Cluster').encode({
    name: 'a',
    typedExtensionProtocolOptions: {
      first: anyOf('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', { commonTlsContext: tls }),
    },
  })
  assert.deepEqual(walked('envoy.config.cluster.v3.Cluster', cluster), ['secret identity'])
})

test('a packed extension that is malformed names nothing, also not what stood before the fault', () => {
  const rds = { routeConfigName: 'routes', configSource: { ads: {} } }
  const http = anyOf('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', { statPrefix: 'a', rds })
  const filters = (value: Uint8Array): Uint8Array =>
    codec('envoy.config.listener.v3.Listener').encode({
      filterChains: [{ filters: [{ name: 'http', typedConfig: { typeUrl: http.typeUrl ?? '', value } }] }],
    })
  const whole = http.value ?? new Uint8Array(0)
  assert.deepEqual(walked('envoy.config.listener.v3.Listener', filters(whole)), ['route routes'])
  assert.deepEqual(walked('envoy.config.listener.v3.Listener', filters(Buffer.concat([whole, Buffer.from([0xff])]))), [])
})

test('a message that contains itself is read to a depth and no further', () => {
  let bytes: Uint8Array = codec('google.protobuf.Value').encode({ stringValue: 'end' })
  // Value.list_value 6, ListValue.values 1
  for (let depth = 0; depth < 200; depth++) bytes = wrap(6, [wrap(1, [bytes])])
  assert.equal(walked('google.protobuf.Value', bytes), undefined)
})
