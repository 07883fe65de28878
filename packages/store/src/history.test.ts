import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { DurableStore } from './durable.ts'
import { type EmbeddedStoreOptions, openEmbeddedStore } from './embedded.ts'
import { isSealed } from './history.ts'
import { desired, fill, historyConformance, key, put } from './testing/history-conformance.ts'

interface Place {
  readonly dir: string
  readonly clock: FakeClock
  open(options?: Partial<EmbeddedStoreOptions>): Promise<DurableStore>
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

historyConformance('embedded', async (clock) => {
  const dir = await mkdtemp(join(tmpdir(), 'weft-history-'))
  return {
    open: (options) => openEmbeddedStore({ dir, clock, log: silentLogger, sealedTypes: ['Secret'], ...options }),
    dispose: () => rm(dir, { recursive: true, force: true }),
  }
})

describe('sealed kinds', () => {
  it('the key is for its owner, and the file holds no value', () =>
    inPlace(async ({ open, dir }) => {
      const store = await open()
      await store.transact([put('s', { data: 'first-value' }, 'Secret')], desired)
      await store.close()
      assert.equal((await stat(join(dir, 'history.key'))).mode & 0o077, 0)
      const db = new DatabaseSync(join(dir, 'store.db'), { readOnly: true })
      assert.doesNotMatch(JSON.stringify(db.prepare('SELECT * FROM log').all()), /first-value/)
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
    assert.equal(await store.history.start(), 1)
    await store.transact([put('a', 2)], desired)
    assert.equal((await store.history.verify()).ok, true)
    assert.deepEqual(
      (await store.history.entries()).map(({ before }) => before?.spec),
      [1],
    )
    await store.close()
  }))
