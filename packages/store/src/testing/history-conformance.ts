// What a history owes its readers; every durable driver passes it.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FakeClock } from '@weft/foundation/time'
import type { WriteContext } from '../contract.ts'
import type { DurableStore } from '../durable.ts'
import { isSealed } from '../history.ts'
import type { HistoryRetention } from '../retention.ts'

export const desired: WriteContext = { actor: 'user:ann', reason: 'api', class: 'desired' }
export const observed: WriteContext = { actor: 'proxy', reason: 'status', class: 'observed' }
export const put = (name: string, spec: unknown, type = 'MeshTimeout') =>
  ({ op: 'put', resource: { type, mesh: 'm', name, labels: { l: '1' }, spec } }) as const
export const key = (name: string, type = 'MeshTimeout') => ({ type, mesh: 'm', name })

/** One store that can be opened again and again, always with the same key. */
export interface HistoryPlace {
  /** Secrets are sealed. */
  open(options?: { readonly retention?: Partial<HistoryRetention> }): Promise<DurableStore>
  dispose(): Promise<void>
}

/** Desired changes of a few resources, with observed ones between them. */
export async function fill(store: DurableStore, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await store.transact([put(`p${n % 3}`, { n, after: store.seq })], desired)
    await store.transact([put('seen', { n, after: store.seq })], observed)
  }
}

