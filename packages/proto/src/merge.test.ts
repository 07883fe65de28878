import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codec } from './codec.ts'
import { mergeMessages } from './merge.ts'

const cluster = codec('envoy.config.cluster.v3.Cluster')
const merge = (base: object, patch: object): unknown => {
  const name = 'envoy.config.cluster.v3.Cluster'
  return cluster.toJson(mergeMessages(name, cluster.fromJson(base), cluster.fromJson(patch)))
}

test('scalars are replaced, messages merged, lists joined', () => {
  assert.deepEqual(
    merge(
      {
        name: 'a',
        lbPolicy: 'RANDOM',
        circuitBreakers: { thresholds: [{ maxRetries: 1 }] },
        commonLbConfig: { healthyPanicThreshold: { value: 5 } },
      },
      { lbPolicy: 'MAGLEV', circuitBreakers: { thresholds: [{ maxRequests: 2 }] }, commonLbConfig: { ignoreNewHostsUntilFirstHc: true } },
    ),
    {
      name: 'a',
      lbPolicy: 'MAGLEV',
      circuitBreakers: { thresholds: [{ maxRetries: 1 }, { maxRequests: 2 }] },
      commonLbConfig: { healthyPanicThreshold: { value: 5 }, ignoreNewHostsUntilFirstHc: true },
    },
  )
})

test('durations are replaced as a whole, wrapped values too', () => {
  assert.deepEqual(
    merge({ connectTimeout: '5.5s', perConnectionBufferLimitBytes: 7 }, { connectTimeout: '3s', perConnectionBufferLimitBytes: 0 }),
    {
      connectTimeout: '3s',
      perConnectionBufferLimitBytes: 0,
    },
  )
})

test('a zero that cannot be told from absence changes nothing', () => {
  assert.deepEqual(merge({ name: 'a', lbPolicy: 'RANDOM' }, { name: '', lbPolicy: 'ROUND_ROBIN' }), { name: 'a', lbPolicy: 'RANDOM' })
})

test('a member of a oneof takes the place of the other', () => {
  assert.deepEqual(merge({ ringHashLbConfig: { minimumRingSize: 5 } }, { maglevLbConfig: { tableSize: 17 } }), {
    maglevLbConfig: { tableSize: '17' },
  })
})

test('maps are joined by key, and hostile keys are data', () => {
  const options = (type: string): object => ({ '@type': `type.googleapis.com/${type}` })
  const router = 'envoy.extensions.filters.http.router.v3.Router'
  assert.deepEqual(
    merge({ typedExtensionProtocolOptions: { a: options(router) } }, { typedExtensionProtocolOptions: { b: options(router) } }),
    { typedExtensionProtocolOptions: { a: options(router), b: options(router) } },
  )
  const base = { name: 'a', ...JSON.parse('{"__proto__": {"polluted": true}}') }
  mergeMessages('envoy.config.cluster.v3.Cluster', base, JSON.parse('{"__proto__": {"polluted": true}}'))
  assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false)
})

test('the inputs stay as they are, and unknown types are refused', () => {
  const base = Object.freeze({ name: 'a', aggregate: undefined })
  assert.notEqual(mergeMessages('envoy.config.cluster.v3.Cluster', base, { altStatName: 'b' }), base)
  assert.throws(() => mergeMessages('no.Such', {}, {}), /unknown message type/)
})
