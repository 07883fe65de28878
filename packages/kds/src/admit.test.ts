// Who may act as which zone: every credential and every way in which it can be wrong, with real tokens.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@weft/foundation/time'
import { type Logger, silentLogger } from '@weft/foundation/log'
import { createKeyRing, createTokenIssuer, createTokenVerifier, generateSigningKey, secretSpec, signingKeyRef } from '@weft/identity'
import { createZoneAdmission, isWithin, type ZoneAuthentication } from './admit.ts'
import { certifiesZone, readClientCertificate } from './client-certificate.ts'
import type { AdmitRequest } from './contract.ts'
import { type Member, memberOf, memoryStore } from './testing/federation.ts'

const signingKeys = await Promise.all([generateSigningKey(), generateSigningKey()])
const clusterId = '1f7d2c5e'

async function door(type: ZoneAuthentication = 'zoneToken') {
  const global: Member = memberOf(memoryStore())
  const clock = new FakeClock(Date.parse('2026-06-01T00:00:00Z'))
  const warnings: string[] = []
  const log: Logger = { ...silentLogger, warn: (...entry: readonly unknown[]) => void warnings.push(String(entry[1])) }
  const addKey = (serial: number) =>
    global.put('GlobalSecret', '', signingKeyRef('zone', { serial }).name, secretSpec(signingKeys[serial - 1] ?? ''))
  await addKey(1)
  const keys = createKeyRing({ secrets: global.store })
  const verifier = createTokenVerifier({ keys, clock })
  const admit = createZoneAdmission({
    type,
    store: global.store,
    log,
    verifyToken: (token) => verifier.zone(token),
    clusterId: () => clusterId,
  })
  const tokens = createTokenIssuer({ keys, clock })
  const ask = async (request: Partial<AdmitRequest> = {}): Promise<string> => {
    const decision = await admit({
      zone: 'east',
      peerAddress: '10.0.0.9:4000',
      peerHost: '10.0.0.9',
      encrypted: true,
      authorization: [],
      certificate: undefined,
      ...request,
    })
    if (decision.admitted) return `in by ${decision.credential}`
    return decision.later ? `later: ${decision.reason}` : decision.reason
  }
  return { global, clock, warnings, addKey, tokens, verifier, ask, zone: () => tokens.zone({ zone: 'east', scope: ['cp'] }) }
}

const bearer = (token: string): Partial<AdmitRequest> => ({ authorization: [`Bearer ${token}`] })
const command = /weft generate zone-token --zone east --scope cp/

test('a token of the zone admits it, with and without the word Bearer', async () => {
  const { ask, zone } = await door()
  const token = await zone()
  assert.equal(await ask(bearer(token)), 'in by zoneToken')
  assert.equal(await ask({ authorization: [token] }), 'in by zoneToken')
})

test('nothing, from this host too, is refused with the command that makes a token', async () => {
  const { ask } = await door()
  for (const peerHost of ['10.0.0.9', '127.0.0.1', '::1']) assert.match(await ask({ peerHost }), command)
})

test('tokens that are not good for this zone', async () => {
  const { ask, tokens, zone, clock, global, verifier } = await door()
  assert.match(await ask(bearer(await tokens.zone({ zone: 'west', scope: ['cp'] }))), /is for zone "west", not for east/)
  for (const scope of [undefined, [], ['ingress', 'egress'], ['CP']])
    assert.match(
      await ask(bearer(await tokens.zone({ zone: 'east', ...(scope ? { scope } : {}) }))),
      /scope of the token does not hold "cp"/,
    )
  const short = await tokens.zone({ zone: 'east', scope: ['cp'], validForMs: 60_000 })
  clock.advance(61_000)
  assert.match(await ask(bearer(short)), /token is not valid.*weft generate/)
  const token = await zone()
  const { id } = await verifier.zone(token)
  await global.put('GlobalSecret', '', 'zone-token-revocations', secretSpec(id))
  assert.match(await ask(bearer(token)), /revoked/)
})

