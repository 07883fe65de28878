// Liveness and progress over real gRPC: our zone and a stock one against our global, whose clock is moved by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMetrics } from '@weft/foundation/metrics'
import { FakeClock } from '@weft/foundation/time'
import { codec } from '@weft/proto'
import { type KdsServer, silentRecorder } from './contract.ts'
import { createKdsServer } from './server.ts'
import { federation, memberOf, memoryStore, running, serverOptions, until } from './testing/federation.ts'
import { decodeResponse, encodeRequest, methods, rawZone } from './testing/raw-zone.ts'

function recording(): { readonly recorder: typeof silentRecorder; readonly told: string[] } {
  const told: string[] = []
  return {
    told,
    recorder: {
      ...silentRecorder,
      subscriptionOpened: ({ zone }) => void told.push(`opened ${zone}`),
      subscriptionClosed: (zone) => void told.push(`closed ${zone}`),
      subscriptionReopened: (zone) => void told.push(`reopened ${zone}`),
    },
  }
}

const stateOf = (server: KdsServer, zone: string) => server.status().find((found) => found.zone === zone)

test('an own zone answers pings, and both ends know how far the other is', async () => {
  await using fed = await federation(['zone-1'])
  const { server } = fed.global
  const { client } = fed.zone('zone-1')
  await until(() => client.status().lastPing !== undefined && stateOf(server, 'zone-1')?.session?.roundTripMs !== undefined, 'a ping')
  await fed.global.put('Mesh', '', 'default', {})
  await until(() => {
    const cursor = stateOf(server, 'zone-1')?.sending.cursor
    return cursor?.lagMs === 0 && cursor.accepted === fed.global.store.seq
  }, 'all of global accepted')
  const seen = stateOf(server, 'zone-1')
  assert.equal(seen?.state, 'Online')
  assert.deepEqual(seen?.session?.peer, 'own')
  const mesh = seen?.sending.types.find(({ type }) => type === 'Mesh')
  assert.ok(mesh && mesh.sent >= 1 && mesh.acknowledged === mesh.sent && mesh.rejected === 0)
  await until(() => client.status().sending.cursor?.head === fed.zone('zone-1').store.seq, 'the zone to know how far it is')
  const shown = client.status()
  assert.deepEqual([shown.state, shown.peer, shown.unlisted], ['connected', 'own', []])
  assert.ok(shown.receiving.types.find(({ type }) => type === 'Mesh')?.applied)
})

test('a stock zone is asked for a health check every two seconds, and its silence closes its subscription until it speaks', async () => {
  const { recorder, told } = recording()
  const clock = new FakeClock()
  const metrics = createMetrics()
  const store = memoryStore()
  const other = memberOf(store)
  await using server = await running(createKdsServer(serverOptions(store, { recorder, clock, metrics })))
  await using zone = rawZone('zone-1', server.port)
  const stream = zone.open(methods.globalToZone)
  stream.send(encodeRequest({ node: zone.node(), typeUrl: 'Mesh', resourceNamesSubscribe: ['*'] }))
  const first = decodeResponse(await stream.next())
  stream.send(encodeRequest({ node: { id: 'zone-1' }, typeUrl: 'Mesh', responseNonce: first.nonce ?? '' }))
  await until(() => stateOf(server, 'zone-1')?.sending.types.find(({ type }) => type === 'Mesh')?.acknowledged === 1)
  const { interval } = codec('kuma.mesh.v1alpha1.ZoneHealthCheckResponse').decode(await zone.healthCheck())
  assert.deepEqual([Number(interval?.seconds ?? 0), interval?.nanos ?? 0], [2, 0])
  assert.equal(server.liveness('zone-1').state, 'Online')
  const before = store.seq
  clock.advance(5_999)
  assert.deepEqual([server.liveness('zone-1').connection, told], ['Degraded', ['opened zone-1']])
  clock.advance(1_001)
  const frozen = server.liveness('zone-1')
  assert.deepEqual([frozen.state, frozen.ageMs, told], ['Unknown', 7_000, ['opened zone-1', 'closed zone-1']])
  assert.match((await metrics.expose()).text, /kds_zones\{state="Unknown"\} 1/)
  assert.match((await metrics.expose()).text, /kds_zone_age_seconds\{zone="zone-1"\} 7/)
  assert.equal(store.seq, before, 'nothing that proxies depend on was written')
  await zone.healthCheck()
  assert.deepEqual(told, ['opened zone-1', 'closed zone-1', 'reopened zone-1'])
  // what happens while nothing is wrong
  await other.put('Zone', '', 'zone-1', { enabled: false })
  assert.deepEqual([server.liveness('zone-1').state, server.liveness('zone-1').connection], ['Disabled', 'Degraded'])
  clock.advance(7_000)
  stream.call.cancel()
  await until(() => server.zones().length === 0)
  assert.equal(server.liveness('zone-1').connection, 'Unknown', 'a connection that breaks after silence says nothing')
})

