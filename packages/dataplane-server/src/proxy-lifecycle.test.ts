import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { AppError, hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createMemoryStore, type Store } from '@weft/store'
import { createDepartures } from './departures.ts'
import { type ProxyHello, readNode } from './node-metadata.ts'
import { createProxyLifecycle, type Registration } from './proxy-lifecycle.ts'
import { defaultDataplaneServerSettings } from './settings.ts'
import { dataplaneText, mesh, nodeOf, noting, put } from './testing/server-fixture.ts'

const delay = defaultDataplaneServerSettings.deregistrationDelayMs
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function hello(name: string, change: Parameters<typeof dataplaneText>[1] = {}): ProxyHello {
  return readNode(nodeOf(name, { 'dataplane.resource': dataplaneText(name, change) }))
}

interface Change {
  readonly store?: Store
  readonly instanceId?: string
  readonly environment?: 'universal' | 'kubernetes'
  readonly isLastEndpoint?: (key: string, isLive: (key: string) => boolean) => boolean
}

function setUp(change: Change = {}) {
  const clock = new FakeClock()
  const store = change.store ?? createMemoryStore({ clock, log: silentLogger })
  const { lines, changes, sinks } = noting()
  const settings = {
    ...defaultDataplaneServerSettings,
    instanceId: change.instanceId ?? 'cp-1',
    environment: change.environment ?? 'universal',
  }
  const { isLastEndpoint } = change
  const lifecycle = createProxyLifecycle({
    store,
    clock,
    log: silentLogger,
    settings,
    sinks,
    ...(isLastEndpoint ? { isLastEndpoint } : {}),
  })
  lifecycle.start()
  const stored = (name: string) => store.get({ type: 'Dataplane', mesh, name })
  const advance = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await turn()
    await turn()
  }
  const register = async (...names: string[]): Promise<Registration[]> => {
    const made: Registration[] = []
    for (const name of names) made.push(await lifecycle.register(hello(name)))
    return made
  }
  /** The last state that was told of a proxy. */
  const state = (name: string): string | undefined =>
    lines.findLast((line) => line.startsWith(`state default/${name} `))?.slice(`state default/${name} `.length)
  return { clock, store, lines, changes, lifecycle, stored, advance, register, state }
}
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `p-${i}`)
const one = (registrations: readonly Registration[]): Registration => registrations[0] ?? assert.fail()

describe('a proxy that closes its stream', () => {
  it('is degraded at once and removed after the delay', async () => {
    const { register, advance, stored, state, lines } = setUp()
    one(await register('a')).ended('closed')
    assert.equal(state('a'), '{"degraded":true}')
    await advance(delay - 1)
    assert.ok(stored('a'))
    await advance(1)
    assert.equal(stored('a'), undefined)
    assert.deepEqual(lines.slice(-2), ['no proxy default/a', 'state default/a none'])
  })

  it('stays when it returns, with its new metadata', async () => {
    const { register, lifecycle, advance, stored, state } = setUp()
    one(await register('a')).ended('closed')
    await advance(delay - 1)
    await lifecycle.register(hello('a', { labels: { 'kuma.io/workload': 'other' } }))
    await advance(10 * delay)
    assert.equal(stored('a')?.labels['kuma.io/workload'], 'other')
    assert.equal(state('a'), 'none')
  })

  it('stays when another control plane of the zone serves it', async () => {
    const { register, advance, stored, store } = setUp({ instanceId: 'cp-1' })
    const registration = one(await register('a'))
    const subscription = { id: '1', controlPlaneInstanceId: 'cp-2', connectTime: '2026-01-01T00:00:00Z' }
    await put(store, { type: 'DataplaneInsight', mesh, name: 'a', labels: {}, spec: { subscriptions: [subscription] } })
    registration.ended('closed')
    await advance(delay)
    assert.ok(stored('a'))
  })

  it('is not removed by a control plane that stops', async () => {
    const { register, lifecycle, advance, stored, clock } = setUp()
    const [a, b] = await register('a', 'b')
    a?.ended('closed')
    lifecycle.stop()
    b?.ended('closed')
    await advance(10 * delay)
    assert.ok(stored('a') && stored('b'))
    assert.equal(clock.pending, 0)
  })

  it('is removed later when the store is away', async () => {
    const base = createMemoryStore({ clock: new FakeClock(), log: silentLogger })
    let failures = 2
    const store: Store = {
      ...base,
      get seq() {
        return base.seq
      },
      transact: (ops, context) => {
        if (ops.some((op) => op.op === 'delete') && failures-- > 0) return Promise.reject(new AppError('store/unavailable', 'away'))
        return base.transact(ops, context)
      },
    }
    const { register, advance, stored } = setUp({ store })
    one(await register('a')).ended('closed')
    await advance(delay)
    assert.ok(stored('a'))
    await advance(1000)
    await advance(1000)
    assert.equal(stored('a'), undefined)
  })
})

