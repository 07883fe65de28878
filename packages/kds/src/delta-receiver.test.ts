// The receiving half alone: partial lists, a store that is away or changes underneath, and what is remembered.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { Store } from '@weft/store'
import { type AcceptedVersions, DeltaReceiver } from './delta-receiver.ts'
import type { Explain } from './explained-deletions.ts'
import { approveHeld, rejectHeld } from './held.ts'
import { fromGlobal } from './incoming.ts'
import { defaultMassDelete, type MassDeleteGuard } from './mass-delete-guard.ts'
import { openOriginLedger } from './origin-ledger.ts'
import { memberOf, memoryStore, registry } from './testing/federation.ts'
import { decodeRequest, encodeResponse, jsonResource } from './testing/raw-zone.ts'

const labels = { 'kuma.io/origin': 'global' }

function setUp(
  store: Store = memoryStore(),
  extra: { readonly guard?: MassDeleteGuard; readonly explain?: Explain; readonly accepted?: AcceptedVersions } = {},
) {
  const answers: ReturnType<typeof decodeRequest>[] = []
  const failed: AppError[] = []
  const listed: string[] = []
  const clock = new FakeClock()
  const ledger = openOriginLedger({ store, log: silentLogger, origin: 'global' })
  const receiver = new DeltaReceiver({
    registry,
    store,
    clock,
    log: silentLogger,
    incoming: fromGlobal(['Mesh', 'MeshTimeout']),
    ledger,
    guard: extra.guard ?? defaultMassDelete,
    ...(extra.explain ? { explain: extra.explain } : {}),
    node: { id: 'zone-1', metadata: undefined },
    accepted: extra.accepted ?? new Map(),
    resume: extra.accepted !== undefined,
    write: (bytes) => {
      answers.push(decodeRequest(bytes))
      return true
    },
    pause: () => {},
    proceed: () => {},
    fail: (error) => void failed.push(error),
    listed: (type) => void listed.push(type),
  })
  receiver.start()
  const subscribes = answers.splice(0)
  let nonce = 0
  return {
    ...memberOf(store),
    clock,
    ledger,
    receiver,
    answers,
    failed,
    listed,
    subscribes,
    names: () => store.list('MeshTimeout').map((policy) => policy.name),
    receive: (names: readonly string[], fields: Parameters<typeof encodeResponse>[0] = {}): void =>
      receiver.receive(
        encodeResponse({
          typeUrl: 'MeshTimeout',
          nonce: String(++nonce),
          resources: names.map((name) => jsonResource('default', name, { to: [] }, labels)),
          ...fields,
        }),
      ),
  }
}

test('a list in parts deletes only when the last part is there', async () => {
  const store = memoryStore()
  for (const name of ['a', 'b', 'old']) await memberOf(store).put('MeshTimeout', 'default', name, { to: [] }, labels)
  await memberOf(store).put('Config', '', 'weft-kds-origin.global', { config: '{"incarnation":"store:x","held":{}}' })
  const at = setUp(store)
  at.receiver.identified('store:x')
  at.receive(['a'], { systemVersionInfo: 'weft:more' })
  at.receive(['b'], { systemVersionInfo: 'weft:more' })
  await at.receiver.idle()
  assert.deepEqual(at.names(), ['a', 'b', 'old'])
  assert.deepEqual(at.listed, [])
  at.receive(['c'])
  await at.receiver.idle()
  assert.deepEqual(at.names(), ['a', 'b', 'c'])
  assert.deepEqual(at.listed, ['MeshTimeout'])
  assert.deepEqual(
    at.answers.map((answer) => [answer.responseNonce, answer.errorDetail]),
    [
      ['1', undefined],
      ['2', undefined],
      ['3', undefined],
    ],
  )
})

test('a half-read list deletes nothing', async () => {
  const store = memoryStore()
  await memberOf(store).put('MeshTimeout', 'default', 'old', { to: [] }, labels)
  await memberOf(store).put('Config', '', 'weft-kds-origin.global', { config: '{"incarnation":"store:x","held":{}}' })
  const at = setUp(store)
  at.receiver.identified('store:x')
  at.receive(['a'], { systemVersionInfo: 'weft:more' })
  await at.receiver.idle()
  at.receiver.close()
  assert.deepEqual(at.names(), ['a', 'old'])
})

test('what is identified late is settled late, and deltas in between count', async () => {
  const store = memoryStore()
  for (const name of ['a', 'b', 'c']) await memberOf(store).put('MeshTimeout', 'default', name, { to: [] }, labels)
  await memberOf(store).put('Config', '', 'weft-kds-origin.global', { config: '{"incarnation":"cluster:1","held":{}}' })
  const at = setUp(store)
  at.receive(['a'])
  at.receive(['b'])
  at.receive([], { removedResources: ['a.default'] })
  await at.receiver.idle()
  assert.deepEqual(at.names(), ['b', 'c'])
  at.receiver.identified('cluster:1')
  await at.receiver.idle()
  assert.deepEqual(at.names(), ['b'])
})

