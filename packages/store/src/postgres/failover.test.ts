// A server that dies under load, and its synchronous standby that takes over at the address of the first.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import type { WriteContext } from '../contract.ts'
import type { DurableStore } from '../durable.ts'
import { createHistoryKey } from '../history-key.ts'
import { numberIn, put, reached } from '../testing/numbered-resources.ts'
import { startPostgres, withoutPostgres } from '../testing/postgres-server.ts'
import { createTcpRelay } from '../testing/tcp-relay.ts'
import { migrateUp } from './migrate.ts'
import { openPostgresStore } from './open-postgres-store.ts'

const desired: WriteContext = { actor: 'user:test', reason: 'api', class: 'desired' }

describe('failover to a standby', { skip: withoutPostgres() }, () => {
  it('loses no acknowledged write, leaves no hole and no other chain, and needs no restart', async () => {
    const primary = await startPostgres({ durable: true })
    try {
      const database = await primary.createDatabase()
      await migrateUp(primary.settings(database))
      const standby = await startPostgres({ standbyOf: primary })
      try {
        await using relay = await createTcpRelay(primary.port)
        const settings = { ...primary.settings(database), port: relay.port }
        await primary.query('postgres', `ALTER SYSTEM SET synchronous_standby_names = '*'`)
        await primary.query('postgres', 'SELECT pg_reload_conf()')
        for (let isSynchronous = false; !isSynchronous; ) {
          const rows = await primary.query('postgres', `SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'`)
          isSynchronous = rows.length === 1
        }
        const open = (): Promise<DurableStore> =>
          openPostgresStore({ settings, clock: systemClock, log: silentLogger, key: createHistoryKey(new Uint8Array(32)) })
        const [one, two] = [await open(), await open()]
        const seen: number[] = []
        two.watch(two.seq, (changes) => seen.push(...changes.map(({ seq }) => seq)))
        const acknowledged = new Map<string, number>()
        let isOver = false
        const writers = [one, two].flatMap((store, at) =>
          Array.from({ length: 4 }, async (_, writer) => {
            const name = `w-${at}-${writer}`
            for (let n = 1; !isOver; n += 1) {
              try {
                await store.transact([put(name, n)], desired)
                acknowledged.set(name, n)
              } catch (error) {
                assert.ok(hasCode(error, 'store/unavailable'))
                await delay(20)
              }
            }
          }),
        )
        await reached(two, 40)
        await primary.kill()
        relay.target = standby.port
        await standby.query('postgres', 'SELECT pg_promote()')
        await reached(two, two.seq + 40)
        isOver = true
        await Promise.all(writers)
        const again = await open()
        await Promise.all([one, two].map((store) => reached(store, again.seq)))
        assert.deepEqual(
          seen,
          Array.from({ length: again.seq }, (_, at) => at + 1),
          'every number once, in order',
        )
        for (const store of [one, two, again]) {
          for (const [name, n] of acknowledged) assert.ok(numberIn(store, name) >= n, `${name} has at least ${n}`)
          assert.deepEqual(store.list('Dataplane'), again.list('Dataplane'))
        }
        assert.deepEqual((await again.history.verify()).problems, [])
        await Promise.all([one, two, again].map((store) => store.close()))
      } finally {
        await standby.dispose()
      }
    } finally {
      await primary.dispose()
    }
  })
})