describe('proxies of before a restart', () => {
  const insight = (
    store: Store,
    name: string,
    subscription: object = { id: '1', connectTime: '2026-01-01T00:00:00Z', disconnectTime: '2026-01-01T00:01:00Z' },
  ) => put(store, { type: 'DataplaneInsight', mesh, name, labels: {}, spec: { subscriptions: [subscription] } })

  it('are degraded when they stay away for a minute, until they come back', async () => {
    const before = setUp()
    await before.register('a', 'b', 'never', 'elsewhere')
    before.lifecycle.stop()
    const { store } = before
    for (const name of ['a', 'b']) await insight(store, name)
    await insight(store, 'elsewhere', { id: '1', controlPlaneInstanceId: 'cp-9', connectTime: '2026-01-01T00:00:00Z' })
    const { advance, state, stored, register, lines } = setUp({ store, instanceId: 'cp-2' })
    await register('b')
    await advance(59_999)
    assert.equal(state('a'), undefined)
    await advance(1)
    assert.equal(state('a'), '{"degraded":true}')
    for (const name of ['b', 'never', 'elsewhere']) assert.equal(state(name), undefined, name)
    await advance(3_600_000)
    assert.ok(stored('a'))
    await register('a')
    assert.equal(state('a'), 'none')
    assert.equal(lines.filter((line) => line.startsWith('state default/a')).length, 2)
  })

  it('are degraded in one change, however many they are', async () => {
    const before = setUp()
    await before.register(...names(50))
    before.lifecycle.stop()
    for (const name of names(50)) await insight(before.store, name)
    const { advance, state, changes } = setUp({ store: before.store, instanceId: 'cp-2' })
    await advance(60_000)
    assert.ok(names(50).every((name) => state(name) === '{"degraded":true}'))
    assert.equal(changes(), 1)
  })

  it('leave nothing behind when their Dataplane goes', async () => {
    const before = setUp()
    await before.register('a')
    before.lifecycle.stop()
    await insight(before.store, 'a')
    const { advance, state, store } = setUp({ store: before.store, instanceId: 'cp-2' })
    await advance(60_000)
    await store.transact([{ op: 'delete', key: { type: 'Dataplane', mesh, name: 'a' } }], {
      actor: 'test',
      reason: 'test',
      class: 'desired',
    })
    await advance(0)
    assert.equal(state('a'), 'none')
  })
})

describe('streams that are lost', () => {
  it('change nothing until the delay ends, and nothing is removed while nobody replaces them', async () => {
    const { register, advance, stored, state } = setUp()
    one(await register('a')).ended('lost')
    assert.equal(state('a'), undefined)
    await advance(delay)
    assert.equal(state('a'), '{"degraded":true}')
    await advance(3_600_000)
    assert.ok(stored('a'))
  })

  it('are cleaned up when another proxy of the workload lives', async () => {
    const { register, advance, stored } = setUp()
    const [a] = await register('a', 'b')
    a?.ended('lost')
    await advance(delay)
    await advance(300_000)
    assert.equal(stored('a'), undefined)
    assert.ok(stored('b'))
  })

  it('are not cleaned up while a destination has no other endpoint of a live proxy', async () => {
    const asked: string[] = []
    let isLast = true
    const { register, advance, stored } = setUp({
      isLastEndpoint: (key, isLive) => {
        asked.push(`${key} ${isLive('default/a')} ${isLive('default/b')}`)
        return isLast
      },
    })
    const [a] = await register('a', 'b')
    a?.ended('lost')
    await advance(delay)
    await advance(300_000)
    assert.ok(stored('a'))
    isLast = false
    await advance(300_000)
    assert.equal(stored('a'), undefined)
    assert.deepEqual(asked, ['default/a false true', 'default/a false true'])
  })

  it('are recognised by their number', async () => {
    const { register, advance, stored, state } = setUp()
    const registrations = await register(...names(20))
    for (const registration of registrations.slice(0, 4)) registration.ended('closed')
    assert.equal(state('p-0'), '{"degraded":true}')
    registrations[4]?.ended('closed')
    for (const name of names(5)) assert.ok(state(name) === 'none' || state(name) === undefined, `${name} is as before`)
    registrations[5]?.ended('closed')
    assert.equal(state('p-5'), undefined)
    await advance(delay)
    assert.equal(state('p-5'), '{"degraded":true}')
    assert.ok(names(20).every((name) => stored(name)))
  })

  it('are degraded in one change when they broke together', async () => {
    const { register, advance, state, clock, changes } = setUp()
    const registrations = await register(...names(50))
    const told = changes()
    for (const registration of registrations.slice(0, 30)) registration.ended('lost')
    clock.advance(1)
    for (const registration of registrations.slice(30)) registration.ended('lost')
    await advance(delay)
    assert.ok(names(50).every((name) => state(name) === '{"degraded":true}'))
    assert.equal(changes() - told, 2, 'one for each of the two moments')
  })

  it('are not those of proxies that drained first', async () => {
    const { register, lifecycle, advance, stored } = setUp()
    const registrations = await register(...names(10))
    for (const { key } of registrations) lifecycle.reportDraining(key, true)
    for (const registration of registrations) registration.ended('closed')
    await advance(delay)
    assert.ok(names(10).every((name) => stored(name) === undefined))
  })

  it('are not few, or spread over time', () => {
    const departures = createDepartures<number>()
    for (let i = 0; i < 4; i += 1) assert.deepEqual(departures.note(i, 0, 0), [])
    assert.deepEqual(departures.note(4, 2000, 0), [], 'the others left more than two seconds before')
    const others = createDepartures<number>()
    for (let i = 0; i < 20; i += 1) assert.deepEqual(others.note(i, i, 80), [])
    assert.equal(others.note(20, 20, 79).length, 21)
  })
})