/** Registers the tests of a driver. `make` gives an empty place on a clock. */
export function historyConformance(name: string, make: (clock: FakeClock) => Promise<HistoryPlace>): void {
  const inPlace = async (body: (place: HistoryPlace & { readonly clock: FakeClock }) => Promise<void>): Promise<void> => {
    const clock = new FakeClock()
    const place = await make(clock)
    try {
      await body({ ...place, clock })
    } finally {
      await place.dispose()
    }
  }

  describe(`history conformance: ${name}`, () => {
    it('desired changes have who, when, why and the values before and after; observed ones their key, for minutes', () =>
      inPlace(async ({ open, clock }) => {
        const store = await open()
        await store.transact([put('a', { n: 1 })], desired)
        await store.transact([put('seen', { n: 1 })], observed)
        await store.transact([put('a', { n: 2 })], { ...desired, actor: 'user:bob' })
        await store.transact([{ op: 'delete', key: key('a') }], desired)
        const body = (n: number) => ({ labels: { l: '1' }, spec: { n } })
        assert.deepEqual(
          (await store.history.entries()).map(({ seq, class: kind, op, actor, before, after }) => [seq, kind, op, actor, before, after]),
          [
            [1, 'desired', 'put', 'user:ann', undefined, body(1)],
            [2, 'observed', 'put', 'proxy', undefined, undefined],
            [3, 'desired', 'put', 'user:bob', body(1), body(2)],
            [4, 'desired', 'delete', 'user:ann', body(2), undefined],
          ],
        )
        for (let minute = 0; minute < 8; minute += 1) {
          clock.advance(60_000)
          await store.transact([put('tick', { minute })], desired)
        }
        // pruning may go on beside the writes, never beyond the end of the store
        await store.close()
        const again = await open()
        assert.deepEqual(
          (await again.history.entries({ limit: 3 })).map((entry) => entry.seq),
          [1, 3, 4],
        )
        await again.close()
      }))

    it('are chosen by key, actor, class and range, from either end', () =>
      inPlace(async ({ open }) => {
        const store = await open()
        await store.transact([put('a', 1)], desired)
        await store.transact([put('b', 1)], { ...desired, actor: 'zone:east' })
        await store.transact([put('a', 2)], { ...desired, actor: 'user:bob' })
        await store.transact([put('a', 3)], observed)
        const seqs = async (query: Parameters<typeof store.history.entries>[0]): Promise<readonly number[]> =>
          (await store.history.entries(query)).map(({ seq }) => seq)
        await store.close()
        const again = await open()
        const of = again.history
        assert.deepEqual(
          (await of.entries(key('a'))).map(({ seq }) => seq),
          [1, 3, 4],
        )
        assert.deepEqual(
          (await of.entries({ ...key('a'), class: 'desired', order: 'newest', limit: 1 })).map(({ seq }) => seq),
          [3],
        )
        assert.deepEqual(
          (await of.entries({ actorPrefix: 'user:' })).map(({ seq }) => seq),
          [1, 3],
        )
        assert.deepEqual(
          (await of.entries({ afterSeq: 1, beforeSeq: 4 })).map(({ seq }) => seq),
          [2, 3],
        )
        assert.deepEqual(await of.entries({ name: "a' OR '1'='1" }), [])
        await assert.rejects(seqs({}), 'a closed store has no history')
        await again.close()
      }))

    it('times lead to sequence numbers', () =>
      inPlace(async ({ open, clock }) => {
        const store = await open()
        const times: string[] = []
        for (let n = 1; n <= 9; n += 1) {
          clock.advance(1000)
          await store.transact([put('a', n)], desired)
          times.push(new Date(clock.now()).toISOString())
        }
        for (const [index, time] of times.entries()) assert.equal(await store.history.seqAt(time), index + 1)
        assert.equal(await store.history.seqAt(new Date(clock.now() - 1).toISOString()), 8)
        assert.equal(await store.history.seqAt('1970-01-01T00:00:00.000Z'), 0)
        assert.equal(await store.history.seqAt('9999-01-01T00:00:00.000Z'), 9)
        await store.close()
      }))
    it('no entry shows a value, equal values have equal digests, and the key opens them', () =>
      inPlace(async ({ open }) => {
        const store = await open()
        for (const data of ['first-value', 'second-value', 'first-value']) await store.transact([put('s', { data }, 'Secret')], desired)
        const specs = (await store.history.entries()).map(({ after }) => after?.spec)
        assert.ok(specs.every(isSealed))
        const digests = specs.map((spec) => (isSealed(spec) ? spec.digest : ''))
        assert.equal(digests[0], digests[2])
        assert.notEqual(digests[0], digests[1])
        assert.doesNotMatch(JSON.stringify(await store.history.entries()), /first-value/)
        assert.deepEqual(
          (await store.history.opened()).map(({ before, after }) => [before?.spec, after?.spec]),
          [
            [undefined, { data: 'first-value' }],
            [{ data: 'first-value' }, { data: 'second-value' }],
            [{ data: 'second-value' }, { data: 'first-value' }],
          ],
        )
        await store.close()
      }))

    it('holds over restarts and with observed changes in between', () =>
      inPlace(async ({ open }) => {
        const store = await open()
        await fill(store, 5)
        await store.close()
        const again = await open()
        await fill(again, 4)
        const report = await again.history.verify()
        assert.deepEqual([report.ok, report.entries, report.from.seq, report.head.seq], [true, 9, 0, again.seq - 1])
        await again.close()
      }))

    it('begins at a signed checkpoint after pruning by count and age, whatever observed changes there are', () =>
      inPlace(async ({ open, clock }) => {
        const store = await open({ retention: { maxEntries: 4 } })
        await fill(store, 10)
        clock.advance(11_000)
        await store.transact([put('a', 1)], desired)
        await store.close()

        const aged = await open({ retention: { maxAgeMs: 60_000 } })
        const report = await aged.history.verify()
        assert.deepEqual([report.problems, report.entries, report.from.seq], [[], 4, await aged.history.start()])
        assert.equal((await aged.history.entries({ class: 'desired' })).length, 4)
        clock.advance(61_000)
        await aged.transact([put('b', 1)], desired)
        await aged.close()

        const left = await open()
        assert.deepEqual(
          (await left.history.entries({ class: 'desired' })).map(({ key: { name } }) => name),
          ['b'],
        )
        assert.deepEqual((await left.history.verify()).problems, [])
        await left.close()
      }))
  })
}
