// Leases as several processes on one database see them: what waits for what.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import pg from 'pg'
import { hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { systemClock } from '@weft/foundation/time'
import type { Store, StoreOp, WriteContext } from '../contract.ts'
import { createHistoryKey } from '../history-key.ts'
import { startDatabases, type TestDatabases } from '../testing/postgres-databases.ts'
import { withoutPostgres } from '../testing/postgres-server.ts'
import { openPostgresStore } from './open-postgres-store.ts'
import type { PostgresSettings } from './settings.ts'

const key = createHistoryKey(randomBytes(32))
const longMs = 600_000
const put = (name: string, n: number): StoreOp => ({
  op: 'put',
  resource: { type: 'MeshTimeout', mesh: 'm', name, labels: {}, spec: { n } },
})
const under = (epoch: number): WriteContext => ({
  actor: 'generator:test',
  reason: 'generated',
  class: 'observed',
  lease: { name: 'leader', epoch },
})

describe('leases of a shared database', { skip: withoutPostgres() }, () => {
  let databases: TestDatabases
  before(async () => {
    databases = await startDatabases()
  })
  after(() => databases.server.dispose())

  const withStores = async (body: (one: Store, other: Store, settings: PostgresSettings) => Promise<void>): Promise<void> => {
    const settings = await databases.take()
    const open = (): Promise<Store> => openPostgresStore({ settings, clock: systemClock, log: silentLogger, key })
    const [one, other] = [await open(), await open()]
    try {
      await body(one, other, settings)
    } finally {
      await Promise.all([one.close(), other.close()])
      await databases.giveBack(settings)
    }
  }
  /** Keeps every writer waiting for its turn until the function that is returned is called. */
  const holdTurn = async ({ host, port, user, password, database }: PostgresSettings): Promise<() => Promise<void>> => {
    const session = new pg.Client({ host, port, user, password, database })
    await session.connect()
    await session.query('BEGIN; SELECT FROM weft.counter FOR UPDATE')
    return async () => {
      await session.query('COMMIT')
      await session.end()
    }
  }
  /** Until so many statements with this text wait for a lock. */
  const waiting = async ({ database }: PostgresSettings, text: string): Promise<void> => {
    const question = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1 AND datname = $2`
    for (;;) {
      const [row] = await databases.server.query(database, question, [`%${text}%`, database])
      if (row?.['n'] === 1) return
    }
  }

  it('taking a lease waits for a write that holds on to it, so that nothing of the old holder comes after; renewing does not', async () => {
    await withStores(async (one, other, settings) => {
      assert.deepEqual(await one.leases.acquire('leader', 'one', 0), { epoch: 1 })
      const letGo = await holdTurn(settings)
      const order: string[] = []
      const write = one.transact([put('a', 1)], under(1)).then(() => void order.push('written'))
      await waiting(settings, 'WITH held')
      assert.equal(await one.leases.renew({ name: 'leader', epoch: 1 }, 0), true)
      const take = other.leases.acquire('leader', 'other', longMs).then((grant) => {
        order.push('taken')
        return grant
      })
      await waiting(settings, 'INTO weft.leases')
      await letGo()
      assert.deepEqual(await take, { epoch: 2 })
      await write
      assert.deepEqual(order.sort(), ['taken', 'written'])
      await assert.rejects(one.transact([put('a', 2)], under(1)), (error) => hasCode(error, 'store/fenced'))
      const rows = await databases.server.query(settings.database, 'SELECT seq FROM weft.log')
      assert.equal(rows.length, 1)
    })
  })

  it('a write that was overtaken is judged when its turn comes', async () => {
    await withStores(async (one, other, settings) => {
      await one.leases.acquire('leader', 'one', 0)
      const letGo = await holdTurn(settings)
      // the other's write comes first, so that this one has to be planned again behind it
      const first = other.transact([put('b', 1)], { actor: 'user:test', reason: 'api', class: 'desired' })
      await waiting(settings, 'UPDATE weft.counter')
      await letGo()
      await first
      await other.leases.acquire('leader', 'other', longMs)
      const outcomes = await Promise.allSettled([
        one.transact([put('a', 1)], under(1)),
        one.transact([put('c', 1)], { actor: 'user:test', reason: 'api', class: 'desired' }),
      ])
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ['rejected', 'fulfilled'],
      )
      assert.deepEqual(
        one.list('MeshTimeout').map(({ name }) => name),
        ['b', 'c'],
      )
    })
  })

  it('one that is given back is heard of by the others', async () => {
    await withStores(async (one, other) => {
      await one.leases.acquire('leader', 'one', longMs)
      const heard = new Promise<string>((done) => other.leases.onReleased(done))
      await one.leases.release({ name: 'leader', epoch: 1 })
      assert.equal(await heard, 'leader')
      assert.deepEqual(await other.leases.acquire('leader', 'other', longMs), { epoch: 3 })
    })
  })

  it('renewals do not wait behind queries, however many there are', async () => {
    const settings = await databases.take()
    const store = await openPostgresStore({ settings: { ...settings, maxConnections: 1 }, clock: systemClock, log: silentLogger, key })
    try {
      await store.leases.acquire('leader', 'one', longMs)
      const letGo = await holdTurn(settings)
      const write = store.transact([put('a', 1)], { actor: 'user:test', reason: 'api', class: 'desired' })
      await waiting(settings, 'UPDATE weft.counter')
      assert.equal(await store.leases.renew({ name: 'leader', epoch: 1 }, longMs), true)
      await letGo()
      await write
    } finally {
      await store.close()
      await databases.giveBack(settings)
    }
  })

  it('rows of processes that ended without a word are swept', async () => {
    await withStores(async (one, other, settings) => {
      await one.leases.appear({ id: 'dead' }, longMs)
      await databases.server.query(settings.database, `UPDATE weft.instances SET until = now() - interval '1 day'`)
      assert.deepEqual(await other.leases.appear({ id: 'alive' }, longMs), [{ id: 'alive' }])
      assert.equal((await databases.server.query(settings.database, 'SELECT id FROM weft.instances')).length, 1)
    })
  })

  it('without the database the rejection says so, without its password', async () => {
    await withStores(async (one, _, { database }) => {
      await one.leases.acquire('leader', 'one', longMs)
      // this server waits for no disk
      await databases.server.query(database, 'CHECKPOINT')
      await databases.server.kill()
      await assert.rejects(
        one.leases.renew({ name: 'leader', epoch: 1 }, longMs),
        (error) => hasCode(error, 'store/unavailable') && !error.message.includes('tests only'),
      )
      await databases.server.start()
      for (;;) {
        const isRenewed = await one.leases.renew({ name: 'leader', epoch: 1 }, longMs).catch(() => undefined)
        if (isRenewed === undefined) continue
        assert.equal(isRenewed, true)
        return
      }
    })
  })
})
