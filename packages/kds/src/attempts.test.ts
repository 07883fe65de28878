// Bad zone tokens at the sync port: who shows too many waits, and nothing that is open ends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Metadata, status } from '@grpc/grpc-js'
import { createAttempts, createBudget } from '@weft/foundation/budget'
import { hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { AdmitZone } from './contract.ts'
import { createKdsServer } from './server.ts'
import { memberOf, memoryStore, running, serverOptions } from './testing/federation.ts'
import { decodeResponse, encodeRequest, methods, type RawZone, rawZone } from './testing/raw-zone.ts'

/** Tokens that begin with the zone's name are good, `later` cannot be judged yet, none is needed. */
async function global(isSpared: (address: string) => boolean) {
  const clock = new FakeClock()
  let looked = 0
  const admit: AdmitZone = async ({ zone, authorization }) => {
    if (authorization.length === 0) return { admitted: true, credential: 'none', expiresAt: undefined }
    looked += 1
    if (authorization[0] === 'Bearer later') return { admitted: false, reason: 'keys are on their way', later: true }
    if (!authorization[0]?.startsWith(`Bearer ${zone}`)) return { admitted: false, reason: 'the token is not valid' }
    return { admitted: true, credential: 'zoneToken', expiresAt: undefined }
  }
  const budget = createBudget({
    name: 'zone-failures',
    limit: 3,
    refusal: 'too many failed attempts from this address',
    clock,
    log: silentLogger,
  })
  const attempts = createAttempts({ budget, isFailure: (error) => hasCode(error, 'kds/unauthenticated'), isSpared })
  const { store, put } = memberOf(memoryStore())
  // connections that are refused everything would be closed after a while
  const server = await running(createKdsServer(serverOptions(store, { admit, attempts, clock: new FakeClock() })))
  return {
    clock,
    put,
    port: server.port,
    looked: () => looked,
    [Symbol.asyncDispose]: async () => {
      await server.stop()
      await store.close()
    },
  }
}
const showing = (zone: RawZone, token: string): Metadata => {
  const headers = zone.headers()
  headers.set('authorization', `Bearer ${token}`)
  return headers
}
const outcome = async (zone: RawZone, token?: string) =>
  zone.open(methods.globalToZone, token === undefined ? undefined : showing(zone, token)).ended
const refusal = { code: status.RESOURCE_EXHAUSTED, details: 'too many failed attempts from this address: try again in 60s' }
const bad = { code: status.UNAUTHENTICATED, details: 'the token is not valid' }

/** Opens a stream, and takes the first list on it. */
async function opened(zone: RawZone, token?: string) {
  const stream = zone.open(methods.globalToZone, token === undefined ? undefined : showing(zone, token))
  stream.send(encodeRequest({ node: zone.node(), typeUrl: 'Mesh', resourceNamesSubscribe: ['*'] }))
  const { nonce = '' } = decodeResponse(await stream.next())
  stream.send(encodeRequest({ node: { id: zone.node().id ?? '' }, typeUrl: 'Mesh', responseNonce: nonce }))
  return stream
}

test('too many bad tokens are refused unseen with when to come back; what is open or needs no token stays', async () => {
  await using server = await global(() => false)
  await using zone = rawZone('east', server.port)
  await using stranger = rawZone('west', server.port)
  const stream = await opened(zone, 'east-1')
  for (const token of ['a', 'b', 'c']) assert.deepEqual(await outcome(stranger, token), bad)
  const looked = server.looked()
  for (const token of ['d', 'west-1']) assert.deepEqual(await outcome(stranger, token), refusal)
  // the same from another connection, and to every method
  await using again = rawZone('north', server.port)
  assert.deepEqual(await again.open(methods.ping, showing(again, 'x')).ended, refusal)
  assert.deepEqual(await again.open(methods.configDump, showing(again, 'x')).ended, refusal)
  assert.equal(server.looked(), looked)
  // who is here stays: its stream still hears of changes, and its token opens more
  await server.put('Mesh', '', 'm', {})
  await stream.next()
  const second = zone.open(methods.configDump, showing(zone, 'east-1'))
  const first = await Promise.race([second.ended, stream.ended, opened(again)])
  assert.ok(!('code' in first), 'a zone without a token came in, and nothing ended')
  for (const open of [stream, second, first]) open.call.cancel()
  server.clock.advance(60_000)
  ;(await opened(stranger, 'west-1')).call.cancel()
})

test('zones on this host, and tokens that cannot be judged yet, are never refused so', async () => {
  await using server = await global((address) => address.startsWith('127.'))
  await using zone = rawZone('east', server.port)
  for (let n = 0; n < 10; n += 1) assert.deepEqual(await outcome(zone, 'bad'), bad)
  ;(await opened(zone, 'east-1')).call.cancel()
  await using strict = await global(() => false)
  await using other = rawZone('east', strict.port)
  for (let n = 0; n < 10; n += 1)
    assert.deepEqual(await outcome(other, 'later'), { code: status.UNAVAILABLE, details: 'keys are on their way' })
  ;(await opened(other, 'east-1')).call.cancel()
})
