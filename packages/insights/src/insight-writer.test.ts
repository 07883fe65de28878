import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock, timestamp } from '@weft/foundation/time'
import { createMemoryStore, type Store, strictStore } from '@weft/store'
import { createInsightWriter } from './insight-writer.ts'
import { createMeshInsights } from './mesh-insights.ts'
import { isOnline } from './subscriptions.ts'

const api = { actor: 'user:test', reason: 'api', class: 'desired' } as const
const turn = () => new Promise(setImmediate)

function setUp(mode: 'global' | 'zone' = 'zone') {
  const clock = new FakeClock()
  const store = strictStore(createMemoryStore({ clock, log: silentLogger }))
  const writer = createInsightWriter({ store, clock, log: silentLogger, mode, instanceId: 'cp-1', version: '3.0.0' })
  return { clock, store, writer }
}

const put = (type: string, name: string, mesh = 'm', spec: unknown = {}) =>
  ({ op: 'put', resource: { type, mesh, name, labels: { 'kuma.io/zone': 'east' }, spec } }) as const
const insight = (store: Store, name = 'dp') => store.get({ type: 'DataplaneInsight', mesh: 'm', name })
// insights are plain JSON objects
const spec = (store: Store, name = 'dp') =>
  insight(store, name)?.spec as { subscriptions: Record<string, unknown>[]; mTLS: Record<string, unknown> }
const zoneSpec = (store: Store) =>
  store.get({ type: 'ZoneInsight', mesh: '', name: 'east' })?.spec as Record<string, never> & { subscriptions: Record<string, unknown>[] }

function connect(env: ReturnType<typeof setUp>, id: string, name = 'dp'): void {
  env.writer.proxies.connected(
    { mesh: 'm', name },
    { id, connectTime: timestamp(env.clock.now()), version: { kumaDp: { version: '3.0.0' } }, metadata: { features: ['a'] } },
  )
}

it('a first change is written in the same turn, more of them within 100 ms, counters after ten seconds at most', async () => {
  const env = setUp()
  const { store, clock, writer } = env
  await writer.start()
  await store.transact([put('Dataplane', 'dp')], api)
  connect(env, 's1')
  await turn()
  assert.ok(isOnline(insight(store)?.spec))
  assert.equal(insight(store)?.labels['kuma.io/zone'], 'east')
  const seq = store.seq
  for (let n = 0; n < 100; n += 1) {
    writer.proxies.responseCounted({ mesh: 'm', name: 'dp' }, 's1', { type: 'cds', outcome: 'sent' })
    writer.proxies.responseCounted({ mesh: 'm', name: 'dp' }, 's1', { type: 'other', outcome: 'acknowledged' })
  }
  await turn()
  assert.equal(store.seq, seq, 'counters wait')
  clock.advance(10_000)
  await turn()
  assert.equal(store.seq, seq + 1)
  const status = spec(store).subscriptions[0]?.['status'] as Record<string, unknown>
  assert.deepEqual(status['total'], { responsesSent: '100', responsesAcknowledged: '100' })
  assert.deepEqual(status['cds'], { responsesSent: '100' })
  writer.proxies.disconnected({ mesh: 'm', name: 'dp' }, 's1', timestamp(clock.now()))
  await turn()
  clock.advance(100)
  await turn()
  assert.equal(isOnline(insight(store)?.spec), false)
  await writer.stop()
})