test('headers that hold no single token', async () => {
  const { ask, zone } = await door()
  const token = await zone()
  for (const authorization of [
    [`Bearer ${token}`, `Bearer ${token}`],
    [`Bearer ${token}, Bearer ${token}`],
    ['Bearer '],
    [''],
    ['Basic Zm9v'],
    [`Bearer  ${token} x`],
  ])
    assert.notEqual(await ask({ authorization }), 'in by zoneToken', authorization.join('|').slice(0, 40))
})

test('forged headers of a token are refused, whatever their kid is', async () => {
  const { ask, zone } = await door()
  const [, claims, signature] = (await zone()).split('.')
  const headers: readonly unknown[] = [
    { alg: 'RS256', kid: 1, typ: 'JWT' },
    { alg: 'RS256', kid: ['1'] },
    { alg: 'RS256', kid: { toString: '1' } },
    { alg: 'RS256', kid: null },
    { alg: 'RS256' },
    { alg: 'RS256', kid: 'x'.repeat(10 * 1024 * 1024) },
    { alg: 'RS256', kid: '../zone-token-signing-key-1' },
    { alg: 'RS256', kid: '__proto__' },
    { alg: 'none', kid: '1' },
    { alg: 'HS256', kid: '1' },
    'text',
    [],
    null,
  ]
  for (const header of headers) {
    const encoded = Buffer.from(JSON.stringify(header)).toString('base64url')
    assert.match(await ask(bearer(`${encoded}.${claims}.${signature}`)), /token is not valid/)
    assert.match(await ask(bearer(`${encoded}.${claims}.`)), /token is not valid/)
  }
})

test('another kind of token is none', async () => {
  const { ask, tokens, global } = await door()
  await global.put('GlobalSecret', '', signingKeyRef('user', { serial: 1 }).name, secretSpec(signingKeys[1]))
  assert.match(await ask(bearer(await tokens.user({ name: 'east' }))), /token is not valid/)
})

test('a new key signs at once, old tokens stay good until their key goes', async () => {
  const { ask, zone, addKey, global } = await door()
  const old = await zone()
  await addKey(2)
  const next = await zone()
  assert.deepEqual([await ask(bearer(old)), await ask(bearer(next))], ['in by zoneToken', 'in by zoneToken'])
  await global.remove('GlobalSecret', '', 'zone-token-signing-key-1')
  assert.match(await ask(bearer(old)), /unknown key/)
  assert.equal(await ask(bearer(next)), 'in by zoneToken')
})

test('no keys at all: nobody comes in, and a token is asked for again later', async () => {
  const { ask, zone, global } = await door()
  const token = await zone()
  await global.remove('GlobalSecret', '', 'zone-token-signing-key-1')
  assert.match(await ask(bearer(token)), /^later: /)
  assert.match(await ask(), command)
})

test('a token in clear is refused unless it never left this host', async () => {
  const { ask, zone } = await door()
  const token = await zone()
  assert.match(await ask({ ...bearer(token), encrypted: false }), /must not travel in clear/)
  assert.equal(await ask({ ...bearer(token), encrypted: false, peerHost: '::ffff:127.0.0.1' }), 'in by zoneToken')
})

test('none admits everyone and warns once, but checks what is presented', async () => {
  const { ask, tokens, warnings, zone } = await door('none')
  assert.deepEqual([await ask(), await ask()], ['in by none', 'in by none'])
  assert.equal(await ask(bearer(await zone())), 'in by zoneToken')
  assert.match(await ask(bearer(await tokens.zone({ zone: 'west', scope: ['cp'] }))), /is for zone "west"/)
  assert.match(await ask(bearer('rubbish')), /token is not valid/)
  assert.match(await ask({ certificate: named('URI:spiffe://1f7d2c5e/zone/west') }), /one of zone "west"/)
  assert.equal(await ask({ certificate: { problem: 'self-signed' } }), 'in by none')
  assert.equal(warnings.length, 1)
  assert.equal((await door()).warnings.length, 0)
})

