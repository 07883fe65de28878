import assert from 'node:assert/strict'
import { createHmac, createPrivateKey, sign } from 'node:crypto'
import { before, describe, it } from 'node:test'
import { hasCode } from '@weft/foundation/errors'
import { FakeClock } from '@weft/foundation/time'
import { createFakeStore } from './fakes/fake-store.ts'
import { createKeyRing, generateSigningKey, publicKeyOfSigningKey, publicKeyRef, secretSpec, signingKeyRef } from './signing-keys.ts'
import { createTokenIssuer, createTokenVerifier } from './tokens.ts'

let keyA = ''
let keyB = ''
before(async () => {
  ;[keyA, keyB] = await Promise.all([generateSigningKey(), generateSigningKey()])
})

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
function forge(header: unknown, payload: unknown, key: string): string {
  const input = `${encode(header)}.${encode(payload)}`
  return `${input}.${sign('sha256', Buffer.from(input), createPrivateKey(key)).toString('base64url')}`
}

async function setUp(options: { useSecrets?: boolean; complete?: boolean; configured?: string } = {}) {
  const store = createFakeStore()
  await store.put({ ...signingKeyRef('dataplane', { mesh: 'default', serial: 1 }), labels: {}, spec: secretSpec(keyA) })
  await store.put({ ...signingKeyRef('zone', { serial: 1 }), labels: {}, spec: secretSpec(keyA) })
  await store.put({ ...signingKeyRef('user', { serial: 1 }), labels: {}, spec: secretSpec(keyA) })
  const clock = new FakeClock()
  const keys = createKeyRing({
    secrets: store,
    ...(options.useSecrets === undefined ? {} : { useSecrets: options.useSecrets }),
    ...(options.configured ? { publicKeys: { dataplane: [{ kid: 'offline', mesh: 'default', pem: options.configured }] } } : {}),
  })
  const complete = options.complete ?? true
  return {
    store,
    clock,
    keys,
    issuer: createTokenIssuer({ keys, clock }),
    verifier: createTokenVerifier({ keys, clock, keysComplete: () => complete }),
  }
}

const invalid = (error: unknown): boolean => hasCode(error, 'token/invalid')
const missing = (error: unknown): boolean => hasCode(error, 'token/keys-missing') && error.retryable

describe('issued tokens', () => {
  it('have the header and claims of the wire', async () => {
    const { issuer, clock } = await setUp()
    const token = await issuer.dataplane({
      mesh: 'default',
      name: 'dp-1',
      tags: { team: ['a', 'b'] },
      workload: 'w',
      validForMs: 3_600_000,
    })
    const [header, payload] = token
      .split('.')
      .slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()))
    const now = clock.now() / 1000
    assert.deepEqual(header, { alg: 'RS256', kid: '1', typ: 'JWT' })
    const { jti, ...rest } = payload
    assert.match(jti, /^[0-9a-f]{8}-[0-9a-f]{4}-4/)
    assert.deepEqual(rest, {
      Name: 'dp-1',
      Mesh: 'default',
      Tags: { team: ['a', 'b'] },
      Type: '',
      Workload: 'w',
      iat: now - 5,
      nbf: now - 300,
      exp: now + 3600,
    })
  })

  it('come back from verification', async () => {
    const { issuer, verifier } = await setUp()
    const dataplane = await verifier.dataplane(await issuer.dataplane({ mesh: 'default', tags: { team: ['a'] } }), 'default')
    assert.equal(dataplane.name, '')
    assert.deepEqual([...dataplane.tags], [['team', ['a']]])
    assert.equal((await verifier.zone(await issuer.zone({ zone: 'east', scope: ['cp'] }))).zone, 'east')
    assert.deepEqual((await verifier.user(await issuer.user({ name: 'jo', groups: ['g'] }))).groups, ['g'])
  })

  it('are signed by the highest serial and verified by all', async () => {
    const { store, issuer, verifier } = await setUp()
    const old = await issuer.zone({ zone: 'east' })
    await store.put({ ...signingKeyRef('zone', { serial: 10 }), labels: {}, spec: secretSpec(keyB) })
    await store.put({ ...signingKeyRef('zone', { serial: 2 }), labels: {}, spec: secretSpec(keyA) })
    assert.equal((await verifier.zone(await issuer.zone({ zone: 'east' }))).kid, '10')
    assert.equal((await verifier.zone(old)).kid, '1')
  })

  it('of a zone are verified by the public half alone', async () => {
    const { issuer, clock } = await setUp()
    const zoneStore = createFakeStore()
    await zoneStore.put({ ...publicKeyRef(1), labels: {}, spec: secretSpec(publicKeyOfSigningKey(keyA)) })
    const keys = createKeyRing({ secrets: zoneStore })
    const verifier = createTokenVerifier({ keys, clock })
    assert.equal((await verifier.zone(await issuer.zone({ zone: 'east' }))).zone, 'east')
    await assert.rejects(createTokenIssuer({ keys, clock }).zone({ zone: 'east' }), missing)
  })
})

