import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { createMetrics } from '@weft/foundation/metrics'
import { FakeClock, systemClock } from '@weft/foundation/time'
import { storeConformance } from './testing/conformance.ts'
import type { WriteContext } from './contract.ts'
import { openEmbeddedStore } from './embedded.ts'
import { strictStore } from './strict.ts'
import { writeUntilKilled } from './testing/write-until-killed.ts'

const desired: WriteContext = { actor: 'user:test', reason: 'api', class: 'desired' }
const observed: WriteContext = { actor: 'proxy', reason: 'status', class: 'observed' }
const put = (name: string, spec: unknown = { n: 1 }) =>
  ({ op: 'put', resource: { type: 'Dataplane', mesh: 'm', name, labels: {}, spec } }) as const

async function inFolder(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'weft-store-'))
  try {
    await body(dir)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

storeConformance('embedded', async (clock) => {
  const dir = await mkdtemp(join(tmpdir(), 'weft-store-'))
  const open = async () => strictStore(await openEmbeddedStore({ dir, clock, log: silentLogger }))
  let store = await open()
  return {
    store,
    reopen: async () => {
      await store.close()
      store = await open()
      return store
    },
    dispose: async () => {
      await store.close()
      await rm(dir, { recursive: true, force: true })
    },
  }
})

it('a second process-wide opening is refused and names the holder', async () => {
  await inFolder(async (dir) => {
    const first = await openEmbeddedStore({ dir, clock: systemClock, log: silentLogger })
    await assert.rejects(
      openEmbeddedStore({ dir, clock: systemClock, log: silentLogger }),
      (error) => hasCode(error, 'store/locked') && error.details['pid'] === process.pid,
    )
    await first.close()
    const again = await openEmbeddedStore({ dir, clock: systemClock, log: silentLogger })
    await again.close()
  })
})

it('a file of a newer format or with rubbish in it is refused', async () => {
  await inFolder(async (dir) => {
    const store = await openEmbeddedStore({ dir, clock: systemClock, log: silentLogger })
    await store.close()
    const db = new DatabaseSync(join(dir, 'store.db'))
    db.exec('PRAGMA user_version = 99')
    db.close()
    await assert.rejects(
      openEmbeddedStore({ dir, clock: systemClock, log: silentLogger }),
      (error) => hasCode(error, 'store/unavailable') && /format 99/.test(error.message),
    )
    await writeFile(join(dir, 'store.db'), 'this is not a database, but long enough to look at '.repeat(40))
    await assert.rejects(openEmbeddedStore({ dir, clock: systemClock, log: silentLogger }), (error) => hasCode(error, 'store/unavailable'))
  })
})

it('a folder that cannot be made is store/unavailable', async () => {
  await inFolder(async (dir) => {
    await writeFile(join(dir, 'file'), '')
    await assert.rejects(openEmbeddedStore({ dir: join(dir, 'file', 'sub'), clock: systemClock, log: silentLogger }), (error) =>
      hasCode(error, 'store/unavailable'),
    )
  })
})

it('only the owner can read the files', async () => {
  await inFolder(async (parent) => {
    const dir = join(parent, 'data')
    const store = await openEmbeddedStore({ dir, clock: systemClock, log: silentLogger })
    await store.transact([put('a')], desired)
    assert.equal((await stat(dir)).mode & 0o077, 0)
    assert.equal((await stat(join(dir, 'store.db'))).mode & 0o077, 0)
    assert.equal((await stat(join(dir, 'store.db-wal'))).mode & 0o077, 0)
    await store.close()
  })
})

it('observed changes reach the disk in the turn after, coalesced', async () => {
  await inFolder(async (dir) => {
    // no time passes: a process that is killed must not forget what it has already told others
    const store = await openEmbeddedStore({ dir, clock: new FakeClock(), log: silentLogger })
    for (let n = 0; n < 50; n += 1) await store.transact([put('a', { n })], observed)
    assert.equal((await store.history.entries()).length, 0, 'nothing is written at once')
    await new Promise(setImmediate)
    assert.equal((await store.history.entries()).length, 50)
    await store.close()
    const db = new DatabaseSync(join(dir, 'store.db'), { readOnly: true })
    assert.deepEqual(
      db
        .prepare('SELECT spec FROM resources')
        .all()
        .map((row) => row['spec']),
      ['{"n":49}'],
    )
    db.close()
  })
})

it('a large transaction leaves the event loop room and is still all or nothing', async () => {
  await inFolder(async (dir) => {
    const store = await openEmbeddedStore({ dir, clock: systemClock, log: silentLogger })
    let turns = 0
    let running = true
    const count = (): void => {
      turns += 1
      if (running) setImmediate(count)
    }
    setImmediate(count)
    const ops = Array.from({ length: 6000 }, (_, n) => put(`dp-${n}`, { address: '10.0.0.1', filler: 'x'.repeat(200) }))
    const done = store.transact(ops, desired)
    assert.equal(store.seq, 0)
    assert.equal(await done, 6000)
    running = false
    assert.ok(turns > 3, `the loop turned ${turns} times`)
    await store.close()
  })
})

it('metrics count changes, results and sizes', async () => {
  await inFolder(async (dir) => {
    const metrics = createMetrics()
    const store = await openEmbeddedStore({ dir, clock: systemClock, log: silentLogger, metrics })
    await store.transact([put('a')], desired)
    await assert.rejects(store.transact([{ ...put('a'), expect: 'absent' }], desired))
    const { text } = await metrics.expose()
    assert.match(text, /store_changes_total\{class="desired",op="put"\} 1/)
    assert.match(text, /store_transaction_duration_seconds_count\{class="desired",result="conflict"\} 1/)
    assert.match(text, /store_resources 1/)
    await store.close()
  })
})

it('acknowledged transactions survive kill -9', async () => {
  await inFolder(async (dir) => {
    for (let round = 0; round < 3; round += 1) {
      const acknowledged = await writeUntilKilled({ driver: 'embedded', place: dir, round, lines: 40 + round * 25 })
      const store = await openEmbeddedStore({ dir, clock: systemClock, log: silentLogger })
      for (const { name, n } of acknowledged) {
        const found = store.get({ type: 'Dataplane', mesh: 'm', name })?.spec
        assert.ok(typeof found === 'object' && found !== null && 'n' in found && Number(found.n) >= n, `${name} has at least ${n}`)
      }
      const [left, right] = ['left', 'right'].map((name) => store.get({ type: 'Dataplane', mesh: 'm', name })?.spec)
      assert.deepEqual(left, right, 'no half of a transaction')
      await store.close()
    }
  })
})

it('the lock file names the process', async () => {
  await inFolder(async (dir) => {
    const store = await openEmbeddedStore({ dir, clock: systemClock, log: silentLogger })
    assert.equal((await readFile(join(dir, 'store.pid'), 'utf8')).trim(), String(process.pid))
    await store.close()
  })
})
