import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AppError, hasCode } from '@weft/foundation/errors'
import { parseDataplane } from './dataplane-document.ts'

const document = (networking: unknown, more: object = {}): string =>
  JSON.stringify({ type: 'Dataplane', mesh: 'default', name: 'web-1', networking, ...more })
const message = (text: string): string => {
  try {
    parseDataplane(text)
  } catch (error) {
    if (error instanceof AppError) return `${error.code} ${error.message}`
  }
  return assert.fail('not refused')
}

describe('parseDataplane', () => {
  it('reads the flat form', () => {
    const text = document(
      { address: '10.0.0.1', inbound: [{ port: 80, name: 'http', protocol: 'http' }], admin: { port: 9902 } },
      { labels: { a: 'b' }, kri: 'kri_dp_default___web-1_', creationTime: '0001-01-01T00:00:00Z' },
    )
    assert.deepEqual(parseDataplane(text), {
      mesh: 'default',
      name: 'web-1',
      labels: { a: 'b' },
      spec: { networking: { address: '10.0.0.1', inbound: [{ port: 80, name: 'http', protocol: 'http' }], admin: { port: 9902 } } },
    })
  })

  it('takes the protocol from the tags of older launchers, and only where there is none', () => {
    const tags = { 'kuma.io/service': 'web', 'kuma.io/protocol': 'http' }
    const { spec } = parseDataplane(
      document({
        address: '10.0.0.1',
        inbound: [
          { port: 80, tags },
          { port: 81, tags, protocol: 'grpc' },
          { port: 82, tags: { 'kuma.io/service': 'x' } },
        ],
      }),
    )
    assert.deepEqual(spec.networking?.inbound, [{ port: 80, protocol: 'http' }, { port: 81, protocol: 'grpc' }, { port: 82 }])
  })

  const refusals: [string, string, RegExp][] = [
    ['no JSON', '{', /^resource\/undecodable .*not JSON/],
    ['a list', '[]', /^resource\/undecodable .*not a JSON object/],
    ['another kind', JSON.stringify({ type: 'Mesh', name: 'x' }), /^resource\/undecodable .*"Mesh"/],
    ['no networking', document(undefined), /^resource\/invalid networking: must be defined/],
    ['networking of another type', document(5), /^resource\/invalid networking/],
    ['labels of another type', document({ address: '10.0.0.1' }, { labels: { a: 1 } }), /^resource\/invalid labels/],
    ['a name that is none', document({ address: '10.0.0.1' }, { name: '../x' }), /^resource\/invalid name/],
    ['no mesh', document({ address: '10.0.0.1' }, { mesh: '' }), /^resource\/invalid mesh/],
    ['too much', document({ address: 'x'.repeat(300_000) }), /^resource\/undecodable .*too large/],
  ]
  for (const [name, text, expected] of refusals) it(`refuses ${name}`, () => assert.match(message(text), expected))

  it('is not confused by names of properties', () => {
    const text = document({ address: '10.0.0.1' }).replace(
      '{"type"',
      '{"labels":{"__proto__":"x","constructor":"y"},"__proto__":{"type":"Dataplane"},"type"',
    )
    const { labels } = parseDataplane(text)
    assert.equal(Object.getPrototypeOf(labels), Object.prototype)
    assert.deepEqual(Object.keys(labels).sort(), ['__proto__', 'constructor'])
  })

  it('gives a document or an AppError for any JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (networking) => {
        try {
          parseDataplane(document(networking))
        } catch (error) {
          assert.ok(hasCode(error, 'resource/invalid') || hasCode(error, 'resource/undecodable'), String(error))
        }
      }),
    )
  })
})
