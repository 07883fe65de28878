import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createDelivery, type Delivery, undetermined } from './delivery.ts'
import type { Content } from './testing/simulated-envoy.ts'
import { World } from './testing/world.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))
const cluster = (name: string, salt = 0): Content => ({ salt, endpoints: name })
const listener = (clusters: readonly string[], salt = 0): Content => ({ salt, clusters })

/** `pushed/acked`, and who refuses. */
async function figures(delivery: Delivery): Promise<string> {
  await turn()
  const { pushed, acked, refusing } = delivery
  return `${pushed}/${acked}${refusing > 0 ? ` refused by ${refusing}` : ''}`
}

/** A proxy that runs one service at position 1. */
function running(...args: ConstructorParameters<typeof World>): World {
  const world = new World(...args)
  world.position = 1
  world.edit('cluster', 'a', cluster('a'))
  world.edit('endpoint', 'a', { salt: 0 })
  world.edit('listener', 'out', listener(['a']))
  world.publish()
  world.settle()
  return world
}

/** The proxy takes one response and answers, and what follows is sent. */
function answerOne(world: World): void {
  world.envoy.processNext()
  // an answer, and maybe a request for what the new resource needs
  for (let requests = 0; requests < 2; requests++) world.passRequest()
  world.clock.advance(0)
}

test('a commit is pushed when its last resource left and acked when the last answer came', async () => {
  const world = running()
  assert.equal(await figures(world.delivery), '1/1')
  world.clock.advance(1_000)
  world.position = 2
  world.edit('cluster', 'b', cluster('b'))
  world.edit('endpoint', 'b', { salt: 0 })
  world.edit('listener', 'out', listener(['a', 'b']))
  world.publish()
  assert.equal(await figures(world.delivery), '1/1', 'nothing is sent yet')
  world.clock.advance(0)
  assert.equal(await figures(world.delivery), '1/1', 'the listener waits for its cluster')
  while ((await figures(world.delivery)) === '1/1') answerOne(world)
  assert.equal(await figures(world.delivery), '2/1')
  world.settle()
  assert.equal(await figures(world.delivery), '2/2')
})

test('a change of endpoints alone is pushed in one turn; what comes later does not make it wait', async () => {
  const world = running()
  world.clock.advance(1_000)
  world.position = 2
  world.edit('endpoint', 'a', { salt: 1 })
  world.publishCells()
  world.clock.advance(0)
  assert.equal(await figures(world.delivery), '2/1')
  world.position = 3
  world.edit('endpoint', 'a', { salt: 2 })
  world.publishCells()
  assert.equal(await figures(world.delivery), '2/1')
  answerOne(world)
  assert.equal(await figures(world.delivery), '3/2')
  world.settle()
  assert.equal(await figures(world.delivery), '3/3')
})

test('a commit from which nothing follows is there at once', async () => {
  const world = running()
  world.position = 2
  world.delivery.moved()
  assert.equal(await figures(world.delivery), '2/2')
})

test('what a proxy refuses is acked with its number, until it accepts something better', async () => {
  for (const outspoken of [true, false]) {
    const world = running({ outspoken, partial: true })
    world.position = 2
    world.edit('endpoint', 'a', { salt: 1, poison: true })
    world.edit('cluster', 'b', cluster('b'))
    world.edit('endpoint', 'b', { salt: 0 })
    world.edit('listener', 'out', listener(['a', 'b']))
    world.publish()
    world.settle(60_000)
    assert.equal(await figures(world.delivery), '2/2 refused by 1')
    assert.deepEqual(world.delivery.waiting(5), [{ proxy: 'default/web', what: 'refused' }])
    world.position = 3
    world.edit('endpoint', 'a', { salt: 2 })
    world.publish()
    world.settle(60_000)
    assert.equal(await figures(world.delivery), '3/3')
  }
})

test('a cluster that still drains holds nothing; the listener that went does until it is gone', async () => {
  const world = running({ outspoken: true, partial: true }, false, 30_000)
  world.position = 2
  for (const [type, name] of [
    ['listener', 'out'],
    ['cluster', 'a'],
    ['endpoint', 'a'],
  ] as const)
    world.edit(type, name, undefined)
  world.publish()
  assert.equal(await figures(world.delivery), '1/1')
  world.settle(1_000)
  assert.equal(await figures(world.delivery), '2/2')
  assert.ok(world.envoy.running.cluster.has('a'), 'it is still there')
})

test('a proxy that is gone or takes nothing: the first holds nothing, the second is waited for', async () => {
  const world = running()
  world.window = 1
  world.clock.advance(1_000)
  world.position = 2
  for (const name of ['a', 'b']) world.edit('cluster', name, cluster(name, 1))
  world.edit('endpoint', 'b', { salt: 0 })
  world.publish()
  world.clock.advance(1_000)
  assert.equal(await figures(world.delivery), '1/1')
  assert.deepEqual(world.delivery.waiting(5), [{ proxy: 'default/web', what: 'unsent', since: 2 }])
  world.stream.close('cancelled')
  assert.equal(await figures(world.delivery), '2/2')
})

