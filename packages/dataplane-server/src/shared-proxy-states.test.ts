// Two replicas of a zone on one store: what one notices of its proxies the other knows.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createMemoryStore, type Store } from '@weft/store'
import { readNode } from './node-metadata.ts'
import { createProxyLifecycle } from './proxy-lifecycle.ts'
import { defaultDataplaneServerSettings } from './settings.ts'
import { createSharedProxyStates } from './shared-proxy-states.ts'
import { dataplaneText, mesh, nodeOf, noting } from './testing/server-fixture.ts'

const delay = defaultDataplaneServerSettings.deregistrationDelayMs
const settle = async (): Promise<void> => {
  for (let turns = 0; turns < 6; turns++) await new Promise((resolve) => setImmediate(resolve))
}

function replica(store: Store, clock: FakeClock, instanceId: string, living: ReadonlySet<string>) {
  const { lines, changes, sinks } = noting()
  const facts = {
    ...sinks,
    tlsAccepting: { ...sinks.tlsAccepting, delete: (of: string) => void lines.push(`tls ${of} none`) },
  }
  const states = createSharedProxyStates({
    store,
    clock,
    log: silentLogger,
    instanceId,
    facts,
    moved: (key) => lifecycle.moved(key),
    isLiving: (id) => living.has(id),
  })
  const lifecycle = createProxyLifecycle({
    store,
    clock,
    log: silentLogger,
    settings: { ...defaultDataplaneServerSettings, instanceId },
    sinks: states.sinks,
    isLiveElsewhere: states.isLiveElsewhere,
  })
  lifecycle.start()
  states.start()
  const last = (prefix: string): string | undefined => lines.findLast((line) => line.startsWith(prefix))?.slice(prefix.length)
  return {
    states,
    lifecycle,
    lines,
    changes,
    connect: async (name = 'a') => {
      const registration = await lifecycle.register(readNode(nodeOf(name, { 'dataplane.resource': dataplaneText(name) })))
      await settle()
      return registration
    },
    state: (name = 'a') => last(`state ${mesh}/${name} `) ?? 'none',
    tls: (name = 'a') => last(`tls ${mesh}/${name} `) ?? 'none',
  }
}

function zone() {
  const clock = new FakeClock()
  const store = createMemoryStore({ clock, log: silentLogger })
  const living = new Set(['one', 'two', 'three'])
  const start = (instanceId: string) => replica(store, clock, instanceId, living)
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await settle()
  }
  return {
    clock,
    store,
    living,
    start,
    pass,
    one: start('one'),
    two: start('two'),
    dataplane: () => store.get({ type: 'Dataplane', mesh, name: 'a' }),
  }
}

const degraded = '{"degraded":true}'
const key = `${mesh}/a`

it('what is stored of all proxies is one change of the facts of a replica that starts', async () => {
  const { one, start } = zone()
  const kept = Array.from({ length: 30 }, (_, n) => `p-${n}`)
  for (const name of kept) one.lifecycle.reportDraining((await one.connect(name)).key, true)
  await settle()
  const three = start('three')
  assert.ok(kept.every((name) => three.state(name) === '{"draining":true}'))
  assert.equal(three.changes(), 1)
})

describe('what one replica notices', () => {
  it('the others know: draining, lost, ready again, mTLS', async () => {
    const { one, two } = zone()
    await one.connect()
    one.lifecycle.reportDraining(key, true)
    one.states.sinks.tlsAccepting.set(key, 'kri_mid_default_east__id_')
    await settle()
    assert.deepEqual([two.state(), two.tls()], ['{"draining":true}', 'kri_mid_default_east__id_'])
    one.lifecycle.reportDraining(key, false)
    await settle()
    assert.deepEqual([two.state(), one.state()], ['none', 'none'])
  })

  it('a replica that starts later knows it too', async () => {
    const { one, start } = zone()
    ;(await one.connect()).ended('closed')
    await settle()
    assert.equal(start('three').state(), degraded)
  })

  it('goes with the Dataplane', async () => {
    const { one, two, store, pass, dataplane } = zone()
    ;(await one.connect()).ended('closed')
    await settle()
    assert.equal(two.state(), degraded)
    await pass(delay)
    assert.equal(dataplane(), undefined)
    assert.deepEqual(store.list('ProxyState'), [])
    assert.equal(two.state(), 'none')
  })
})

