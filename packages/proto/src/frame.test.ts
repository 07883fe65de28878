import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { codec, contentHash, frame, str, wrap } from './index.ts'

const response = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse')
const plain = (bytes: Uint8Array): unknown => JSON.parse(JSON.stringify(response.decode(bytes)))
const resource = codec('envoy.service.discovery.v3.Resource')

it('puts together the very bytes that encoding makes', () => {
  const content = fc.record({ name: fc.string(), version: fc.string({ minLength: 1 }), value: fc.uint8Array({ maxLength: 20_000 }) })
  fc.assert(
    fc.property(fc.array(content, { maxLength: 5 }), fc.string({ minLength: 1 }), (contents, nonce) => {
      const well = nonce.toWellFormed()
      const resources = contents.map(({ name, version, value }) => ({
        name: name.toWellFormed(),
        version: version.toWellFormed(),
        resource: { typeUrl: 't', value },
      }))
      const framed = resources.map(({ name, version, resource: { value } }) =>
        wrap(2, [str(1, version), wrap(2, [str(1, 't'), frame(2, value)]), ...(name === '' ? [] : [str(3, name)])]),
      )
      const whole = response.encode({ resources, nonce: well })
      const joined = Buffer.concat([...framed, str(5, well)])
      if (contents.every(({ value }) => value.length > 0)) assert.equal(joined.toString('hex'), Buffer.from(whole).toString('hex'))
      assert.deepEqual(plain(joined), plain(whole))
    }),
  )
})

it('frames any length and field number', () => {
  for (const length of [0, 1, 127, 128, 16_383, 16_384, 2_097_152]) {
    const payload = new Uint8Array(length).fill(7)
    const bytes = frame(1, payload)
    assert.equal(codec('google.protobuf.BytesValue').decode(bytes).value?.length, length)
    assert.equal(bytes.buffer.byteLength, bytes.length)
  }
  assert.deepEqual([...str(16, 'a')], [0x82, 0x01, 1, 97])
  assert.equal(Buffer.from(resource.encode({ name: 'é' })).toString('hex'), Buffer.from(str(3, 'é')).toString('hex'))
})

it('frames any text', () => {
  const utf8 = new TextEncoder()
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.nat(0xffff), (text, unit) => {
      const any = `${text}${String.fromCharCode(unit)}`
      for (const each of ['', text, any]) assert.deepEqual([...str(3, each)], [...frame(3, utf8.encode(each))])
    }),
  )
})

it('hashes content to 32 hex digits', () => {
  assert.match(contentHash(new Uint8Array([1])), /^[0-9a-f]{32}$/)
  assert.notEqual(contentHash(new Uint8Array([1])), contentHash(new Uint8Array([2])))
  assert.equal(contentHash(new Uint8Array([1])), contentHash(Buffer.from([1])))
})
