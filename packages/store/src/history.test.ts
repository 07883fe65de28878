import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { WriteContext } from './contract.ts'
import { type EmbeddedStore, type EmbeddedStoreOptions, openEmbeddedStore } from './embedded.ts'
import { isSealed } from './history.ts'

const desired: WriteContext = { actor: 'user:ann', reason: 'api', class: 'desired' }
const observed: WriteContext = { actor: 'proxy', reason: 'status', class: 'observed' }
const put = (name: string, spec: unknown, type = 'MeshTimeout') =>
  ({ op: 'put', resource: { type, mesh: 'm', name, labels: { l: '1' }, spec } }) as const
const key = (name: string, type = 'MeshTimeout') => ({ type, mesh: 'm', name })

interface Place {
  readonly dir: string
  readonly clock: FakeClock
  open(options?: Partial<EmbeddedStoreOptions>): Promise<EmbeddedStore>
  /** Runs SQL on the file of a closed store. */
  alter(sql: string): void
}

async function inPlace(body: (place: Place) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'weft-history-'))
  const clock = new FakeClock()
  try {
    await body({
      dir,
      clock,
      open: (options = {}) => openEmbeddedStore({ dir, clock, log: silentLogger, sealedTypes: ['Secret'], ...options }),
      alter: (sql) => {
        const db = new DatabaseSync(join(dir, 'store.db'))
        db.exec(sql)
        db.close()
      },
    })
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

describe('entries', () => {
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
      assert.deepEqual(
        (await store.history.entries({ limit: 3 })).map((entry) => entry.seq),
        [1, 3, 4],
      )
      await store.close()
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
})

describe('sealed kinds', () => {
  it('no entry shows a value, equal values have equal digests, and the key opens them', () =>
    inPlace(async ({ open, dir }) => {
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
      assert.equal((await stat(join(dir, 'history.key'))).mode & 0o077, 0)
      const db = new DatabaseSync(join(dir, 'store.db'), { readOnly: true })
      assert.doesNotMatch(JSON.stringify(db.prepare('SELECT * FROM log').all()), /first-value|second-value/)
      db.close()
    }))

  it('without the key they stay closed, all else goes on', () =>
    inPlace(async ({ open, dir }) => {
      const store = await open()
      await store.transact([put('s', { data: 'x' }, 'Secret'), put('a', 1)], desired)
      await store.close()
      await rm(join(dir, 'history.key'))
      const other = await open()
      const [secret, plain] = await other.history.opened()
      assert.ok(isSealed(secret?.after?.spec))
      assert.equal(plain?.after?.spec, 1)
      assert.deepEqual((await other.history.verify()).problems, ['the head at 2 is not signed with the key at hand'])
      await other.close()
    }))

  it('a sealed value that was moved to another entry does not open', () =>
    inPlace(async ({ open, alter }) => {
      const store = await open()
      for (const data of ['one', 'two']) await store.transact([put('s', { data }, 'Secret')], desired)
      await store.close()
      alter('UPDATE log SET after = (SELECT after FROM log WHERE seq = 1) WHERE seq = 2')
      const again = await open()
      assert.ok(isSealed((await again.history.opened())[1]?.after?.spec))
      assert.equal((await again.history.verify()).ok, false)
      await again.close()
    }))

  it('a key file that is none is refused', () =>
    inPlace(async ({ open, dir }) => {
      await (await open()).close()
      const text = await readFile(join(dir, 'history.key'), 'utf8')
      assert.match(text, /^[0-9a-f]{64}\n$/)
      await writeFile(join(dir, 'history.key'), text.slice(0, 20))
      await assert.rejects(open(), (error) => hasCode(error, 'store/unavailable') && /history\.key/.test(error.message))
    }))
})

describe('the chain', () => {
  const fill = async (store: EmbeddedStore, count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) {
      await store.transact([put(`p${n % 3}`, { n, after: store.seq })], desired)
      await store.transact([put('seen', { n })], observed)
    }
  }

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

  const alterations = {
    'an altered value': ['UPDATE log SET after = replace(after, \'"n":2\', \'"n":7\') WHERE seq = 5', /^entry 5 .* was altered$/],
    'another actor': ["UPDATE log SET actor = 'user:eve' WHERE seq = 3", /^entry 3 .* was altered$/],
    'a missing entry': ['DELETE FROM log WHERE seq = 5', /^entry 7 follows 5, but the one before it is 3$/],
    'a missing start': ['DELETE FROM log WHERE seq <= 3', /^entry 5 follows 3, but the one before it is 0$/],
    'a missing end': ["DELETE FROM log WHERE seq >= 9 AND class = 'desired'", /^the chain ends at 7, its head names 9$/],
    'an entry more': [
      "INSERT INTO log (seq, time, class, actor, reason, op, type, mesh, name, previous, hash) VALUES (20, '', 'desired', 'user:eve', '', 'put', 'T', '', 'n', 9, 'x')",
      undefined,
    ],
    'a checkpoint that nobody signed': [
      `DELETE FROM log WHERE seq <= 3; INSERT INTO meta VALUES ('checkpoint', json_object('seq', 3, 'hash', 'x', 'signature', 'y'))`,
      /^the checkpoint at 3 is not signed/,
    ],
    'a head that was set back': [
      `DELETE FROM log WHERE seq >= 9; UPDATE meta SET value = json_object('seq', 7, 'hash', (SELECT hash FROM log WHERE seq = 7), 'signature', 'y') WHERE key = 'head'`,
      /^the head at 7 is not signed/,
    ],
  } as const
  for (const [name, [sql, problem]] of Object.entries(alterations)) {
    it(`shows ${name}`, () =>
      inPlace(async ({ open, alter }) => {
        const store = await open()
        await fill(store, 5)
        await store.close()
        alter(sql)
        const again = await open()
        const report = await again.history.verify()
        if (problem) assert.match(report.problems[0] ?? '', problem)
        // beyond the head nothing counts; the next write cannot take its place unseen
        else assert.equal(report.ok, true)
        await again.close()
      }))
  }

  it('begins at a signed checkpoint after pruning by count and age, whatever observed changes there are', () =>
    inPlace(async ({ open, clock }) => {
      const store = await open({ retention: { maxEntries: 4 } })
      await fill(store, 10)
      clock.advance(11_000)
      await store.transact([put('a', 1)], desired)
      const report = await store.history.verify()
      assert.deepEqual([report.ok, report.entries, report.from.seq], [true, 4, store.history.from])
      assert.equal((await store.history.entries({ class: 'desired' })).length, 4)
      await store.close()

      const aged = await open({ retention: { maxAgeMs: 60_000 } })
      clock.advance(61_000)
      await aged.transact([put('b', 1)], desired)
      const entries = await aged.history.entries({ class: 'desired' })
      assert.deepEqual(
        entries.map(({ key: { name } }) => name),
        ['b'],
      )
      assert.deepEqual((await aged.history.verify()).problems, [])
      await aged.close()
    }))
})

it('a file of the first format is taken along; its history begins after what it had', () =>
  inPlace(async ({ open, alter }) => {
    const first = await open()
    await first.transact([put('a', 1)], desired)
    await first.close()
    alter(`ALTER TABLE log DROP COLUMN hash; ALTER TABLE log DROP COLUMN previous; ALTER TABLE log DROP COLUMN before;
           ALTER TABLE log RENAME COLUMN after TO body; DELETE FROM meta WHERE key IN ('head', 'history-from'); PRAGMA user_version = 1`)
    const store = await open()
    assert.equal(store.get(key('a'))?.spec, 1)
    assert.equal(store.history.from, 1)
    await store.transact([put('a', 2)], desired)
    assert.equal((await store.history.verify()).ok, true)
    assert.deepEqual(
      (await store.history.entries()).map(({ before }) => before?.spec),
      [1],
    )
    await store.close()
  }))