describe('registration', () => {
  it('is for one stream at a time', async () => {
    const { register, lifecycle } = setUp()
    const first = one(await register('a'))
    await assert.rejects(register('a'), (error) => hasCode(error, 'xds/duplicate-stream'))
    assert.equal(lifecycle.connected, 1)
    first.ended('closed')
    first.ended('closed')
    assert.equal(lifecycle.connected, 0)
    await register('a')
    assert.equal(lifecycle.isConnected('default/a'), true)
  })

  it('gives the place free when the Dataplane cannot be stored', async () => {
    const base = createMemoryStore({ clock: new FakeClock(), log: silentLogger })
    let isAway = true
    const store: Store = {
      ...base,
      get seq() {
        return base.seq
      },
      transact: (ops, context) =>
        isAway ? Promise.reject(new AppError('store/unavailable', 'away', { retryable: true })) : base.transact(ops, context),
    }
    const { register, lifecycle, lines } = setUp({ store })
    await assert.rejects(register('a'), (error) => hasCode(error, 'store/unavailable'))
    assert.deepEqual([lifecycle.connected, lines], [0, []])
    isAway = false
    await register('a')
  })

  it('keeps what probes said when a proxy returns', async () => {
    const { lifecycle, store, stored } = setUp()
    const inbound = { port: 80, serviceProbe: { tcp: {} } }
    const probed = (): ProxyHello => hello('a', { networking: { inbound: [inbound, { port: 81 }] } })
    const first = await lifecycle.register(probed())
    assert.deepEqual(stored('a')?.spec, {
      networking: { address: '127.0.0.1', inbound: [{ ...inbound, state: 'NotReady', health: {} }, { port: 81 }] },
    })
    const ready = { networking: { address: '127.0.0.1', inbound: [{ ...inbound, health: { ready: true } }, { port: 81 }] } }
    await put(store, { type: 'Dataplane', mesh, name: 'a', labels: stored('a')?.labels ?? {}, spec: ready })
    first.ended('closed')
    await lifecycle.register(probed())
    assert.deepEqual(stored('a')?.spec, ready)
  })

  it('leaves Dataplanes alone that are made elsewhere', async () => {
    const { lifecycle, store, stored, advance, lines, state } = setUp({ environment: 'kubernetes' })
    await assert.rejects(lifecycle.register(hello('a')), (error) => hasCode(error, 'xds/unauthenticated'))
    const spec = { networking: { address: '10.0.0.1' } }
    await put(store, { type: 'Dataplane', mesh, name: 'a', labels: {}, spec })
    const registration = await lifecycle.register(hello('a'))
    assert.deepEqual(stored('a')?.spec, spec)
    registration.ended('closed')
    await advance(delay)
    assert.ok(stored('a'))
    assert.equal(state('a'), '{"degraded":true}', 'its endpoints stay the last choice')
    assert.equal(lines.at(-1), 'no proxy default/a')
    await store.transact([{ op: 'delete', key: { type: 'Dataplane', mesh, name: 'a' } }], {
      actor: 'user:x',
      reason: 'x',
      class: 'desired',
    })
    await turn()
    assert.equal(state('a'), 'none')
  })
})

it('never removes a proxy that is connected, whatever happens in which order', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('connect' as const), who: fc.nat(3) }),
    fc.record({ do: fc.constantFrom('closed' as const, 'lost' as const), who: fc.nat(3) }),
    fc.record({ do: fc.constant('drain' as const), who: fc.nat(3) }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 1000, delay, 300_000) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const { lifecycle, advance, stored, state } = setUp()
      const open = new Map<number, Registration>()
      for (const each of steps) {
        if (each.do === 'wait') await advance(each.ms)
        else if (each.do === 'connect') {
          if (open.has(each.who)) await assert.rejects(lifecycle.register(hello(`p-${each.who}`)))
          else open.set(each.who, await lifecycle.register(hello(`p-${each.who}`)))
        } else if (each.do === 'drain') lifecycle.reportDraining(`default/p-${each.who}`, true)
        else {
          open.get(each.who)?.ended(each.do)
          open.delete(each.who)
        }
        for (const who of open.keys()) {
          assert.ok(stored(`p-${who}`), 'a connected proxy has its Dataplane')
          assert.equal(state(`p-${who}`)?.includes('degraded') ?? false, false, 'and is not degraded')
        }
      }
      assert.equal(lifecycle.connected, open.size)
      lifecycle.stop()
    }),
    { numRuns: 60 },
  )
})