test('what a zone refuses and what it does not acknowledge make it Degraded', async () => {
  const clock = new FakeClock()
  const store = memoryStore()
  await using server = await running(createKdsServer(serverOptions(store, { clock })))
  await using zone = rawZone('zone-1', server.port)
  zone.open(methods.zoneToGlobal)
  const stream = zone.open(methods.globalToZone)
  stream.send(encodeRequest({ node: zone.node(), typeUrl: 'Mesh', resourceNamesSubscribe: ['*'] }))
  const first = decodeResponse(await stream.next())
  for (let second = 0; second < 11; second++) {
    clock.advance(1_000)
    await zone.healthCheck()
  }
  assert.match(server.liveness('zone-1').reasons.join(), /has not acknowledged changes for 11 s/)
  stream.send(
    encodeRequest({ node: { id: 'zone-1' }, typeUrl: 'Mesh', responseNonce: first.nonce ?? '', errorDetail: { message: 'no thanks' } }),
  )
  await until(() => stateOf(server, 'zone-1')?.lastError !== undefined)
  const seen = stateOf(server, 'zone-1')
  assert.equal(seen?.state, 'Degraded')
  assert.deepEqual(seen?.lastError, { time: '2026-01-01T00:00:11.000Z', where: 'Mesh', reason: 'no thanks' })
  assert.ok(seen?.reasons.includes('the zone refuses Mesh'))
  assert.equal(seen?.sending.types.find(({ type }) => type === 'Mesh')?.refusal, 'no thanks')
})

test('a zone that is known but not here is Offline with the age its insight tells', async () => {
  const clock = new FakeClock()
  const store = memoryStore()
  const global = memberOf(store)
  const subscription = { id: '1', connectTime: '2025-12-31T22:00:00Z', disconnectTime: '2025-12-31T23:00:00Z' }
  await global.put('Zone', '', 'east', { enabled: true })
  await global.put('ZoneInsight', '', 'east', { subscriptions: [subscription] })
  await using server = await running(createKdsServer(serverOptions(store, { clock })))
  assert.deepEqual(server.liveness('east'), {
    state: 'Offline',
    connection: 'Offline',
    lastHeard: '2025-12-31T23:00:00.000Z',
    ageMs: 3_600_000,
    reasons: [],
  })
})

test('garbage instead of an answer to a ping ends that stream only', async () => {
  await using fed = await federation([])
  await using zone = rawZone('zone-1', fed.global.server.port)
  const sync = zone.open(methods.zoneToGlobal)
  await sync.next()
  const pings = zone.open(methods.ping)
  await pings.next()
  pings.send(Buffer.from([0xff, 0xff, 0xff]))
  assert.match((await pings.ended).details, /cannot decode the answer to a ping/)
  assert.equal(stateOf(fed.global.server, 'zone-1')?.lastError?.where, 'ping')
  await until(() => stateOf(fed.global.server, 'zone-1')?.session?.streams.join() === 'zoneToGlobal', 'the other stream alone')
})
