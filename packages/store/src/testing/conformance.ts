// The suite every store driver passes. A driver's test calls `storeConformance` with a way to open an empty store.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hasCode } from '@weft/foundation/errors'
import { FakeClock } from '@weft/foundation/time'
import type { Resource } from '@weft/resources'
import type { Change, Store, WriteContext } from '../contract.ts'
import { leaseCases } from './lease-cases.ts'
import { modelTest } from './model.ts'

/** A store under test and what its driver can do. */
export interface StoreUnderTest {
  readonly store: Store
  /** Closes the store and opens it again with what it kept; absent when the driver keeps nothing. */
  reopen?(): Promise<Store>
  /** Closes everything and removes its data. */
  dispose(): Promise<void>
}

export type OpenStore = (clock: FakeClock) => Promise<StoreUnderTest>

const desired: WriteContext = { actor: 'user:test', reason: 'api', class: 'desired' }
const observed: WriteContext = { actor: 'proxy', reason: 'status', class: 'observed' }
const key = (name: string, mesh = 'default', type = 'MeshTimeout') => ({ type, mesh, name })
const put = (name: string, spec: unknown = { n: 1 }, mesh = 'default') =>
  ({ op: 'put', resource: { ...key(name, mesh), labels: { team: 'a' }, spec } }) as const