it('counters that are due wait while proxies are being served, and a second at most', async () => {
  const env = setUp()
  const { store, clock, writer } = env
  await writer.start()
  await store.transact([put('Dataplane', 'dp')], api)
  connect(env, 's1')
  await turn()
  const count = () => writer.proxies.responseCounted({ mesh: 'm', name: 'dp' }, 's1', { type: 'cds', outcome: 'sent' })
  const sent = () => {
    const status = spec(store).subscriptions[0]?.['status'] as Record<string, Record<string, unknown>> | undefined
    return status?.['cds']?.['responsesSent']
  }
  const step = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await turn()
  }
  count()
  await step(9950)
  count()
  await step(50)
  assert.equal(sent(), undefined, 'due, but a proxy was served just now')
  await step(49)
  assert.equal(sent(), undefined)
  await step(1)
  assert.equal(sent(), '2')
  count()
  await step(9950)
  for (let n = 0; n < 20; n += 1) {
    count()
    await step(50)
    assert.equal(sent(), '2')
  }
  count()
  await step(50)
  assert.equal(sent(), '24', 'a second has passed')
  assert.equal(clock.pending, 0)
  await writer.stop()
})

it('who connects is written alone: the counters of others wait for their time', async () => {
  const env = setUp()
  const { store, clock, writer } = env
  await writer.start()
  await store.transact([put('Dataplane', 'dp'), put('Dataplane', 'new')], api)
  connect(env, 's1')
  await turn()
  const count = (id: string, name: string) => writer.proxies.responseCounted({ mesh: 'm', name }, id, { type: 'cds', outcome: 'sent' })
  const sent = (name: string) => (spec(store, name).subscriptions[0]?.['status'] as Record<string, unknown> | undefined)?.['cds']
  count('s1', 'dp')
  clock.advance(1000)
  connect(env, 's2', 'new')
  count('s2', 'new')
  await turn()
  assert.deepEqual(sent('new'), { responsesSent: '1' }, 'what is counted by then goes along')
  assert.deepEqual(sent('dp'), {})
  clock.advance(9000)
  await turn()
  assert.deepEqual(sent('dp'), { responsesSent: '1' })
  await writer.stop()
})

it('a rejection is written at once', async () => {
  const env = setUp()
  await env.writer.start()
  await env.store.transact([put('Dataplane', 'dp')], api)
  connect(env, 's1')
  env.writer.proxies.responseCounted({ mesh: 'm', name: 'dp' }, 's1', { type: 'lds', outcome: 'rejected' })
  await turn()
  assert.deepEqual(
    spec(env.store)
      .subscriptions.map((found) => found['status'])
      .map((status) => (status as Record<string, unknown>)['lds'])[0],
    { responsesRejected: '1' },
  )
  await env.writer.stop()
})

it('two subscriptions are kept, and a late end of an old stream does not end the new one', async () => {
  const env = setUp()
  await env.writer.start()
  await env.store.transact([put('Dataplane', 'dp')], api)
  for (const id of ['s1', 's2', 's3']) connect(env, id)
  env.writer.proxies.disconnected({ mesh: 'm', name: 'dp' }, 's2', '2030-01-01T00:00:00.000Z')
  env.writer.proxies.disconnected({ mesh: 'm', name: 'dp' }, 's1', '2030-01-01T00:00:00.000Z')
  await turn()
  assert.deepEqual(
    spec(env.store).subscriptions.map((found) => [found['id'], found['disconnectTime'] !== undefined]),
    [
      ['s2', true],
      ['s3', false],
    ],
  )
  assert.ok(isOnline(insight(env.store)?.spec))
  await env.writer.stop()
})

it('certificates are counted', async () => {
  const env = setUp()
  await env.writer.start()
  await env.store.transact([put('Dataplane', 'dp')], api)
  connect(env, 's1')
  const identity = {
    certificateExpirationTime: '2026-02-01T00:00:00Z',
    lastCertificateRegeneration: '2026-01-01T00:00:00Z',
    issuedBackend: 'kri_mid_m_east__i_',
    supportedBackends: ['kri_mtrust_m_east__i_'],
  }
  env.writer.proxies.identityIssued({ mesh: 'm', name: 'dp' }, identity)
  env.writer.proxies.identityIssued({ mesh: 'm', name: 'dp' }, identity)
  await turn()
  assert.deepEqual(spec(env.store).mTLS, { ...identity, certificateRegenerations: 2 })
  await env.writer.stop()
})