describe('refused tokens', () => {
  const claims = { Name: '', Mesh: 'default', Tags: {}, Type: '', Workload: '' }
  const cases: [string, () => string][] = [
    ['an empty text', () => ''],
    ['text that is no JWT', () => 'a.b.c'],
    ['algorithm none', () => `${encode({ alg: 'none', kid: '1' })}.${encode(claims)}.`],
    [
      'an HMAC with the public key as secret',
      () => {
        const input = `${encode({ alg: 'HS256', kid: '1' })}.${encode(claims)}`
        return `${input}.${createHmac('sha256', publicKeyOfSigningKey(keyA)).update(input).digest('base64url')}`
      },
    ],
    ['a numeric key id', () => forge({ alg: 'RS256', kid: 1 }, claims, keyA)],
    ['a key id of another type', () => forge({ alg: 'RS256', kid: { toString: 'x' } }, claims, keyA)],
    ['no key id', () => forge({ alg: 'RS256' }, claims, keyA)],
    ['a key id named like a property', () => forge({ alg: 'RS256', kid: '__proto__' }, claims, keyA)],
    ['an unknown key id', () => forge({ alg: 'RS256', kid: '7' }, claims, keyA)],
    ['another key under a known id', () => forge({ alg: 'RS256', kid: '1' }, claims, keyB)],
    ['a foreign mesh', () => forge({ alg: 'RS256', kid: '1' }, { ...claims, Mesh: 'other' }, keyA)],
    ['a token of the future', () => forge({ alg: 'RS256', kid: '1' }, { ...claims, nbf: 4_000_000_000 }, keyA)],
    ['an expired token', () => forge({ alg: 'RS256', kid: '1' }, { ...claims, exp: 1 }, keyA)],
    ['claims of the wrong type', () => forge({ alg: 'RS256', kid: '1' }, { ...claims, Tags: { a: 1 } }, keyA)],
    ['a list as claims', () => forge({ alg: 'RS256', kid: '1' }, [], keyA)],
    ['a critical header', () => forge({ alg: 'RS256', kid: '1', crit: ['x'] }, claims, keyA)],
  ]
  for (const [name, token] of cases) {
    it(`refuses ${name}`, async () => {
      const { verifier } = await setUp()
      await assert.rejects(verifier.dataplane(token(), 'default'), invalid)
    })
  }

  const keyIds: readonly (readonly [string, unknown])[] = [
    ['a number', 1],
    ['a list', ['1']],
    ['an object', { toString: '1' }],
    ['null', null],
    ['missing', undefined],
    ['of ten megabytes', '1'.repeat(10 * 1024 * 1024)],
    ['a path', '../1'],
    ['a property', '__proto__'],
  ]
  for (const [name, kid] of keyIds) {
    it(`refuses a key id that is ${name}, of every kind of token`, async () => {
      const { verifier } = await setUp()
      const of = (claims: object): string => forge({ alg: 'RS256', ...(kid !== undefined && { kid }) }, claims, keyA)
      await assert.rejects(verifier.dataplane(of(claims), 'default'), invalid)
      await assert.rejects(verifier.zone(of({ Zone: 'east', Scope: ['cp'] })), invalid)
      await assert.rejects(verifier.user(of({ Name: 'admin', Groups: ['mesh-system:admin'] })), invalid)
    })
  }

  it('refuses an expired one by the clock', async () => {
    const { issuer, verifier, clock } = await setUp()
    const token = await issuer.dataplane({ mesh: 'default', validForMs: 60_000 })
    await verifier.dataplane(token, 'default')
    clock.advance(61_000)
    await assert.rejects(verifier.dataplane(token, 'default'), invalid)
  })

  it('refuses a token of another kind', async () => {
    const { issuer, verifier } = await setUp()
    await assert.rejects(verifier.zone(await issuer.user({ name: 'jo' })), invalid)
    await assert.rejects(verifier.dataplane(await issuer.zone({ zone: 'east' }), 'default'), invalid)
  })

  for (const type of ['Secret', 'GlobalSecret'] as const) {
    it(`refuses a token revoked in a ${type}`, async () => {
      const { store, issuer, verifier } = await setUp()
      const token = await issuer.dataplane({ mesh: 'default' })
      const { id } = await verifier.dataplane(token, 'default')
      await store.put({
        type,
        mesh: type === 'Secret' ? 'default' : '',
        name: 'dataplane-token-revocations-default',
        labels: {},
        spec: secretSpec(`other, ${id}\n`),
      })
      await assert.rejects(verifier.dataplane(token, 'default'), /revoked/)
    })
  }
})