/** Registers the conformance tests of a driver under `name`. */
export function storeConformance(name: string, open: OpenStore): void {
  const test = (title: string, body: (under: StoreUnderTest, clock: FakeClock) => Promise<void>): void => {
    it(title, async () => {
      const clock = new FakeClock()
      const under = await open(clock)
      try {
        await body(under, clock)
      } finally {
        await under.dispose()
      }
    })
  }

  describe(`store conformance: ${name}`, () => {
    test('keeps what is put, numbers changes without gaps and stamps times', async ({ store }, clock) => {
      assert.equal(store.seq, 0)
      assert.equal(await store.transact([put('a'), put('b')], desired), 2)
      const first = get(store, 'a')
      assert.deepEqual(
        { ...first, creationTime: '', modificationTime: '' },
        { ...key('a'), labels: { team: 'a' }, spec: { n: 1 }, version: 1, creationTime: '', modificationTime: '' },
      )
      assert.equal(first.creationTime, first.modificationTime)
      clock.advance(5000)
      assert.equal(await store.transact([put('a', { n: 2 })], desired), 3)
      const second = get(store, 'a')
      assert.equal(second.creationTime, first.creationTime)
      assert.notEqual(second.modificationTime, first.modificationTime)
      assert.equal(second.version, 3)
      assert.equal(store.seq, 3)
    })

    test('an equal put is no change', async ({ store }) => {
      await store.transact(
        [{ op: 'put', resource: { ...key('a'), labels: { x: '1', y: '2' }, spec: { a: 1, b: [1, { c: null }] }, status: { ok: true } } }],
        desired,
      )
      const before = get(store, 'a')
      const seen: Change[] = []
      store.watch(store.seq, (changes) => seen.push(...changes))
      const again = { ...key('a'), labels: { y: '2', x: '1' }, spec: { b: [1, { c: null }], a: 1 }, status: { ok: true } }
      assert.equal(await store.transact([{ op: 'put', resource: again }], desired), 1)
      assert.equal(await store.transact([{ op: 'put', resource: { ...key('a'), labels: again.labels, spec: again.spec } }], desired), 1)
      assert.equal(get(store, 'a'), before)
      assert.deepEqual(seen, [])
    })

    test('an absent status keeps the stored one', async ({ store }) => {
      await store.transact([{ op: 'put', resource: { ...put('a').resource, status: { vips: ['241.0.0.1'] } } }], desired)
      await store.transact([put('a', { n: 9 })], desired)
      assert.deepEqual(get(store, 'a').status, { vips: ['241.0.0.1'] })
      await store.transact([{ op: 'put', resource: { ...put('a', { n: 9 }).resource, status: {} } }], desired)
      assert.deepEqual(get(store, 'a').status, {})
    })

    test('a transaction is all or nothing', async ({ store }) => {
      await store.transact([put('a')], desired)
      const seen: number[] = []
      store.watch(store.seq, (changes) => seen.push(changes.length))
      await rejects(
        store.transact([put('b'), { op: 'delete', key: key('a') }, { op: 'delete', key: key('missing') }], desired),
        'store/not-found',
      )
      assert.equal(store.get(key('b')), undefined)
      assert.ok(store.get(key('a')))
      assert.equal(store.seq, 1)
      assert.deepEqual(seen, [])
    })

    test('expectations: absent, version, missing', async ({ store }) => {
      await store.transact([{ ...put('a'), expect: 'absent' }], desired)
      await rejects(store.transact([{ ...put('a', { n: 2 }), expect: 'absent' }], desired), 'store/already-exists')
      await rejects(store.transact([{ ...put('a', { n: 2 }), expect: 7 }], desired), 'store/conflict')
      await rejects(store.transact([{ ...put('zz'), expect: 1 }], desired), 'store/conflict')
      await rejects(store.transact([{ op: 'delete', key: key('a'), expect: 7 }], desired), 'store/conflict')
      await store.transact([{ ...put('a', { n: 2 }), expect: 1 }], desired)
      await store.transact([{ op: 'delete', key: key('a'), expect: 2 }], desired)
      await rejects(store.transact([{ op: 'delete', key: key('a') }], desired), 'store/not-found')
      assert.equal(await store.transact([{ op: 'delete', key: key('a'), ifPresent: true }], desired), 3)
    })

    test('later operations of a transaction see earlier ones', async ({ store }) => {
      await store.transact([put('a'), { op: 'delete', key: key('a') }, { ...put('a', { n: 3 }), expect: 'absent' }], desired)
      assert.deepEqual(get(store, 'a').spec, { n: 3 })
      assert.equal(store.seq, 3)
    })

    test('concurrent transactions are decided one after another', async ({ store }) => {
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, n) => store.transact([{ ...put('leader', { n }), expect: 'absent' }], desired)),
      )
      assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1)
      assert.ok(results.every((result) => result.status === 'fulfilled' || hasCode(result.reason, 'store/already-exists')))
      assert.deepEqual(get(store, 'leader').spec, { n: 0 })
    })

    test('lists are sorted by mesh, then name, and are snapshots', async ({ store }) => {
      await store.transact([put('b', {}, 'm2'), put('a', {}, 'm2'), put('z', {}, 'm1'), put('B', {}, 'm1')], desired)
      assert.deepEqual(names(store.list('MeshTimeout')), ['m1/B', 'm1/z', 'm2/a', 'm2/b'])
      assert.deepEqual(names(store.list('MeshTimeout', 'm2')), ['m2/a', 'm2/b'])
      assert.deepEqual(store.list('Nothing'), [])
      const snapshot = store.list('MeshTimeout', 'm2')
      const all = store.list('MeshTimeout')
      await store.transact([{ op: 'delete', key: key('a', 'm2') }, put('c', {}, 'm2')], desired)
      assert.deepEqual(names(snapshot), ['m2/a', 'm2/b'])
      assert.equal(all.length, 4)
      assert.deepEqual(names(store.list('MeshTimeout', 'm2')), ['m2/b', 'm2/c'])
    })

    test('hostile names and labels are only data', async ({ store, reopen }) => {
      const labels = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>
      const spec: unknown = JSON.parse('{"__proto__":{"polluted":true},"toString":1}')
      const text = { s: 'nul \0, half \ud800, quote " and \\u0000 and \u2028' }
      await store.transact([put('text', text)], { ...desired, actor: "user:'; DROP TABLE x; -- \0 \ud800" })
      await store.transact([{ op: 'put', resource: { type: '__proto__', mesh: 'constructor', name: 'toString', labels, spec } }], desired)
      const live = (await reopen?.()) ?? store
      const found = live.get({ type: '__proto__', mesh: 'constructor', name: 'toString' })
      assert.deepEqual(Object.keys(found?.labels ?? {}), ['__proto__', 'constructor'])
      assert.equal(JSON.stringify(found?.spec), '{"__proto__":{"polluted":true},"toString":1}')
      assert.deepEqual(get(live, 'text').spec, text)
      assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
      assert.equal(live.get({ type: '__proto__', mesh: 'constructor', name: 'hasOwnProperty' }), undefined)
    })

    test('what cannot be kept is refused with store/invalid and harms nothing else', async ({ store }) => {
      const circular: Record<string, unknown> = {}
      circular['self'] = circular
      await rejects(store.transact([{ op: 'put', resource: { ...put('bad').resource, spec: undefined } }], desired), 'store/invalid')
      for (const spec of [{ n: Number.NaN }, { n: 10n }, { f: () => 1 }, circular, { d: new Date(0) }, [undefined]]) {
        await rejects(store.transact([put('bad', spec)], desired), 'store/invalid')
      }
      for (const name of ['', 'a/b', 'a\0b', 'half \ud800', 'x'.repeat(513)])
        await rejects(store.transact([put(name)], desired), 'store/invalid')
      assert.equal(await store.transact([put('good')], desired), 1)
    })

    test('watchers get one batch per transaction, in order, when it becomes visible', async ({ store }) => {
      const batches: { seqs: number[]; visible: boolean }[] = []
      const off = store.watch(0, (changes) => {
        batches.push({
          seqs: changes.map((change) => change.seq),
          visible: store.seq === changes.at(-1)?.seq && changes.every((change) => store.get(change.key) !== undefined),
        })
      })
      await Promise.all([
        store.transact([put('a'), put('b')], desired),
        store.transact([put('c')], observed),
        store.transact([put('d')], desired),
      ])
      assert.deepEqual(batches, [
        { seqs: [1, 2], visible: true },
        { seqs: [3], visible: true },
        { seqs: [4], visible: true },
      ])
      off()
      await store.transact([put('e')], desired)
      assert.equal(batches.length, 3)
    })

    test('changes carry who, why, before and after', async ({ store }) => {
      await store.transact([put('a')], desired)
      await store.transact([{ op: 'delete', key: key('a') }], observed)
      const seen: Change[] = []
      store.watch(0, (changes) => seen.push(...changes))
      assert.deepEqual(
        seen.map((change) => [
          change.seq,
          change.op,
          change.class,
          change.actor,
          change.reason,
          change.before?.version,
          change.after?.version,
        ]),
        [
          [1, 'put', 'desired', 'user:test', 'api', undefined, 1],
          [2, 'delete', 'observed', 'proxy', 'status', 1, undefined],
        ],
      )
    })

    test('catching up from the middle of a transaction, from the end and from the future', async ({ store }) => {
      await store.transact([put('a'), put('b'), put('c')], desired)
      await store.transact([put('d')], desired)
      const seen: number[][] = []
      store.watch(2, (changes) => seen.push(changes.map((change) => change.seq)))
      assert.deepEqual(seen, [[3], [4]])
      store.watch(4, () => assert.fail('nothing to catch up'))
      assert.throws(
        () => store.watch(5, () => {}),
        (error) => hasCode(error, 'store/compacted') && error.details['listFrom'] === 4,
      )
    })

    test('a listener that fails or writes does not disturb the others', async ({ store }) => {
      const order: string[] = []
      store.watch(0, () => {
        throw new Error('broken listener')
      })
      let chained: Promise<number> | undefined
      store.watch(0, (changes) => {
        order.push(`first ${changes[0]?.seq}`)
        chained ??= store.transact([put('from-listener')], observed)
      })
      store.watch(0, (changes) => order.push(`second ${changes[0]?.seq}`))
      await store.transact([put('a')], desired)
      await chained
      assert.deepEqual(order, ['first 1', 'second 1', 'first 2', 'second 2'])
    })

    test('a watcher added by a listener misses nothing and gets nothing twice', async ({ store }) => {
      const inner: number[] = []
      let added = false
      store.watch(0, () => {
        if (!added) {
          added = true
          store.watch(0, (changes) => inner.push(...changes.map((change) => change.seq)))
        }
      })
      await store.transact([put('a')], desired)
      await store.transact([put('b')], desired)
      assert.deepEqual(inner, [1, 2])
    })

    test('old changes are compacted by age', async ({ store }, clock) => {
      await store.transact([put('a')], desired)
      clock.advance(3_600_000)
      await store.transact([put('b')], desired)
      assert.throws(
        () => store.watch(0, () => {}),
        (error) => hasCode(error, 'store/compacted') && error.details['listFrom'] === 2,
      )
      store.watch(1, () => {})
    })

    test('closed means closed', async ({ store }) => {
      const last = store.transact([put('a')], desired)
      await store.close()
      assert.equal(await last, 1)
      await rejects(store.transact([put('b')], desired), 'store/closed')
      assert.throws(
        () => store.watch(0, () => {}),
        (error) => hasCode(error, 'store/closed'),
      )
      assert.ok(store.get(key('a')), 'reads still work')
      await store.close()
    })

    test('reopening keeps id, seq and values', async ({ store, reopen }) => {
      if (!reopen) return
      await store.transact(
        [{ op: 'put', resource: { ...put('a', { text: 'ü\u2028 "quoted"' }).resource, status: { s: 1 } } }, put('b')],
        desired,
      )
      await store.transact([put('c')], observed)
      await store.transact([{ op: 'delete', key: key('b') }], observed)
      const [id, seq, all] = [store.id, store.seq, store.list('MeshTimeout')]
      const again = await reopen()
      assert.equal(again.id, id)
      assert.equal(again.seq, seq)
      assert.deepEqual(again.list('MeshTimeout'), all)
      assert.equal(await again.transact([put('d')], desired), seq + 1)
    })

    for (const [title, body] of Object.entries(leaseCases)) test(title, body)

    it('behaves like the model under random transactions', async () => {
      await modelTest(open)
    })
  })
}

function get(store: Store, name: string): Resource {
  const found = store.get(key(name))
  assert.ok(found, `${name} is there`)
  return found
}

function names(resources: readonly Resource[]): string[] {
  return resources.map((resource) => `${resource.mesh}/${resource.name}`)
}

async function rejects(promise: Promise<unknown>, code: Parameters<typeof hasCode>[1]): Promise<void> {
  await assert.rejects(promise, (error) => hasCode(error, code))
}