it('an insight waits for its Dataplane and goes with it', async () => {
  const env = setUp()
  await env.writer.start()
  connect(env, 's1')
  await turn()
  assert.equal(insight(env.store), undefined)
  await env.store.transact([put('Dataplane', 'dp')], api)
  await turn()
  assert.ok(insight(env.store))
  await env.store.transact([{ op: 'delete', key: { type: 'Dataplane', mesh: 'm', name: 'dp' } }], api)
  await turn()
  assert.equal(insight(env.store), undefined)
  env.writer.proxies.disconnected({ mesh: 'm', name: 'dp' }, 's1', '2030-01-01T00:00:00.000Z')
  await turn()
  assert.equal(insight(env.store), undefined, 'a late event does not bring it back')
  await env.writer.stop()
})

it('subscriptions an earlier process left open are ended after a grace, those that came back are not', async () => {
  const env = setUp()
  const left = { subscriptions: [{ id: 'old', controlPlaneInstanceId: 'cp-0', connectTime: '2026-01-01T00:00:00Z' }] }
  await env.store.transact(
    [
      put('Dataplane', 'dp'),
      put('Dataplane', 'gone'),
      put('DataplaneInsight', 'dp', 'm', left),
      put('DataplaneInsight', 'gone', 'm', left),
    ],
    api,
  )
  await env.writer.start()
  connect(env, 's1')
  env.clock.advance(10_000)
  await turn()
  assert.ok(isOnline(insight(env.store, 'dp')?.spec))
  assert.equal(isOnline(insight(env.store, 'gone')?.spec), false)
  await env.writer.stop()
})

it('what many proxies left open is ended workload by workload, and others get their turn meanwhile', async () => {
  const { store, clock, writer } = setUp()
  const workloads = 20
  const workloadOf = (name: string): string => `w-${Number(name.slice(3)) % workloads}`
  const open = { subscriptions: [{ id: 's', controlPlaneInstanceId: 'cp-0', connectTime: timestamp(0) }] }
  const names = Array.from({ length: 1000 }, (_, n) => `dp-${n}`)
  const dataplane = (name: string) => ({
    op: 'put' as const,
    resource: { type: 'Dataplane', mesh: 'm', name, labels: { 'kuma.io/workload': workloadOf(name) }, spec: {} },
  })
  await store.transact(
    names.flatMap((name) => [dataplane(name), put('DataplaneInsight', name, 'm', open)]),
    api,
  )
  await writer.start()
  const writes: number[] = []
  store.watch(store.seq, (changes) => writes.push(new Set(changes.map(({ key }) => workloadOf(key.name))).size))
  clock.advance(10_000)
  await Promise.resolve()
  let turns = 0
  while (names.some((name) => isOnline(insight(store, name)?.spec))) {
    await turn()
    turns += 1
  }
  assert.ok(turns >= writes.length, `${turns} turns for ${writes.length} writes`)
  const counted = writes.reduce((sum, each) => sum + each, 0)
  assert.ok(counted < workloads + writes.length, `workloads are counted anew ${counted} times`)
})

it('global leaves the insights of the zones alone', async () => {
  const env = setUp('global')
  const left = { subscriptions: [{ id: 'old', controlPlaneInstanceId: 'zone-cp', connectTime: '2026-01-01T00:00:00Z' }] }
  await env.store.transact([put('Dataplane', 'dp'), put('DataplaneInsight', 'dp', 'm', left)], api)
  await env.writer.start()
  env.clock.advance(60_000)
  await turn()
  assert.ok(isOnline(insight(env.store)?.spec))
  await env.writer.stop()
})

