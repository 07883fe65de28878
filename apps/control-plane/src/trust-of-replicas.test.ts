import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock, turns } from '@weft/foundation/time'
import type { GlobalConnection } from '@weft/kds'
import { createMemoryStore, type Store } from '@weft/store'
import { createTrustOfReplicas } from './trust-of-replicas.ts'

const old = 'default/old'
const next = 'default/next'

interface Zone {
  readonly store: Store
  readonly clock: FakeClock
  readonly living: Set<string>
  readonly watchers: Set<() => void>
  leader: string | undefined
  /** What global says of the other zones, and what it was told. */
  readonly elsewhere: Set<string>
  readonly reports: (readonly string[])[]
}

function zone(): Zone {
  const clock = new FakeClock()
  return {
    store: createMemoryStore({ clock, log: silentLogger }),
    clock,
    living: new Set(),
    watchers: new Set(),
    leader: undefined,
    elsewhere: new Set(),
    reports: [],
  }
}

function lead(of: Zone, instanceId: string | undefined): void {
  of.leader = instanceId
  for (const watcher of of.watchers) watcher()
}

async function replica(of: Zone, instanceId: string, options: { readonly standalone?: boolean; readonly store?: Store } = {}) {
  let advanced = 0
  const connections = new Set<(connection: GlobalConnection) => void>()
  const client = {
    isTrustedElsewhere: (name: string) => of.leader === instanceId && of.elsewhere.has(name),
    reportTrusted: (names: ReadonlySet<string>) => void of.reports.push([...names].sort()),
    onConnection: (listener: (connection: GlobalConnection) => void) => {
      connections.add(listener)
      return () => void connections.delete(listener)
    },
  }
  const lease = {
    get holder() {
      return of.leader
    },
    onChange: (listener: () => void) => {
      of.watchers.add(listener)
      return () => void of.watchers.delete(listener)
    },
  }
  of.living.add(instanceId)
  const trust = createTrustOfReplicas({
    store: options.store ?? of.store,
    // no more of a lease is used
    leadership: { lease: lease as never, mayWrite: () => of.leader === instanceId },
    instanceId,
    members: () => [...of.living].filter((each) => each !== instanceId),
    client: () => (options.standalone ? undefined : client),
    onChange: () => void (advanced += 1),
    clock: of.clock,
    log: silentLogger,
  })
  await trust.start()
  return {
    trust,
    advanced: () => advanced,
    trusts: async (...names: readonly string[]) => {
      trust.reportTrusted(new Set(names))
      await turns()
    },
    /** Global says something. */
    connection: async () => {
      for (const listener of connections) listener({} as GlobalConnection)
      await turns()
    },
  }
}

describe('trust of several replicas', () => {
  it('a root counts once the proxies of every replica accept it, and not before', async () => {
    const east = zone()
    const [a, b] = [await replica(east, 'a', { standalone: true }), await replica(east, 'b', { standalone: true })]
    await a.trusts(old, next)
    await b.trusts(old)
    assert.deepEqual(
      [a, b].map(({ trust }) => trust.isTrustedElsewhere(old)),
      [true, true],
    )
    assert.equal(a.trust.isTrustedElsewhere(next), false)
    const before = a.advanced()
    await b.trusts(old, next)
    assert.equal(a.trust.isTrustedElsewhere(next), true)
    assert.ok(a.advanced() > before, 'who waits is told')
  })

  it('a replica that has told nothing yet is waited for', async () => {
    const east = zone()
    const a = await replica(east, 'a', { standalone: true })
    await a.trusts(next)
    assert.equal(a.trust.isTrustedElsewhere(next), true)
    const b = await replica(east, 'b', { standalone: true })
    assert.equal(a.trust.isTrustedElsewhere(next), false)
    await b.trusts(next)
    assert.equal(a.trust.isTrustedElsewhere(next), true)
  })

  it('one that died is waited for until it is forgotten; one that stops in order is not', async () => {
    const east = zone()
    const [a, b, c] = [await replica(east, 'a', { standalone: true }), await replica(east, 'b'), await replica(east, 'c')]
    await a.trusts(next)
    await b.trusts(old)
    await c.trusts(old)
    east.living.delete('b')
    east.living.delete('c')
    await c.trust.stop()
    assert.deepEqual(a.trust.named().toSorted(), ['a', 'b'])
    assert.equal(a.trust.isTrustedElsewhere(next), false)
    a.trust.forget('b')
    await turns()
    assert.equal(a.trust.isTrustedElsewhere(next), true)
  })

  it('global hears from the leader what all replicas accept, and the others hear from it what global says', async () => {
    const east = zone()
    const [a, b] = [await replica(east, 'a'), await replica(east, 'b')]
    lead(east, 'a')
    await a.trusts(old, next)
    await b.trusts(old)
    assert.deepEqual(east.reports.at(-1), [old])
    await b.trusts(old, next)
    assert.deepEqual(east.reports.at(-1), [next, old])
    assert.deepEqual(
      [a, b].map(({ trust }) => trust.isTrustedElsewhere(next)),
      [false, false],
    )
    east.elsewhere.add(next)
    const before = b.advanced()
    await a.connection()
    assert.deepEqual(
      [a, b].map(({ trust }) => trust.isTrustedElsewhere(next)),
      [true, true],
    )
    assert.ok(b.advanced() > before)
  })

  it('another leader asks global itself and is not told by the one before', async () => {
    const east = zone()
    const [a, b] = [await replica(east, 'a'), await replica(east, 'b')]
    lead(east, 'a')
    east.elsewhere.add(old)
    await a.trusts(old)
    await b.trusts(old)
    await a.connection()
    assert.equal(b.trust.isTrustedElsewhere(old), true)
    east.elsewhere.clear()
    lead(east, 'b')
    await turns()
    assert.equal(b.trust.isTrustedElsewhere(old), false)
    assert.equal(a.trust.isTrustedElsewhere(old), false)
    assert.deepEqual(east.reports.at(-1), [old])
  })

  it('is told again when the store did not take it', async () => {
    const east = zone()
    const flaky = { isAway: true }
    const store: Store = Object.assign(Object.create(east.store) as Store, {
      transact: (...args: Parameters<Store['transact']>) =>
        flaky.isAway ? Promise.reject(new AppError('store/unavailable', 'away', { retryable: true })) : east.store.transact(...args),
    })
    const [a, b] = [await replica(east, 'a', { standalone: true, store }), await replica(east, 'b', { standalone: true })]
    await a.trusts(old)
    assert.equal(b.trust.isTrustedElsewhere(old), false)
    flaky.isAway = false
    east.clock.advance(1000)
    await turns()
    assert.equal(b.trust.isTrustedElsewhere(old), true)
  })
})
