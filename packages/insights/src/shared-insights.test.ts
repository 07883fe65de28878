// The insights of several control planes that share a store: each knows of its own streams.
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock, timestamp } from '@weft/foundation/time'
import { createMemoryStore, strictStore } from '@weft/store'
import { createInsightWriter, type InsightWriter } from './insight-writer.ts'
import { holderOf } from './merge-insight.ts'

const api = { actor: 'user:test', reason: 'api', class: 'desired' } as const
const turn = () => new Promise(setImmediate)
const proxy = { mesh: 'm', name: 'dp' }

async function shared() {
  const clock = new FakeClock()
  const store = strictStore(createMemoryStore({ clock, log: silentLogger }))
  const writerOf = (instanceId: string): InsightWriter =>
    createInsightWriter({ store, clock, log: silentLogger, mode: 'zone', instanceId, version: '3.0.0', isShared: true })
  const [one, two] = [writerOf('one'), writerOf('two')]
  await one.start()
  await two.start()
  await store.transact([{ op: 'put', resource: { type: 'Dataplane', ...proxy, labels: {}, spec: {} } }], api)
  const connect = (writer: InsightWriter, id: string): void =>
    writer.proxies.connected(proxy, { id, connectTime: timestamp(clock.now()), version: {}, metadata: { from: id } })
  const settle = async (): Promise<void> => {
    for (let turns = 0; turns < 5; turns++) {
      clock.advance(100)
      await turn()
    }
  }
  const stored = () => {
    const found = store.get({ type: 'DataplaneInsight', ...proxy })?.spec
    // an insight is plain JSON
    const spec = found as { readonly metadata: unknown; readonly subscriptions: readonly Record<string, unknown>[] }
    return {
      holder: holderOf(spec),
      metadata: spec.metadata,
      ids: spec.subscriptions.map(({ id, disconnectTime }) => [id, !disconnectTime]),
    }
  }
  return { clock, store, one, two, connect, settle, stored }
}

it('a proxy moves from one replica to another and back, and both know all of it', async () => {
  const env = await shared()
  env.connect(env.one, 's1')
  await env.settle()
  assert.deepEqual(env.stored(), { holder: 'one', metadata: { from: 's1' }, ids: [['s1', true]] })
  env.connect(env.two, 's2')
  await env.settle()
  env.one.proxies.disconnected(proxy, 's1', timestamp(env.clock.now()))
  await env.settle()
  assert.deepEqual(env.stored().holder, 'two')
  env.connect(env.one, 's3')
  env.two.proxies.disconnected(proxy, 's2', timestamp(env.clock.now()))
  await env.settle()
  assert.deepEqual(env.stored(), {
    holder: 'one',
    metadata: { from: 's3' },
    // no more than two are kept
    ids: [
      ['s2', false],
      ['s3', true],
    ],
  })
})

it('an old stream that ends while the new one begins elsewhere hides nothing of it', async () => {
  const env = await shared()
  env.connect(env.one, 's1')
  await env.settle()
  // both in one turn: neither has seen the other's
  env.connect(env.two, 's2')
  env.one.proxies.disconnected(proxy, 's1', timestamp(env.clock.now()))
  await env.settle()
  assert.deepEqual(env.stored(), {
    holder: 'two',
    metadata: { from: 's2' },
    ids: [
      ['s1', false],
      ['s2', true],
    ],
  })
})

it('streams of others are theirs to end until they are gone, and come again if they were not', async () => {
  const env = await shared()
  env.connect(env.one, 's1')
  await env.settle()
  env.clock.advance(60_000)
  await env.settle()
  assert.equal(env.stored().holder, 'one')
  env.two.endedOf((instanceId) => instanceId === 'one')
  const holders: (string | undefined)[] = []
  const unwatch = env.store.watch(env.store.seq, (changes) => {
    for (const { after } of changes) holders.push(holderOf(after?.spec))
  })
  await env.settle()
  unwatch()
  assert.deepEqual(holders, [undefined, 'one'], 'ended by who found it gone, and said again by one that lives')
})

it('counters of both cause no writes but those of the counters', async () => {
  const env = await shared()
  env.connect(env.one, 's1')
  await env.settle()
  const { seq } = env.store
  for (let n = 0; n < 10; n++) {
    env.one.proxies.responseCounted(proxy, 's1', { type: 'cds', outcome: 'sent' })
    await env.settle()
  }
  assert.equal(env.store.seq, seq)
  env.clock.advance(10_000)
  await env.settle()
  assert.equal(env.store.seq, seq + 1)
})