describe('forged zone and user tokens', () => {
  // CVE-2026-18675: a key id of another type must not reach anything that takes it for a string
  const kids: readonly unknown[] = [1, 0, true, null, ['1'], { toString: '1' }, '', '../1', '__proto__', 'x'.repeat(10 * 1024 * 1024)]
  for (const kind of ['zone', 'user'] as const) {
    it(`${kind} tokens with a strange key id, algorithm or claims are refused`, async () => {
      const { verifier } = await setUp()
      const claims = kind === 'zone' ? { Zone: 'east', Scope: ['cp'] } : { Name: 'jo' }
      for (const kid of kids) await assert.rejects(verifier[kind](forge({ alg: 'RS256', kid }, claims, keyA)), invalid)
      for (const alg of ['none', 'HS256', 'RS512', undefined, 7])
        await assert.rejects(verifier[kind](forge({ alg, kid: '1' }, claims, keyA)), invalid)
      for (const wrong of [{}, { Zone: 1, Name: 1 }, { Zone: ['east'], Name: ['jo'] }, { Zone: '', Name: '' }, []])
        await assert.rejects(verifier[kind](forge({ alg: 'RS256', kid: '1' }, wrong, keyA)), invalid)
    })
  }
})

describe('keys that have not arrived', () => {
  it('are told apart from a bad token', async () => {
    const { issuer, clock } = await setUp()
    const token = await issuer.dataplane({ mesh: 'default' })
    const verifier = createTokenVerifier({ keys: createKeyRing({ secrets: createFakeStore() }), clock })
    await assert.rejects(verifier.dataplane(token, 'default'), missing)
  })

  it('also while only some of them are here', async () => {
    const { verifier } = await setUp({ complete: false })
    await assert.rejects(verifier.dataplane(forge({ alg: 'RS256', kid: '7' }, { Mesh: 'default' }, keyA), 'default'), missing)
  })

  it('do not hide a signing key that cannot be read', async () => {
    const { store, issuer, verifier } = await setUp()
    await store.put({ ...signingKeyRef('dataplane', { mesh: 'default', serial: 2 }), labels: {}, spec: { data: 'AAAA' } })
    await store.put({ ...signingKeyRef('dataplane', { mesh: 'default', serial: 3 }), labels: {}, spec: null })
    assert.equal((await verifier.dataplane(await issuer.dataplane({ mesh: 'default' }), 'default')).kid, '1')
  })
})

describe('configured public keys', () => {
  it('verify offline tokens, with any key id', async () => {
    const { verifier } = await setUp({ useSecrets: false, configured: publicKeyOfSigningKey(keyB) })
    const token = forge({ alg: 'RS256', kid: 'offline' }, { Mesh: 'default', Name: 'dp' }, keyB)
    assert.equal((await verifier.dataplane(token, 'default')).name, 'dp')
    await assert.rejects(verifier.dataplane(forge({ alg: 'RS256', kid: '1' }, { Mesh: 'default' }, keyA), 'default'), invalid)
  })
})