it('a zone: subscriptions, statistics, streams and configuration', async () => {
  const env = setUp('global')
  const { store, writer } = env
  await writer.start()
  await store.transact([put('Zone', 'east', '')], api)
  const { zones } = writer
  zones.subscriptionOpened({ zone: 'east', id: 'k1', connectTime: '2026-01-01T00:00:00Z', authTokenProvided: true })
  zones.subscriptionDescribed('east', 'k1', {
    version: { version: '3.1.0', gitTag: 't', gitCommit: 'c', buildDate: 'b' },
    config: '{"store":{"type":"memory"}}',
    instanceId: 'z-1',
  })
  zones.streamOpened('east', 'globalToZone', '2026-01-01T00:00:00Z')
  zones.streamOpened('east', 'stats', '2026-01-01T00:00:00Z')
  zones.responseCounted('east', 'k1', 'MeshTimeout', 'sent')
  zones.responseCounted('east', 'k1', '__proto__', 'sent')
  zones.healthChecked('east', '2026-01-01T00:00:01Z')
  await turn()
  const found = zoneSpec(store)
  assert.equal(
    JSON.stringify(found.subscriptions[0]),
    JSON.stringify({
      id: 'k1',
      connectTime: '2026-01-01T00:00:00Z',
      globalInstanceId: 'cp-1',
      authTokenProvided: true,
      status: {
        lastUpdateTime: '2026-01-01T00:00:00.000Z',
        total: { responsesSent: '2' },
        stat: JSON.parse('{"MeshTimeout":{"responsesSent":"1"},"__proto__":{"responsesSent":"1"}}'),
      },
      version: { kumaCp: { version: '3.1.0', gitTag: 't', gitCommit: 'c', buildDate: 'b', kumaCpGlobalCompatible: true } },
      config: '{"store":{"type":"memory"}}',
      zoneInstanceId: 'z-1',
    }),
  )
  assert.deepEqual(found['envoyAdminStreams'], { statsGlobalInstanceId: 'cp-1' })
  assert.deepEqual(Object.keys(found['kdsStreams'] ?? {}), ['globalToZone', 'stats'])
  assert.deepEqual(found['healthCheck'], { time: '2026-01-01T00:00:01Z' })
  zones.streamClosed('east', 'stats', '')
  zones.subscriptionClosed('east', 'k1', '2026-01-01T00:00:02Z')
  await turn()
  assert.deepEqual(zoneSpec(store)['envoyAdminStreams'], {})
  assert.equal(isOnline(zoneSpec(store)), false)
  zones.subscriptionReopened('east', 'gone')
  await turn()
  assert.equal(isOnline(zoneSpec(store)), false)
  zones.subscriptionReopened('east', 'k1')
  await turn()
  assert.equal(isOnline(zoneSpec(store)), true)
  assert.equal(zoneSpec(store).subscriptions.length, 1)
  for (let n = 0; n < 14; n += 1)
    zones.subscriptionOpened({ zone: 'east', id: `n${n}`, connectTime: '2026-01-01T00:00:03Z', authTokenProvided: false })
  await turn()
  assert.equal(zoneSpec(store).subscriptions.length, 10)
  await writer.stop()
})

it('configuration that is no JSON is left out', async () => {
  const { store, writer } = setUp('global')
  await writer.start()
  await store.transact([put('Zone', 'east', '')], api)
  writer.zones.subscriptionOpened({ zone: 'east', id: 'k1', connectTime: '2026-01-01T00:00:00Z', authTokenProvided: false })
  writer.zones.subscriptionDescribed('east', 'k1', {
    version: { version: 'x', gitTag: '', gitCommit: '', buildDate: '' },
    config: '{broken',
    instanceId: '',
  })
  await turn()
  assert.equal(zoneSpec(store).subscriptions[0]?.['config'], undefined)
  await writer.stop()
})