describe('a proxy that goes to another replica', () => {
  it('is not lost, and its Dataplane stays, whichever replica hears of it first', async () => {
    for (const first of ['end', 'begin'] as const) {
      const { one, two, pass, dataplane } = zone()
      const old = await one.connect()
      if (first === 'end') {
        old.ended('closed')
        await settle()
        assert.deepEqual([one.state(), two.state()], [degraded, degraded])
      }
      await two.connect()
      assert.deepEqual([one.state(), two.state()], ['none', 'none'], first)
      if (first === 'begin') old.ended('lost')
      await pass(delay)
      await pass(10 * 60_000)
      assert.deepEqual([one.state(), two.state()], ['none', 'none'], first)
      assert.ok(dataplane(), first)
      assert.deepEqual([one.lifecycle.isConnected(key), two.lifecycle.isConnected(key)], [false, true])
    }
  })

  it('keeps that it accepts mTLS, so that nobody goes back to plain text', async () => {
    const { one, two } = zone()
    await one.connect()
    one.states.sinks.tlsAccepting.set(key, 'kri')
    await settle()
    for (const { lines } of [one, two]) lines.length = 0
    await two.connect()
    assert.equal(one.tls(), 'kri')
    for (const { lines } of [one, two]) assert.ok(!lines.includes(`tls ${key} none`))
  })

  it('and back again: the last registration counts', async () => {
    const { one, two, pass } = zone()
    const a = await one.connect()
    const b = await two.connect()
    a.ended('lost')
    await settle()
    const c = await one.connect()
    b.ended('lost')
    await pass(delay)
    assert.deepEqual([one.state(), two.state()], ['none', 'none'])
    c.ended('closed')
    await settle()
    assert.deepEqual([one.state(), two.state()], [degraded, degraded])
  })

  it('an old word that comes late is overruled', async () => {
    const { one, two, store } = zone()
    await one.connect()
    await two.connect()
    const late = { replica: 'one', generation: 1, ownsDataplane: true, degraded: true }
    await store.transact([{ op: 'put', resource: { type: 'ProxyState', mesh, name: 'a', labels: {}, spec: late } }], {
      actor: 'test',
      reason: 'test',
      class: 'observed',
    })
    await settle()
    assert.deepEqual([one.state(), two.state()], ['none', 'none'])
    assert.deepEqual(two.states.servedBy('two'), [{ key, ownsDataplane: true }])
  })
})

describe('a replica that dies', () => {
  it('changes nothing by itself; what it leaves is lost only once it is adopted', async () => {
    const { one, two, living, pass, dataplane } = zone()
    await one.connect()
    living.delete('one')
    await pass(50_000)
    assert.equal(two.state(), 'none')
    assert.equal(two.states.isLiveElsewhere(key), false)
    for (const left of two.states.servedBy('one')) two.lifecycle.adopt(left.key, left)
    assert.equal(two.state(), degraded)
    await two.connect()
    assert.equal(two.state(), 'none', 'it came after all')
    await pass(10 * 60_000)
    assert.ok(dataplane())
  })

  it('one that was only paused goes on with what it serves', async () => {
    const { one, two, living, pass, dataplane } = zone()
    await one.connect()
    living.delete('one')
    for (const left of two.states.servedBy('one')) two.lifecycle.adopt(left.key, left)
    assert.equal(two.state(), degraded)
    living.add('one')
    two.states.returned('one')
    assert.equal(two.state(), 'none')
    await pass(10 * 60_000)
    assert.ok(dataplane())
    assert.equal(one.lifecycle.isConnected(key), true)
  })

  it('an adopted proxy that stays away goes, unless it is the last of its kind', async () => {
    const { one, two, living, pass, store } = zone()
    await one.connect('a')
    await one.connect('b')
    await two.connect('b')
    living.delete('one')
    for (const left of two.states.servedBy('one')) two.lifecycle.adopt(left.key, left)
    await pass(300_000)
    assert.equal(store.get({ type: 'Dataplane', mesh, name: 'a' }), undefined)
    assert.ok(store.get({ type: 'Dataplane', mesh, name: 'b' }))
    assert.equal(store.list('ProxyState').length, 1)
  })
})

it('a store that is away keeps nothing: the latest is written once it is back', async () => {
  const { one, two, store, pass } = zone()
  const transact = store.transact
  const registration = await one.connect()
  store.transact = async () => {
    throw new Error('away')
  }
  registration.ended('closed')
  await settle()
  assert.equal(two.state(), 'none')
  store.transact = transact
  await pass(1_000)
  assert.equal(two.state(), degraded)
})
