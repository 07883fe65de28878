// What every store driver promises about leases and the writes that depend on them. Nothing here waits for time to pass: a lease that is over
// is one that was taken for no time at all.
import assert from 'node:assert/strict'
import { hasCode } from '@weft/foundation/errors'
import type { Change, Store, StoreOp, WriteContext } from '../contract.ts'
import type { WriteLease } from '../lease-table.ts'
import type { StoreUnderTest } from './conformance.ts'

const longMs = 600_000
const key = (name: string) => ({ type: 'MeshTimeout', mesh: 'm', name })
const put = (name: string, n = 1, expect?: 'absent'): StoreOp => ({
  op: 'put',
  resource: { ...key(name), labels: {}, spec: { n } },
  ...(expect ? { expect } : {}),
})
const plain: WriteContext = { actor: 'user:test', reason: 'api', class: 'desired' }
const under = (lease: WriteLease, kind: WriteContext['class'] = 'observed'): WriteContext => ({
  actor: 'generator:test',
  reason: 'generated',
  class: kind,
  lease,
})
const isFenced = (error: unknown): boolean => hasCode(error, 'store/fenced') && /"leader" has changed hands/.test(error.message)

async function take({ leases }: Store, holder: string, ms = longMs): Promise<WriteLease> {
  const grant = await leases.acquire('leader', holder, ms)
  assert.ok('epoch' in grant, `${holder} gets it`)
  return { name: 'leader', epoch: grant.epoch }
}

export type LeaseCase = (scene: StoreUnderTest) => Promise<void>

export const leaseCases: Readonly<Record<string, LeaseCase>> = {
  'a lease has one holder at a time, and an epoch that only grows': async ({ store: { leases } }) => {
    const first = await leases.acquire('leader', 'a', longMs)
    assert.deepEqual(first, { epoch: 1 })
    const refused = await leases.acquire('leader', 'b', longMs)
    assert.ok('holder' in refused && refused.holder === 'a' && refused.remainingMs > 0 && refused.remainingMs <= longMs)
    assert.equal(await leases.renew({ name: 'leader', epoch: 1 }, 0), true)
    assert.deepEqual(await leases.acquire('leader', 'b', longMs), { epoch: 2 }, 'over is free')
    assert.equal(await leases.renew({ name: 'leader', epoch: 1 }, longMs), false)
    assert.deepEqual(await leases.acquire('leader', 'b', longMs), { epoch: 3 }, 'its holder may take it anew')
    assert.deepEqual(await leases.acquire('other', 'a', longMs), { epoch: 1 }, 'names have nothing to do with each other')
  },

  'of many that want it one gets it': async ({ store: { leases } }) => {
    const grants = await Promise.all(Array.from({ length: 12 }, (_, n) => leases.acquire('leader', `p${n}`, longMs)))
    assert.deepEqual(
      grants.filter((grant) => 'epoch' in grant),
      [{ epoch: 1 }],
    )
  },

  'a lease that is given back is free at once, and what its holder still writes is fenced': async ({ store }) => {
    const lease = await take(store, 'a')
    await store.transact([put('x')], under(lease))
    await store.leases.release(lease)
    await assert.rejects(store.transact([put('x', 2)], under(lease)), isFenced)
    await store.leases.release(lease)
    assert.equal(await store.leases.renew(lease, longMs), false)
    const next = await take(store, 'b')
    assert.ok(next.epoch > lease.epoch)
    await store.leases.release(lease)
    await store.transact([put('x', 3)], under(next))
  },

  'a write under an epoch that is no longer the row’s takes no effect': async ({ store }) => {
    const old = await take(store, 'a', 0)
    await store.transact([put('x', 1), put('y', 1)], under(old))
    const seq = store.seq
    const next = await take(store, 'b')
    const seen: Change[] = []
    store.watch(store.seq, (changes) => seen.push(...changes))
    for (const kind of ['observed', 'desired'] as const) {
      await assert.rejects(store.transact([put('x', 2)], under(old, kind)), isFenced)
      await assert.rejects(store.transact([{ op: 'delete', key: key('y') }], under(old, kind)), isFenced)
    }
    await assert.rejects(store.transact([put('x', 1)], under(old)), isFenced, 'also one that would change nothing')
    await assert.rejects(store.transact([put('x', 2)], under({ name: 'leader', epoch: next.epoch + 1 })), isFenced, 'nor one of the future')
    assert.deepEqual([seen, store.seq], [[], seq])
    assert.equal(await store.transact([put('x', 3)], under(next)), seq + 1)
  },

  'a lease nobody ever took allows nothing': async ({ store }) => {
    await assert.rejects(store.transact([put('x')], under({ name: 'leader', epoch: 0 })), isFenced)
    await assert.rejects(store.transact([put('x')], under({ name: 'leader', epoch: 1 })), isFenced)
  },

  'a lease that is over and that nobody took still allows writes': async ({ store }) => {
    const lease = await take(store, 'a', 0)
    assert.equal(await store.transact([put('x')], under(lease)), 1)
  },

  'fenced requests fail alone, whatever they share a commit with': async ({ store }) => {
    const old = await take(store, 'a', 0)
    const next = await take(store, 'b')
    const outcomes = await Promise.allSettled([
      store.transact([put('a')], plain),
      store.transact([put('b')], under(old, 'desired')),
      store.transact([put('b', 2, 'absent')], under(next, 'desired')),
      store.transact([put('c')], under(old)),
      store.transact([put('a', 9, 'absent')], under(next, 'desired')),
      store.transact([put('d')], plain),
    ])
    const told = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'written' : codeOf(outcome.reason)))
    assert.deepEqual(told, ['written', 'store/fenced', 'written', 'store/fenced', 'store/already-exists', 'written'])
    assert.deepEqual(
      store.list('MeshTimeout').map(({ name, spec }) => [name, spec]),
      [
        ['a', { n: 1 }],
        ['b', { n: 2 }],
        ['d', { n: 1 }],
      ],
    )
    assert.equal(store.seq, 3)
  },

  'processes that live are known by id, with where they are reached': async ({ store: { leases } }) => {
    const a = { id: 'a', address: { host: '127.0.0.1', port: 5683 } }
    assert.deepEqual(await leases.appear(a, longMs), [a])
    assert.deepEqual(await leases.appear({ id: 'b' }, longMs), [a, { id: 'b' }])
    const moved = { id: 'a', address: { host: '127.0.0.2', port: 1 } }
    assert.deepEqual(await leases.appear(moved, 0), [moved, { id: 'b' }], 'it lives, whatever it says about later')
    assert.deepEqual(await leases.appear({ id: 'b' }, longMs), [{ id: 'b' }])
    assert.deepEqual(await leases.living(), [{ id: 'b' }])
    await leases.appear(a, longMs)
    await leases.leave('b')
    await leases.leave('nobody')
    assert.deepEqual(await leases.living(), [a])
  },

  'epochs outlive the process': async ({ store, reopen }) => {
    const lease = await take(store, 'a', 0)
    await store.transact([put('x')], under(lease))
    if (!reopen) return
    const again = await reopen()
    const next = await take(again, 'a')
    assert.ok(next.epoch > lease.epoch)
    await assert.rejects(again.transact([put('x', 2)], under(lease)), isFenced)
    await again.transact([put('x', 3)], under(next))
  },
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error)
}
