import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readOtlpEnv } from './otlp-env.ts'
import { backendPlans, type Destination, type SignalPlan } from './signal-plan.ts'

const plan = (
  {
    env = {},
    signal = 'traces',
    ...backend
  }: { readonly env?: Readonly<Record<string, string>>; readonly signal?: 'traces' | 'logs' } & Record<string, unknown>,
  hostIp = '127.0.0.1',
): SignalPlan => {
  const variables = Object.fromEntries(Object.entries(env).map(([key, value]) => [`OTEL_EXPORTER_OTLP_${key}`, value]))
  const body = {
    backends: [
      {
        name: 'main',
        socketPath: '/w/kuma-otel-main.sock',
        endpoint: 'otel:4317',
        useHTTP: false,
        [signal]: { enabled: true },
        ...backend,
      },
    ],
  }
  const [found] = backendPlans(body, readOtlpEnv(variables), hostIp)
  assert.ok(found)
  return found.signals[signal]
}
const to = (...args: Parameters<typeof plan>): Destination => {
  const found = plan(...args)
  assert.ok('to' in found, JSON.stringify(found))
  return found.to
}
const why = (...args: Parameters<typeof plan>): string => {
  const found = plan(...args)
  assert.ok('unavailable' in found, JSON.stringify(found))
  return found.unavailable
}
const envFirst = { envPolicy: { mode: 'Optional', precedence: 'EnvFirst', allowSignalOverrides: true } }
const explicitFirst = { envPolicy: { mode: 'Optional', precedence: 'ExplicitFirst', allowSignalOverrides: true } }
const plain = { tls: false, headers: {}, gzip: false, timeoutMs: 10_000 }

describe('a signal', () => {
  test('goes where the backend says', () => {
    assert.deepEqual(to({}), { protocol: 'grpc', endpoint: 'otel:4317', path: '', ...plain })
    assert.deepEqual(to({ useHTTP: true, useHTTPS: true, path: '/base/' }), {
      protocol: 'http/protobuf',
      endpoint: 'otel:4317',
      path: '/base/v1/traces',
      ...plain,
      tls: true,
    })
    assert.equal(to({ endpoint: ':4317' }, '10.0.0.9').endpoint, '10.0.0.9:4317')
    assert.equal(to({ endpoint: ':4317' }, 'fd00::1').endpoint, '[fd00::1]:4317')
  })

  test('that no policy sends, or that lacks what is required, is refused with the reason', () => {
    assert.match(why({ traces: undefined }), /no policy/)
    assert.match(why({ traces: { enabled: true, missingFields: ['client_key'] } }), /client_key/)
    assert.match(why({ traces: { enabled: true, blockedReasons: ['RequiredEnvMissing'] } }), /not set/)
    assert.match(why({ endpoint: '' }), /no address/)
  })

  test('takes from the environment what a backend cannot say, and all of it only where the policy puts the environment first', () => {
    const env = {
      ENDPOINT: 'https://elsewhere:4318/in',
      PROTOCOL: 'http/protobuf',
      HEADERS: 'api-key=k',
      TIMEOUT: '500',
      COMPRESSION: 'gzip',
      CERTIFICATE: '/ca',
    }
    const added = { headers: { 'api-key': 'k' }, timeoutMs: 500, gzip: true, certificate: '/ca' }
    assert.deepEqual(to({ env, ...explicitFirst }), { protocol: 'grpc', endpoint: 'otel:4317', path: '', tls: false, ...added })
    assert.deepEqual(to({ env }), { protocol: 'grpc', endpoint: 'otel:4317', path: '', tls: false, ...added })
    assert.deepEqual(to({ env, ...envFirst }), {
      protocol: 'http/protobuf',
      endpoint: 'elsewhere:4318',
      path: '/in/v1/traces',
      tls: true,
      ...added,
    })
  })

  test('prefers its own variables, whose URL is used as it is', () => {
    const env = {
      ENDPOINT: 'http://all:4318',
      PROTOCOL: 'http/protobuf',
      HEADERS: 'a=1',
      TRACES_ENDPOINT: 'http://own:1/here',
      TRACES_HEADERS: 'b=2',
    }
    const { endpoint, path, headers } = to({ env, ...envFirst })
    assert.deepEqual([endpoint, path, headers], ['own:1', '/here', { b: '2' }])
    const blocked = to({ env, ...envFirst, traces: { enabled: true, blockedReasons: ['SignalOverridesBlocked'] } })
    assert.deepEqual([blocked.endpoint, blocked.path, blocked.headers], ['all:4318', '/v1/traces', { a: '1' }])
    const logs = to({ env, ...envFirst, signal: 'logs' })
    assert.deepEqual([logs.endpoint, logs.path], ['all:4318', '/v1/logs'])
  })

  for (const reason of ['EnvDisabledByPolicy', 'MultipleBackendsForSignal']) {
    test(`does not hear the environment: ${reason}`, () => {
      const env = { ENDPOINT: 'http://all:4318', HEADERS: 'a=1', TRACES_HEADERS: 'b=2' }
      const { endpoint, headers } = to({ env, ...envFirst, traces: { enabled: true, blockedReasons: [reason] } })
      assert.deepEqual([endpoint, headers], ['otel:4317', {}])
    })
  }

  test('is not led astray by values that make no sense', () => {
    const env = { ENDPOINT: 'http://h/path', PROTOCOL: 'http/json', TIMEOUT: '-1', COMPRESSION: 'zstd', HEADERS: ',,', CLIENT_KEY: '/k' }
    assert.deepEqual(to({ env, ...envFirst }), { protocol: 'grpc', endpoint: 'otel:4317', path: '', ...plain })
    assert.equal(to({ env: { TIMEOUT: '0' } }).timeoutMs, 10_000)
    assert.equal(to({ env: { INSECURE: 'false' }, ...envFirst }).tls, true)
    assert.equal(to({ env: { ENDPOINT: 'http://h:1', INSECURE: 'false' }, ...envFirst }).tls, false, 'the scheme says more')
  })
})

test('bodies that are none name no backend', () => {
  for (const body of [undefined, null, 1, 'x', {}, { backends: null }, { backends: [null, 1, {}, { name: 'a' }] }])
    assert.deepEqual(backendPlans(body, readOtlpEnv({}), ''), [])
})