it('a store that fails for a while loses no insight', async () => {
  const env = setUp()
  let failing = true
  const flaky: Store = {
    ...env.store,
    seq: 0,
    get: env.store.get,
    list: env.store.list,
    watch: env.store.watch,
    transact: (ops, context) => (failing ? Promise.reject(new Error('away')) : env.store.transact(ops, context)),
  }
  const writer = createInsightWriter({
    store: flaky,
    clock: env.clock,
    log: silentLogger,
    mode: 'zone',
    instanceId: 'cp-1',
    version: '3.0.0',
  })
  await env.store.transact([put('Dataplane', 'dp')], api)
  writer.proxies.connected({ mesh: 'm', name: 'dp' }, { id: 's1', connectTime: '2026-01-01T00:00:00Z', version: {}, metadata: {} })
  await turn()
  assert.equal(insight(env.store), undefined)
  failing = false
  env.clock.advance(1000)
  await turn()
  assert.ok(insight(env.store))
  await writer.stop()
})

it('mesh insights follow changes, once a second, and go with their mesh', async () => {
  const { store, clock } = setUp()
  const insights = createMeshInsights({ store, clock, log: silentLogger, types: ['Dataplane', 'DataplaneInsight', 'MeshTimeout'] })
  await store.transact([put('Mesh', 'm', '')], api)
  await insights.start()
  const online = {
    subscriptions: [
      { id: 's', connectTime: '2026-01-01T00:00:00Z', version: { kumaDp: { version: '3.0.0' }, envoy: { version: '1.40.0' } } },
    ],
    mTLS: { issuedBackend: 'kri_mid_m_east__i_', supportedBackends: ['t'] },
  }
  await store.transact(
    [
      put('Dataplane', 'a', 'm', {
        networking: {
          address: '1.1.1.1',
          inbound: [
            { port: 80, state: 'Ready' },
            { port: 81, state: 'NotReady' },
          ],
        },
      }),
      put('Dataplane', 'b', 'm', { networking: { address: '1.1.1.2', gateway: { type: 'DELEGATED' } } }),
      put('Dataplane', 'c', 'm', { networking: { address: '1.1.1.3', inbound: [{ port: 80 }] } }),
      put('DataplaneInsight', 'a', 'm', online),
      put('DataplaneInsight', 'b', 'm', online),
      put('MeshTimeout', 't'),
    ],
    api,
  )
  const before = store.seq
  clock.advance(999)
  assert.equal(store.seq, before)
  clock.advance(1)
  await turn()
  const found = store.get({ type: 'MeshInsight', mesh: '', name: 'm' })?.spec
  assert.deepEqual(found, {
    dataplanes: { total: 3, online: 1, offline: 1, partiallyDegraded: 1 },
    dpVersions: {
      kumaDp: { '3.0.0': { total: 2, online: 1, partiallyDegraded: 1 }, unknown: { total: 1, offline: 1 } },
      envoy: { '1.40.0': { total: 2, online: 1, partiallyDegraded: 1 }, unknown: { total: 1, offline: 1 } },
    },
    mTLS: {
      issuedBackends: { kri_mid_m_east__i_: { total: 2, online: 1, partiallyDegraded: 1 } },
      supportedBackends: { t: { total: 2, online: 1, partiallyDegraded: 1 } },
    },
    dataplanesByType: {
      standard: { total: 2, offline: 1, partiallyDegraded: 1 },
      gateway: { total: 1, online: 1 },
      gatewayDelegated: { total: 1, online: 1 },
    },
    resources: { Dataplane: { total: 3 }, MeshTimeout: { total: 1 } },
  })
  clock.advance(3_600_000)
  await turn()
  const seq = store.seq
  clock.advance(3_600_000)
  await turn()
  assert.equal(store.seq, seq, 'nothing is counted while nothing changes')
  assert.equal(clock.pending, 0)
  await store.transact([{ op: 'delete', key: { type: 'Mesh', mesh: '', name: 'm' } }], api)
  clock.advance(1000)
  await turn()
  assert.equal(store.get({ type: 'MeshInsight', mesh: '', name: 'm' }), undefined)
  await insights.stop()
})