test('a name in both lists is an update', async () => {
  const at = setUp()
  at.receive(['a'])
  at.receive(['a'], { removedResources: ['a.default', 'never.default'] })
  await at.receiver.idle()
  assert.deepEqual(at.names(), ['a'])
})

test('a store that is away delays the answer and loses nothing', async () => {
  const real = memoryStore()
  let away = 2
  const store: Store = Object.setPrototypeOf(
    {
      transact: (ops: Parameters<Store['transact']>[0], context: Parameters<Store['transact']>[1]) =>
        away-- > 0 ? Promise.reject(new AppError('store/unavailable', 'the database is away')) : real.transact(ops, context),
    },
    real,
  )
  const at = setUp(store)
  at.receive(['a'])
  for (const ms of [200, 400]) {
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(at.answers.length, 0)
    at.clock.advance(ms)
  }
  await at.receiver.idle()
  assert.deepEqual(
    real.list('MeshTimeout').map((policy) => policy.name),
    ['a'],
  )
  assert.equal(at.answers.length, 1)
  assert.equal(at.clock.pending, 0)
})

test('closing ends the wait for a store that is away', async () => {
  const real = memoryStore()
  const store: Store = Object.setPrototypeOf({ transact: () => Promise.reject(new AppError('store/unavailable', 'away')) }, real)
  const at = setUp(store)
  at.receive(['a'])
  await new Promise((resolve) => setImmediate(resolve))
  at.receiver.close()
  await at.receiver.idle()
  assert.equal(at.clock.pending, 0)
  assert.deepEqual([at.answers.length, at.failed.length], [0, 0])
})

test('one resource the store refuses leaves the others alone', async () => {
  const real = memoryStore()
  const store: Store = Object.setPrototypeOf(
    {
      transact: (ops: Parameters<Store['transact']>[0], context: Parameters<Store['transact']>[1]) =>
        ops.some((op) => op.op === 'put' && op.resource.name === 'b')
          ? Promise.reject(new AppError('store/invalid', 'quota exceeded'))
          : real.transact(ops, context),
    },
    real,
  )
  const accepted: AcceptedVersions = new Map()
  const at = setUp(store, { accepted })
  at.receive(['a', 'b', 'c'])
  await at.receiver.idle()
  assert.deepEqual(
    real.list('MeshTimeout').map((policy) => policy.name),
    ['a', 'c'],
  )
  assert.equal(at.answers[0]?.errorDetail?.message, 'MeshTimeout name=b mesh=default: quota exceeded')
  assert.deepEqual(
    [...(accepted.get('MeshTimeout') ?? [])],
    [
      ['a.default', 'v-a'],
      ['c.default', 'v-c'],
    ],
  )
})

test('a concurrent local status write is kept', async () => {
  const real = memoryStore()
  const context = { actor: 'generator:test', reason: 'status', class: 'observed' } as const
  const status = { conditions: [] }
  await real.transact([{ op: 'put', resource: { type: 'MeshTimeout', mesh: 'default', name: 'a', labels, spec: {} } }], context)
  let raced = false
  const store: Store = Object.setPrototypeOf(
    {
      transact: async (ops: Parameters<Store['transact']>[0], by: Parameters<Store['transact']>[1]) => {
        if (!raced && ops.some((op) => op.op === 'put' && op.resource.type === 'MeshTimeout')) {
          raced = true
          await real.transact(
            [{ op: 'put', resource: { type: 'MeshTimeout', mesh: 'default', name: 'a', labels, spec: {}, status } }],
            context,
          )
        }
        return real.transact(ops, by)
      },
    },
    real,
  )
  const at = setUp(store)
  at.receive(['a'])
  await at.receiver.idle()
  const stored = real.get({ type: 'MeshTimeout', mesh: 'default', name: 'a' })
  assert.deepEqual([stored?.spec, stored?.status, at.answers[0]?.errorDetail], [{ to: [] }, status, undefined])
})

test('resuming asks only for what is still stored, and equal content is not written', async () => {
  const store = memoryStore()
  await memberOf(store).put('MeshTimeout', 'default', 'a', { to: [] }, labels)
  await memberOf(store).put('MeshTimeout', 'default', 'local', { to: [] }, { 'kuma.io/origin': 'zone' })
  const accepted: AcceptedVersions = new Map([
    [
      'MeshTimeout',
      new Map([
        ['a.default', '1'],
        ['lost.default', '2'],
        ['local.default', '3'],
      ]),
    ],
  ])
  const at = setUp(store, { accepted })
  assert.deepEqual(at.subscribes.find((request) => request.typeUrl === 'MeshTimeout')?.initialResourceVersions, { 'a.default': '1' })
  const { seq } = store
  at.receive(['a'])
  await at.receiver.idle()
  assert.equal(store.seq, seq)
})

