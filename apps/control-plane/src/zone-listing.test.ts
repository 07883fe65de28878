import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock, turns } from '@weft/foundation/time'
import type { GlobalConnection } from '@weft/kds'
import { createLeases, createLedStore } from '@weft/replicas'
import { createMemoryStore, type Store } from '@weft/store'
import { createZoneListing, listedConfig } from './zone-listing.ts'

const leaseMs = 15_000

function connection(complete: boolean): GlobalConnection {
  return { state: complete ? 'connected' : 'stopped', peer: 'own', since: '', lastError: undefined, listed: [], complete }
}

function replica(store: Store, clock: FakeClock, instanceId: string) {
  const leases = createLeases({ table: store.leases, self: { instanceId }, clock, log: silentLogger, leaseMs })
  const lease = leases.want('leader')
  let now = connection(false)
  let told: (connection: GlobalConnection) => void = () => {}
  const listing = createZoneListing({
    leadership: { lease, store: createLedStore(store, lease), mayWrite: () => lease.term !== undefined },
    instanceId,
    log: silentLogger,
    client: () => ({ connection: () => now, onConnection: (listener) => ((told = listener), () => {}) }),
    isFederated: true,
  })
  let changes = 0
  listing.onChange(() => (changes += 1))
  return {
    leases,
    listing,
    get changes() {
      return changes
    },
    complete: () => {
      now = connection(true)
      told(now)
    },
  }
}

async function scene() {
  const clock = new FakeClock()
  const store = createMemoryStore({ clock, log: silentLogger })
  const leader = replica(store, clock, 'leader')
  await turns()
  const follower = replica(store, clock, 'follower')
  await turns()
  for (const { listing } of [leader, follower]) await listing.start()
  return { clock, store, leader, follower }
}

it('what the leader has been sent, its followers have, for as long as it lives and when they take over', async () => {
  const { clock, leader, follower } = await scene()
  leader.complete()
  await turns()
  assert.equal(leader.listing.isListed(), true)
  assert.ok(follower.changes > 0, 'it is told')
  await clock.pass(leaseMs)
  assert.equal(follower.listing.isListed(), true)
  await leader.leases.stop()
  await turns()
  assert.equal(follower.listing.isListed(), true, 'nothing of it has gone')
})

it('what a leader of before wrote down counts for nothing: keys may have changed since', async () => {
  const { clock, store, leader, follower } = await scene()
  const note = { ...listedConfig, labels: {}, spec: { config: 'somebody of before' } }
  await store.transact([{ op: 'put', resource: note }], { actor: 'generator:kds', reason: 'kds', class: 'observed' })
  await clock.pass(2 * leaseMs)
  assert.deepEqual([leader.listing.isListed(), follower.listing.isListed()], [false, false])
  leader.complete()
  await turns()
  assert.deepEqual([leader.listing.isListed(), follower.listing.isListed()], [true, true])
})

it('a follower does not write it down', async () => {
  const { store, follower } = await scene()
  follower.complete()
  await turns()
  assert.equal(store.get(listedConfig), undefined)
  assert.equal(follower.listing.isListed(), true)
})
