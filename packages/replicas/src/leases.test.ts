// The clock of a process and that of the store are two.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { AppError, hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { type Clock, FakeClock, turns } from '@weft/foundation/time'
import { createMemoryStore, type LeaseTable, type Store } from '@weft/store'
import type { Lease } from './contract.ts'
import { createLedStore } from './led-store.ts'
import { createLeases } from './leases.ts'
import { instanceTable } from './store-instances.ts'

const leaseMs = 15_000
const context = { actor: 'generator:test', reason: 'generated', class: 'observed' } as const
const put = (n: number) => [{ op: 'put', resource: { type: 'Mesh', mesh: '', name: 'm', labels: {}, spec: { n } } }] as const

interface Shared {
  readonly clock: FakeClock
  readonly store: Store
}

function shared(): Shared {
  const clock = new FakeClock()
  return { clock, store: createMemoryStore({ clock, log: silentLogger }) }
}

function process(on: Shared, id: string, clock: Clock = on.clock) {
  const table = { ...on.store.leases }
  const leases = createLeases({ table, self: { instanceId: id }, clock, log: silentLogger, leaseMs })
  return { table, leases, lease: leases.want('leader') }
}

function epochOf({ term }: Lease): number | undefined {
  return term?.epoch
}

it('the lease is there at once, stays while it is renewed, and is one for each name', async () => {
  const on = shared()
  const { leases, lease } = process(on, 'a')
  await lease.asked
  assert.equal(lease.term?.epoch, 1)
  const { term } = lease
  await on.clock.pass(4 * leaseMs)
  assert.equal(lease.term, term)
  assert.equal(leases.want('leader'), lease)
  const told: number[] = []
  lease.onTerm(({ epoch }) => told.push(epoch))
  assert.deepEqual(told, [1], 'who asks late is told at once')
})

it('one that is given back is another’s at once, with a higher epoch', async () => {
  const on = shared()
  const [a, b] = [process(on, 'a'), process(on, 'b')]
  await turns()
  const { term } = a.lease
  assert.ok(term && !b.lease.term)
  const got = new Promise<number>((resolve) => b.lease.onTerm(({ epoch }) => resolve(epoch)))
  await a.leases.stop()
  assert.ok(term.lost.aborted && !a.lease.term)
  assert.ok((await got) > term.epoch)
  await on.clock.pass(2 * leaseMs)
  assert.equal(a.lease.term, undefined, 'it does not want it any more')
})

it('one whose holder is gone is another’s when its time is over', async () => {
  const on = shared()
  const dead = new FakeClock()
  const a = process(on, 'a', dead)
  await turns()
  const b = process(on, 'b')
  await on.clock.pass(leaseMs - 500)
  assert.ok(a.lease.term && !b.lease.term)
  await on.clock.pass(1000)
  assert.equal(epochOf(b.lease), 2)
})

it('a process that was paused finds its term ended before any of its timers ran, and what it sent before is fenced', async () => {
  const on = shared()
  let pausedMs = 0
  const own = new FakeClock()
  const clock: Clock = { now: () => own.now(), monotonic: () => own.monotonic() + pausedMs, after: (ms, fn) => own.after(ms, fn) }
  const a = process(on, 'a', clock)
  await turns()
  const { term } = a.lease
  assert.ok(term)
  const led = createLedStore(on.store, a.lease)
  await led.transact(put(1), context)
  const b = process(on, 'b')
  await on.clock.pass(leaseMs)
  assert.equal(b.lease.term?.epoch, 2)
  // still believes in its term: nothing but the store stands in its way
  await assert.rejects(led.transact(put(2), context), (error) => hasCode(error, 'store/fenced'))
  assert.ok(term.lost.aborted, 'and from then on it knows')
  await createLedStore(on.store, b.lease).transact(put(3), context)
  assert.deepEqual(on.store.get({ type: 'Mesh', mesh: '', name: 'm' })?.spec, { n: 3 })

  await b.lease.release()
  await turns()
  assert.ok(a.lease.term, 'it may have it again')
  pausedMs = leaseMs
  let reached = 0
  const watched = createLedStore({ ...on.store, transact: async () => ++reached }, a.lease)
  await assert.rejects(watched.transact(put(4), context), (error) => hasCode(error, 'store/unavailable'))
  assert.equal(reached, 0)
})