test('resumed: what the same origin calls gone goes, a few at a time', async () => {
  const store = memoryStore()
  const names = ['a', 'b', 'c', 'd']
  for (const name of names) await memberOf(store).put('MeshTimeout', 'default', name, { to: [] }, labels)
  await memberOf(store).put('Config', '', 'weft-kds-origin.global', { config: '{"incarnation":"store:x","held":{}}' })
  const accepted: AcceptedVersions = new Map([['MeshTimeout', new Map(names.map((name) => [`${name}.default`, '1']))]])
  const at = setUp(store, { accepted, guard: { ...defaultMassDelete, share: 0.1, min: 1 } })
  at.receive([], { removedResources: ['a.default', 'b.default', 'c.default'] })
  await at.receiver.idle()
  assert.equal(at.names().length, 4, 'not before it is known who speaks')
  at.receiver.identified('store:x')
  await at.receiver.idle()
  assert.deepEqual(at.names(), ['d'])
})

/** A receiver whose type was listed with these names by the same origin. */
async function listedWith(count: number, extra: Parameters<typeof setUp>[1] = {}): Promise<ReturnType<typeof setUp>> {
  const store = memoryStore()
  await memberOf(store).put('Config', '', 'weft-kds-origin.global', { config: '{"incarnation":"store:x","held":{}}' })
  const at = setUp(store, extra)
  at.receiver.identified('store:x')
  at.receive(Array.from({ length: count }, (_, index) => `n${index}`))
  await at.receiver.idle()
  return at
}

const wireNames = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, index) => `n${from + index}.default`)

test('a mass deletion is acknowledged and held, until it is listed again, approved or rejected, also over a restart', async () => {
  const at = await listedWith(20)
  at.receive([], { removedResources: wireNames(0, 11) })
  await at.receiver.idle()
  assert.equal(at.answers.at(-1)?.errorDetail, undefined)
  assert.equal(at.names().length, 20)
  const held = () => openOriginLedger({ store: at.store, log: silentLogger, origin: 'global' }).held()
  assert.deepEqual(
    held().map(({ type, reason, state, keys }) => [type, reason, state, keys.length]),
    [['MeshTimeout', 'mass-deletion', 'held', 11]],
  )
  at.receive(['n0', 'n1'])
  await at.receiver.idle()
  assert.equal(held()[0]?.keys.length, 9)
  const { ledger, store } = at
  assert.equal(await rejectHeld({ ledger, which: { name: 'n2' } }), 1)
  assert.deepEqual(
    held().map(({ state, keys }) => [state, keys.length]),
    [
      ['kept', 1],
      ['held', 8],
    ],
  )
  assert.equal(await approveHeld({ ledger, store, actor: 'global', which: { mesh: 'default', type: 'MeshTimeout', name: 'n3' } }), 1)
  assert.equal(at.names().length, 19)
  assert.equal(await approveHeld({ ledger, store, actor: 'global', which: {} }), 8)
  assert.deepEqual([at.names().length, held().length], [11, 0])
})

test('the guard counts within a minute, never small types, half of one, or a few at a time', async () => {
  const small = await listedWith(19)
  small.receive([], { removedResources: wireNames(0, 19) })
  await small.receiver.idle()
  assert.equal(small.names().length, 0)
  const at = await listedWith(40)
  const gone = async (from: number, to: number): Promise<number> => {
    at.receive([], { removedResources: wireNames(from, to) })
    await at.receiver.idle()
    return at.names().length
  }
  assert.equal(await gone(0, 14), 26)
  assert.equal(await gone(14, 20), 20, 'half of forty')
  assert.equal(await gone(20, 25), 15, 'five at a time')
  assert.equal(await gone(25, 31), 15, 'more than half within a minute')
  at.clock.advance(60_001)
  at.receive(Array.from({ length: 25 }, (_, index) => `m${index}`))
  assert.equal(await gone(31, 40), 31, 'a minute later')
})

test('explained deletions are not counted, whatever their number', async () => {
  const at = await listedWith(30, { explain: (stored) => stored.name !== 'n0' && stored.name !== 'n1' })
  at.receive([], { removedResources: wireNames(0, 30) })
  await at.receiver.idle()
  assert.equal(at.names().length, 0)
})

test('an unreadable ledger counts as none', () => {
  for (const config of ['', '{', 'null', '[]', '{"held":{"__proto__":["x/y"]},"incarnation":7}']) {
    const store = memoryStore()
    void memberOf(store).put('Config', '', 'weft-kds-origin.global', { config })
    const ledger = openOriginLedger({ store, log: silentLogger, origin: 'global' })
    assert.equal(ledger.incarnation, undefined)
  }
})