test('a labelled Zone comes in without credentials, from its range only', async () => {
  const { ask, global, tokens } = await door()
  await global.put('Zone', '', 'east', { enabled: true })
  assert.match(await ask(), command)
  await global.put('Zone', '', 'east', { enabled: true }, { 'weft.io/zone-auth': 'none' })
  assert.equal(await ask(), 'in by none')
  assert.match(await ask({ zone: 'west' }), /zone west brought no credentials/)
  // what it presents is checked all the same
  assert.match(await ask(bearer(await tokens.zone({ zone: 'west', scope: ['cp'] }))), /is for zone "west"/)
  await global.put('Zone', '', 'east', { enabled: true }, { 'weft.io/zone-auth': 'none', 'weft.io/zone-cidr': '10.1.0.0/16' })
  assert.match(await ask(), /only from "10\.1\.0\.0\/16"/)
  assert.equal(await ask({ peerHost: '::ffff:10.1.2.3' }), 'in by none')
})

test('ranges of addresses', () => {
  for (const [address, range] of [
    ['10.1.2.3', '10.0.0.0/8'],
    ['::ffff:10.1.2.3', '10.1.2.3/32'],
    ['2001:db8::5', '2001:db8::/32'],
    ['10.1.2.3', '0.0.0.0/0'],
  ] as const)
    assert.equal(isWithin(address, range), true, range)
  for (const [address, range] of [
    ['11.1.2.3', '10.0.0.0/8'],
    ['10.1.2.3', '10.0.0.0'],
    ['10.1.2.3', '10.0.0.0/33'],
    ['10.1.2.3', '10.0.0.0/8/8'],
    ['10.1.2.3', '10.0.0.0/-1'],
    ['10.1.2.3', 'rubbish/8'],
    ['', '0.0.0.0/0'],
    ['10.1.2.3', ''],
  ] as const)
    assert.equal(isWithin(address, range), false, range)
})

const named = (subjectAltName: string) => readClientCertificate({ subjectAltName, validTo: 'Jun  1 00:00:00 2030 GMT' })

test('certificates name a zone by URI for this cluster, or by DNS name', async () => {
  const { ask } = await door()
  for (const names of ['URI:spiffe://1f7d2c5e/zone/east', 'DNS:east', 'DNS:other, URI:spiffe://1f7d2c5e/zone/east', 'DNS:x, DNS:east'])
    assert.equal(await ask({ certificate: named(names) }), 'in by certificate', names)
  assert.match(await ask({ certificate: named('DNS:east, URI:spiffe://1f7d2c5e/zone/west') }), /one of zone "west", not of east/)
  for (const names of [
    'URI:spiffe://other/zone/east',
    'URI:spiffe://1f7d2c5e/zone/east/x',
    'URI:spiffe://1f7d2c5e/zone/',
    'DNS:east.example.com',
    'IP Address:10.0.0.9',
    'email:east',
    '',
    // one DNS name that pretends to be two, as Node writes it
    'DNS:"west, DNS:east"',
    'DNS:west"x, DNS:east',
  ])
    assert.notEqual(await ask({ certificate: named(names) }), 'in by certificate', names)
  assert.match(await ask({ certificate: { problem: 'certificate has expired' } }), /cannot be verified: certificate has expired/)
  assert.equal(certifiesZone(named('URI:spiffe:///zone/east'), 'east', ''), false)
})

test('a certificate of another zone spoils a good token', async () => {
  const { ask, zone } = await door()
  assert.match(await ask({ ...bearer(await zone()), certificate: named('URI:spiffe://1f7d2c5e/zone/west') }), /one of zone "west"/)
  assert.equal(await ask({ ...bearer(await zone()), certificate: named('DNS:some-host') }), 'in by zoneToken')
})