test('work ahead of the streams holds its commit, hands it on to what it marks, and passes it on to what it commits', async () => {
  let position = 1
  const delivery = createDelivery(() => position)
  const stream = delivery.stream('default/web')
  const none = { isSent: true, firstUnanswered: Number.POSITIVE_INFINITY, isSearching: false, isRefusing: false }
  position = 2
  const built = delivery.hold()
  position = 3
  delivery.moved()
  assert.equal(await figures(delivery), '1/1')
  delivery.within(built, () => stream.due())
  delivery.release(built)
  assert.equal(await figures(delivery), '1/1', 'the stream follows from the commit before the present one')
  stream.turned(none, 1)
  assert.equal(await figures(delivery), '3/3')
  position = 4
  const written = delivery.hold()
  position = 5
  stream.due()
  delivery.passOn(written, 5)
  assert.equal(await figures(delivery), '3/3', 'what was written at 5 follows from 4')
  stream.turned({ ...none, firstUnanswered: 2 }, 2)
  assert.equal(await figures(delivery), '5/3')
  assert.deepEqual(delivery.waiting(5), [{ proxy: 'default/web', what: 'unanswered', since: 5 }])
  stream.turned(none, 2)
  assert.equal(await figures(delivery), '5/5')
  assert.deepEqual(delivery.waiting(5), [])
})

test('a position is reached when every process that serves proxies has reached it; the others hear what is reached here', async () => {
  let position = 1
  const delivery = createDelivery(() => position)
  position = 4
  delivery.moved()
  delivery.elsewhere('b', undetermined)
  assert.equal(await figures(delivery), '1/1', 'nothing is known of the other')
  assert.deepEqual(delivery.here, { pushed: 4, acked: 4, refusing: 0 })
  delivery.elsewhere('b', { pushed: 3, acked: 2, refusing: 1 })
  assert.equal(await figures(delivery), '3/2 refused by 1')
  delivery.elsewhere('b', { pushed: 2, acked: 1, refusing: 0 })
  delivery.elsewhere('c', { pushed: 9, acked: 9, refusing: 2 })
  assert.equal(await figures(delivery), '3/2 refused by 2', 'an old position does not count')
  delivery.elsewhere('b', { pushed: 9, acked: 9, refusing: 0 })
  assert.equal(await figures(delivery), '4/4 refused by 2', 'others may be ahead of what is here')
  delivery.elsewhere('d', undetermined)
  position = 5
  delivery.moved()
  assert.equal(await figures(delivery), '4/4 refused by 2')
  delivery.elsewhere('c', undefined)
  delivery.elsewhere('d', undefined)
  assert.equal(await figures(delivery), '5/5', 'who is not waited for holds nothing')
})

test('what is written here because of a commit is waited for at the other processes, too', async () => {
  let position = 1
  const delivery = createDelivery(() => position)
  delivery.elsewhere('b', { pushed: 1, acked: 1, refusing: 0 })
  position = 2
  const written = delivery.hold()
  position = 3
  delivery.passOn(written, 3)
  delivery.elsewhere('b', { pushed: 2, acked: 2, refusing: 0 })
  assert.equal(await figures(delivery), '1/1', 'the other has sent what was written at 2, not what follows from it')
  delivery.elsewhere('b', { pushed: 3, acked: 2, refusing: 0 })
  assert.equal(await figures(delivery), '3/1')
  delivery.elsewhere('b', { pushed: 3, acked: 3, refusing: 0 })
  assert.equal(await figures(delivery), '3/3')
})

test('a listener is told of what is reached here while others hold it', async () => {
  let position = 1
  const delivery = createDelivery(() => position)
  delivery.elsewhere('b', undetermined)
  const told: string[] = []
  delivery.onProgress(() => told.push(`${delivery.acked} of ${delivery.here.acked}`))
  position = 2
  delivery.moved()
  await turn()
  delivery.moved()
  await turn()
  assert.deepEqual(told, ['1 of 2'])
})

test('the proxies that are waited for are named, the longest one first', () => {
  let position = 1
  const delivery = createDelivery(() => position)
  for (const proxy of ['default/c', 'default/b', 'default/a']) {
    position++
    delivery.stream(proxy).due()
  }
  assert.deepEqual(
    delivery.waiting(2).map(({ proxy, since }) => `${proxy} ${since}`),
    ['default/c 2', 'default/b 3'],
  )
})

test('whatever happens, figures only grow, in order, and nothing is left behind when all work is done', async () => {
  const step = fc.record({ stream: fc.nat(2), what: fc.constantFrom('commit', 'due', 'send', 'answer', 'write', 'search', 'reopen') })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 200 }), async (steps) => {
      let position = 1
      const delivery = createDelivery(() => position)
      const make = () => ({ told: delivery.stream('default/web'), nonce: 0, answered: 0 })
      const streams = [make(), make(), make()]
      const tell = (at: (typeof streams)[number], isSent: boolean, isSearching = false): void => {
        const firstUnanswered = at.answered < at.nonce ? at.answered + 1 : Number.POSITIVE_INFINITY
        at.told.turned({ isSent, firstUnanswered, isSearching, isRefusing: isSearching }, at.nonce)
      }
      let [pushed, acked] = [0, 0]
      for (const { stream, what } of steps) {
        const at = streams[stream]
        assert.ok(at)
        if (what === 'commit') position++
        else if (what === 'due') at.told.due()
        else if (what === 'send') {
          at.nonce++
          tell(at, true)
        } else if (what === 'answer') {
          at.answered = Math.min(at.nonce, at.answered + 1)
          tell(at, false)
        } else if (what === 'search') tell(at, false, true)
        else if (what === 'write') {
          const held = delivery.hold()
          position++
          at.told.due()
          delivery.passOn(held, position)
        } else {
          at.told.closed()
          streams[stream] = make()
        }
        delivery.moved()
        if (stream === 0) await turn()
        assert.ok(delivery.pushed >= pushed && delivery.acked >= acked && delivery.acked <= delivery.pushed && delivery.pushed <= position)
        ;[pushed, acked] = [delivery.pushed, delivery.acked]
      }
      for (const at of streams) {
        at.answered = at.nonce
        tell(at, true)
      }
      assert.equal(await figures(delivery), `${position}/${position}`)
    }),
    { numRuns: 200 },
  )
})
