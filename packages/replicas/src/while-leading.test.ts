import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Component } from '@weft/foundation/lifecycle'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock, turns } from '@weft/foundation/time'
import { createMemoryStore, type LeaseTable } from '@weft/store'
import { createLeases } from './leases.ts'
import { whileLeading } from './while-leading.ts'

const leaseMs = 15_000

function scene() {
  const clock = new FakeClock()
  const store = createMemoryStore({ clock, log: silentLogger })
  const events: string[] = []
  let isAway = false
  const replica = (id: string) => {
    const reach =
      <A extends readonly unknown[], R>(run: (...of: A) => Promise<R>) =>
      async (...of: A): Promise<R> => {
        if (isAway) throw new Error('away')
        return run(...of)
      }
    const { acquire, renew } = store.leases
    const table: LeaseTable = { ...store.leases, acquire: reach(acquire), renew: reach(renew) }
    const leases = createLeases({ table, self: { instanceId: id }, clock, log: silentLogger, leaseMs })
    const lease = leases.want('leader')
    let made = 0
    const part = (name: string, outlivesTerm: boolean): Component =>
      whileLeading({
        name,
        lease,
        log: silentLogger,
        outlivesTerm,
        make: () => {
          const which = `${id} ${name} ${++made}`
          return { name, start: async () => void events.push(`start ${which}`), stop: async () => void events.push(`stop ${which}`) }
        },
      })
    return { leases, lease, part }
  }
  return { clock, events, replica, setAway: (away: boolean) => (isAway = away) }
}

it('runs where the lease is, and moves with it', async () => {
  const { events, replica } = scene()
  const [a, b] = [replica('a'), replica('b')]
  await turns()
  const parts = [a.part('work', false), b.part('work', false)]
  for (const part of parts) await part.start()
  assert.deepEqual(events, ['start a work 1'])
  assert.deepEqual(
    parts.map((part) => part.ready?.()),
    [true, true],
  )
  await a.leases.stop()
  await turns()
  assert.deepEqual(events, ['start a work 1', 'stop a work 1', 'start b work 1'])
  for (const part of parts) await part.stop()
  assert.equal(events.at(-1), 'stop b work 1')
  assert.equal(events.length, 4)
})

it('without the store it stops with the term and starts with the next, or goes on if it has more to lose', async () => {
  const { clock, events, replica, setAway } = scene()
  const a = replica('a')
  await turns()
  await a.part('work', false).start()
  await a.part('session', true).start()
  setAway(true)
  await clock.pass(3 * leaseMs)
  assert.equal(a.lease.state, 'unknown')
  assert.deepEqual(events, ['start a work 1', 'start a session 2', 'stop a work 1'])
  setAway(false)
  await clock.pass(2000)
  assert.equal(a.lease.state, 'ours')
  assert.deepEqual(events.slice(3), ['start a work 3'])
  // another got it meanwhile
  const b = replica('b')
  setAway(true)
  await clock.pass(3 * leaseMs)
  events.length = 0
  await a.leases.stop()
  await turns()
  assert.deepEqual(events.sort(), ['stop a session 2'])
  await b.leases.stop()
})

it('stops, session and all, when another process turns out to have the lease', async () => {
  const { clock, events, replica, setAway } = scene()
  const a = replica('a')
  await turns()
  await a.part('session', true).start()
  setAway(true)
  await clock.pass(leaseMs)
  assert.equal(a.lease.state, 'unknown')
  setAway(false)
  const b = replica('b')
  await b.lease.asked
  assert.equal(b.lease.state, 'ours')
  await clock.pass(2000)
  assert.equal(a.lease.state, 'theirs')
  assert.deepEqual(events, ['start a session 1', 'stop a session 1'])
  assert.equal(a.lease.holder, undefined, 'it may be a process that has died')
  await clock.pass(leaseMs)
  assert.equal(a.lease.holder, 'b', 'it renews')
  await b.leases.stop()
  await clock.pass(1000)
  assert.equal(events.at(-1), 'start a session 2')
})
