import assert from 'node:assert/strict'
import { test } from 'node:test'
import { anyOf } from '@weft/proto'
import { simulatedTypeUrls, summarise } from './envoy-resource.ts'
import { assignment, cluster, listener, route, secret } from './testing/scripted-server.ts'

test('a cluster names its load assignment and secrets, and tells its connect timeout', () => {
  const { any } = cluster('backend', { connectTimeoutMs: 3007, secrets: ['identity', 'identity', 'trust'] })
  assert.deepEqual(summarise('cluster', any), {
    references: { endpoint: ['backend'], secret: ['identity', 'trust'], route: [] },
    connectTimeoutMs: 3007,
    preferredEndpoints: 0,
  })
})

test('a cluster with a service name of its own is discovered under that; a static one not at all', () => {
  const named = anyOf('envoy.config.cluster.v3.Cluster', {
    name: 'a',
    type: 3,
    edsClusterConfig: { edsConfig: { ads: {} }, serviceName: 'b' },
  })
  assert.deepEqual(summarise('cluster', named).references.endpoint, ['b'])
  assert.deepEqual(summarise('cluster', anyOf('envoy.config.cluster.v3.Cluster', { name: 'a', type: 0 })).references.endpoint, [])
})

test('a listener names the secrets and routes its filter chains need, also inside packed filters', () => {
  const { references } = summarise('listener', listener('inbound', { secrets: ['identity'], route: 'routes' }).any)
  assert.deepEqual(references, { endpoint: [], secret: ['identity'], route: ['routes'] })
})

test('a secret that is not fetched from the control plane is no reference', () => {
  const context = anyOf('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
    commonTlsContext: { tlsCertificateSdsSecretConfigs: [{ name: 'static' }] },
  })
  const any = anyOf('envoy.config.listener.v3.Listener', {
    name: 'inbound',
    filterChains: [{ transportSocket: { name: 'tls', typedConfig: context } }],
  })
  assert.deepEqual(summarise('listener', any).references.secret, [])
})

test('an endpoint is preferred when Envoy would call it healthy', () => {
  // UNKNOWN, HEALTHY, UNHEALTHY, DRAINING, TIMEOUT, DEGRADED (envoy.config.core.v3.HealthStatus)
  assert.equal(summarise('endpoint', assignment('a', [0, 1, 2, 3, 4, 5]).any).preferredEndpoints, 2)
  assert.equal(summarise('endpoint', assignment('a', []).any).preferredEndpoints, 0)
})

test('an extension nobody knows holds no reference and is no reason to refuse', () => {
  const strange = { typeUrl: 'type.googleapis.com/example.Strange', value: new Uint8Array([1, 2, 3]) }
  const any = anyOf('envoy.config.listener.v3.Listener', {
    name: 'inbound',
    filterChains: [{ filters: [{ name: 'strange', typedConfig: strange }] }],
  })
  assert.deepEqual(summarise('listener', any).references, { endpoint: [], secret: [], route: [] })
})

test('bytes that are no such message are refused, whatever the type', () => {
  for (const type of ['cluster', 'endpoint', 'secret', 'listener', 'route'] as const)
    assert.throws(
      () => summarise(type, { typeUrl: simulatedTypeUrls[type], value: new Uint8Array([0xff, 0xff, 0xff]) }),
      /cannot be decoded/,
    )
})

test('names of object members are names like any other', () => {
  const { references } = summarise('cluster', cluster('__proto__', { secrets: ['constructor'] }).any)
  assert.deepEqual(references, { endpoint: ['__proto__'], secret: ['constructor'], route: [] })
})

test('equal bytes are read once, different types of equal bytes are not mixed up', () => {
  const any = cluster('same', { connectTimeoutMs: 1234 }).any
  assert.equal(summarise('cluster', any), summarise('cluster', { ...any }))
  assert.notEqual(summarise('secret', secret('x').any), summarise('route', route('x').any))
})
