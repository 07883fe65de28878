// Replicas of a zone that tell each other how far their proxies are, over questions that a test can hold up.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { Member, RequestHandler } from '@weft/replicas'
import { createDelivery } from '@weft/xds'
import { deliveryOfReplicas } from './delivery-of-replicas.ts'

/** Some turns: a question, its answer, and what follows. */
const settle = async (): Promise<void> => {
  for (let turns = 0; turns < 8; turns++) await new Promise((resolve) => setImmediate(resolve))
}

function stage() {
  const clock = new FakeClock()
  const store = { seq: 1 }
  const handlers = new Map<string, RequestHandler>()
  const deaf = new Set<string>()
  const asked: string[] = []
  const living = new Map<string, { joined: Set<(member: Member) => void>; died: Set<(member: Member) => void> }>()
  const start = async (self: string) => {
    const delivery = createDelivery(() => store.seq)
    const heard = { joined: new Set<(member: Member) => void>(), died: new Set<(member: Member) => void>() }
    const on = (set: Set<(member: Member) => void>) => (listener: (member: Member) => void) => {
      set.add(listener)
      return () => void set.delete(listener)
    }
    const members = () => [...living.keys()].filter((id) => id !== self).map((instanceId) => ({ instanceId }))
    const nothing = () => () => {}
    const replica = deliveryOfReplicas({
      replicas: {
        presence: { isUp: true, members, onMissing: nothing, onJoined: on(heard.joined), hold: nothing, holder: async () => undefined },
        onDeath: on(heard.died),
        ask: async (to, { topic, body }) => {
          asked.push(`${self} ${to} ${topic}`)
          const handler = handlers.get(`${to} ${topic}`)
          if (!handler || deaf.has(to)) throw new AppError('replicas/unreachable', `no ${to}`)
          return handler(body, self)
        },
        serve: (topic, handler) => void handlers.set(`${self} ${topic}`, handler),
      },
      delivery,
      clock,
      log: silentLogger,
    })
    await replica.start()
    for (const [, others] of living) for (const listener of others.joined) listener({ instanceId: self })
    living.set(self, heard)
    await settle()
    const figures = async (): Promise<string> => {
      await settle()
      return `${delivery.pushed}/${delivery.acked}`
    }
    return { delivery, replica, figures, stop: () => replica.stop() }
  }
  const commit = (...replicas: readonly { readonly delivery: { moved(): void } }[]): void => {
    store.seq++
    for (const { delivery } of replicas) delivery.moved()
  }
  const die = (id: string): void => {
    living.delete(id)
    for (const [, others] of living) for (const listener of others.died) listener({ instanceId: id })
  }
  const rise = (id: string): void => {
    for (const [other, others] of living) if (other !== id) for (const listener of others.joined) listener({ instanceId: id })
    living.set(id, { joined: new Set(), died: new Set() })
  }
  return { clock, store, deaf, asked, start, commit, die, rise, handlers }
}

test('a commit has arrived when it has at the proxies of all replicas, as each of them says', async () => {
  const { start, commit, clock } = stage()
  const [a, b] = [await start('a'), await start('b')]
  assert.deepEqual([await a.figures(), await b.figures()], ['1/1', '1/1'])
  const waits = b.delivery.hold()
  commit(a, b)
  assert.deepEqual([await a.figures(), await b.figures()], ['1/1', '1/1'], 'something of the first is not sent at b')
  b.delivery.release(waits)
  await settle()
  clock.advance(20)
  assert.deepEqual([await a.figures(), await b.figures()], ['2/2', '2/2'])
  await Promise.all([a.stop(), b.stop()])
})

test('what many commits change in a moment is one message, the last of it', async () => {
  const { start, commit, clock, asked } = stage()
  const [a, b] = [await start('a'), await start('b')]
  clock.advance(20)
  await settle()
  asked.length = 0
  for (let commits = 0; commits < 50; commits++) {
    commit(a, b)
    await settle()
  }
  assert.equal(asked.filter((line) => line === 'b a delivery/told').length, 1)
  clock.advance(20)
  assert.equal(await a.figures(), '51/51')
  assert.equal(asked.filter((line) => line === 'b a delivery/told').length, 2)
  clock.advance(20)
  await settle()
  clock.advance(60_000)
  await settle()
  assert.equal(asked.filter((line) => line === 'b a delivery/told').length, 2, 'nothing is said without news')
  await Promise.all([a.stop(), b.stop()])
})

test('one that is not heard holds everything until it is, or until its death is confirmed', async () => {
  const { start, commit, clock, deaf, die } = stage()
  const [a, b] = [await start('a'), await start('b')]
  clock.advance(20)
  deaf.add('a')
  commit(a, b)
  assert.equal(await a.figures(), '1/1')
  clock.advance(1_000)
  assert.equal(await a.figures(), '1/1')
  deaf.delete('a')
  clock.advance(1_000)
  assert.equal(await a.figures(), '2/2')
  deaf.add('a')
  commit(a, b)
  assert.equal(await a.figures(), '2/2')
  die('b')
  assert.equal(await a.figures(), '3/3')
  await Promise.all([a.stop(), b.stop()])
})

test('one that was held dead and is back counts again, by what it said last', async () => {
  const { start, commit, clock, die, rise } = stage()
  const [a, b] = [await start('a'), await start('b')]
  clock.advance(20)
  await settle()
  // nothing goes on there meanwhile
  const paused = b.delivery.hold()
  die('b')
  commit(a)
  assert.equal(await a.figures(), '2/2')
  rise('b')
  commit(a)
  assert.equal(await a.figures(), '2/2', 'it has not come further')
  commit(a, b)
  b.delivery.release(paused)
  await settle()
  clock.advance(1_000)
  assert.equal(await a.figures(), '4/4')
  await Promise.all([a.stop(), b.stop()])
})

test('proxies that are waited for are named over all replicas; one that does not answer is left out', async () => {
  const { start, commit, deaf } = stage()
  const [a, b] = [await start('a'), await start('b')]
  b.delivery.stream('default/there').due()
  commit(a, b)
  a.delivery.stream('default/here').due()
  for (const { replica } of [a, b])
    assert.deepEqual(
      (await replica.waiting(5)).map(({ proxy, what, since }) => `${proxy} ${what} ${since}`),
      ['default/there unsent 1', 'default/here unsent 2'],
    )
  assert.equal((await a.replica.waiting(1))[0]?.proxy, 'default/there')
  deaf.add('b')
  assert.deepEqual(
    (await a.replica.waiting(5)).map(({ proxy }) => proxy),
    ['default/here'],
  )
  await Promise.all([a.stop(), b.stop()])
})

test('what no replica says is refused, and an old message changes nothing', async () => {
  const { start, handlers, clock } = stage()
  const [a, b] = [await start('a'), await start('b')]
  const tell = handlers.get('a delivery/told') ?? assert.fail()
  for (const text of [
    '',
    '{',
    '[]',
    '{"pushed":1}',
    '{"pushed":1,"acked":2,"refusing":0,"count":99}',
    '{"pushed":-1,"acked":-1,"refusing":0,"count":99}',
  ])
    await assert.rejects(
      async () => tell(Buffer.from(text), 'b'),
      (error) => error instanceof AppError && error.code === 'replicas/failed',
      text,
    )
  await tell(Buffer.from('{"pushed":7,"acked":6,"refusing":3,"count":98}'), 'b')
  await tell(Buffer.from('{"pushed":7,"acked":7,"refusing":0,"count":97}'), 'b')
  await settle()
  assert.equal(a.delivery.refusing, 3)
  clock.advance(20)
  await Promise.all([a.stop(), b.stop()])
})