it('without its store a process gives up its term before the store does, and gets a new one when it is back', async () => {
  const on = shared()
  const a = process(on, 'a')
  await turns()
  const { term } = a.lease
  const { renew, acquire } = a.table
  const away = async (): Promise<never> => {
    throw new AppError('store/unavailable', 'away')
  }
  Object.assign(a.table, { renew: away, acquire: away } satisfies Partial<LeaseTable>)
  await on.clock.pass(leaseMs - 2000)
  assert.ok(term && !term.lost.aborted, 'short losses are none')
  await on.clock.pass(1000)
  assert.ok(term.lost.aborted && !a.lease.term)
  await on.clock.pass(leaseMs)
  Object.assign(a.table, { renew, acquire })
  await on.clock.pass(2000)
  assert.equal(epochOf(a.lease), term.epoch + 1)
})

it('an answer that took longer than the lease is none', async () => {
  const on = shared()
  let answer = (): void => {}
  const { acquire } = on.store.leases
  let isFirst = true
  const table: LeaseTable = {
    ...on.store.leases,
    acquire: async (...of) => {
      const grant = await acquire(...of)
      if (isFirst) await new Promise<void>((resolve) => (answer = resolve))
      isFirst = false
      return grant
    },
  }
  const lease = createLeases({ table, self: { instanceId: 'a' }, clock: on.clock, log: silentLogger, leaseMs }).want('leader')
  const terms: number[] = []
  lease.onTerm(({ epoch }) => terms.push(epoch))
  await on.clock.pass(leaseMs)
  answer()
  await turns()
  await on.clock.pass(500)
  assert.deepEqual(terms, [2])
})

it('a term begins when everything is read that earlier holders wrote, and not at all if that took too long', async () => {
  const on = shared()
  const reading: { readonly epoch: number; resolve(): void; reject(error: Error): void }[] = []
  const leases = createLeases({
    table: on.store.leases,
    self: { instanceId: 'a' },
    clock: on.clock,
    log: silentLogger,
    leaseMs,
    catchUp: ({ epoch }) => new Promise<void>((resolve, reject) => reading.push({ epoch, resolve, reject })),
  })
  const lease = leases.want('leader')
  await turns()
  assert.deepEqual([reading.length, epochOf(lease), lease.state], [1, undefined, 'unknown'])
  reading[0]?.reject(new AppError('store/unavailable', 'away'))
  await on.clock.pass(1500)
  assert.deepEqual([reading.length, epochOf(lease)], [2, undefined])
  await on.clock.pass(leaseMs)
  reading[1]?.resolve()
  await turns()
  await on.clock.pass(500)
  assert.deepEqual([reading.length, epochOf(lease)], [3, undefined], 'somebody else may have it by now')
  reading[2]?.resolve()
  await turns()
  assert.equal(epochOf(lease), reading[2]?.epoch)
})

it('one that comes while its process stops is given back', async () => {
  const on = shared()
  const a = process(on, 'a')
  await a.leases.stop()
  assert.equal(a.lease.term, undefined)
  const b = process(on, 'b')
  await b.lease.asked
  assert.ok(b.lease.term)
})

it('living processes are those that beat', async () => {
  const on = shared()
  const { leases } = process(on, 'a')
  await instanceTable(on.store.leases).beat({ instanceId: 'b', address: { host: '127.0.0.1', port: 1 } }, leaseMs)
  assert.deepEqual(await leases.living(), [{ instanceId: 'b', address: { host: '127.0.0.1', port: 1 } }])
  await instanceTable(on.store.leases).leave('b')
  assert.deepEqual(await leases.living(), [])
})
