// Writing processes that are killed while others write: what was acknowledged is there, whole, without a hole, and the chain holds.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import { createHistoryKey } from '../history-key.ts'
import { startDatabases, type TestDatabases } from '../testing/postgres-databases.ts'
import { withoutPostgres } from '../testing/postgres-server.ts'
import { writeUntilKilled } from '../testing/write-until-killed.ts'
import { openPostgresStore } from './open-postgres-store.ts'

describe('writers on PostgreSQL that are killed', { skip: withoutPostgres() }, () => {
  let databases: TestDatabases
  before(async () => {
    databases = await startDatabases({ durable: true })
  })
  after(() => databases.server.dispose())

  it('lose nothing that was acknowledged', async () => {
    const settings = await databases.take()
    const place = JSON.stringify(settings)
    const open = () => openPostgresStore({ settings, clock: systemClock, log: silentLogger, key: createHistoryKey(new Uint8Array(32)) })
    const watching = await open()
    const seen: number[] = []
    watching.watch(watching.seq, (changes) => seen.push(...changes.filter(({ class: kind }) => kind === 'desired').map(({ seq }) => seq)))
    for (let round = 0; round < 2; round += 1) {
      const killed = [0, 1].map((at) => writeUntilKilled({ driver: 'postgres', place, round: round * 2 + at, lines: 40 + at * 30 }))
      const acknowledged = (await Promise.all(killed)).flat()
      const store = await open()
      const numberOf = (name: string): number => {
        const spec = store.get({ type: 'Dataplane', mesh: 'm', name })?.spec
        return typeof spec === 'object' && spec !== null && 'n' in spec ? Number(spec.n) : 0
      }
      // both write the same resources: the last one counts, so each has at least what either was told before the other went on
      for (const { name, n } of acknowledged)
        assert.ok(isLogged(await store.history.entries({ name, limit: 100_000 }), n), `${name} ${n} is in the log`)
      assert.equal(numberOf('left'), numberOf('right'), 'no half of a transaction')
      const [log] = await databases.server.query(
        settings.database,
        'SELECT count(*)::int AS entries, max(l.seq)::int AS last, (SELECT seq FROM weft.counter)::int AS counter FROM weft.log l',
      )
      assert.deepEqual(log, { entries: store.seq, last: store.seq, counter: store.seq }, 'no hole')
      assert.deepEqual((await store.history.verify()).problems, [])
      const desired = (await store.history.entries({ class: 'desired', limit: 100_000 })).map(({ seq }) => seq)
      await new Promise<void>((resolve) => {
        const stop = watching.watch(watching.seq, () => done())
        const done = (): void => {
          if (watching.seq < store.seq) return
          stop()
          resolve()
        }
        done()
      })
      assert.deepEqual(seen, desired, 'a watcher saw every desired change, in order')
      assert.deepEqual(watching.list('Dataplane'), store.list('Dataplane'))
      await store.close()
    }
    await watching.close()
  })
})

function isLogged(entries: readonly { readonly after?: { readonly spec: unknown } }[], n: number): boolean {
  return entries.some(({ after: value }) => JSON.stringify(value?.spec) === JSON.stringify({ n }))
}
