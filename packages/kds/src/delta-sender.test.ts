// The sending half alone: order, size, back-off and time limits, driven by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { Resource } from '@weft/resources'
import { createChangeFeed } from './change-feed.ts'
import { DeltaSender } from './delta-sender.ts'
import { createQuarantine } from './quarantine.ts'
import { recalledVersion } from './features.ts'
import type { Encoded, Outgoing } from './outgoing.ts'
import { memberOf, memoryStore } from './testing/federation.ts'
import { type DeltaRequest, type DeltaResponse, decodeResponse, frameResource } from './wire.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function setUp(
  extra: {
    readonly chunked?: boolean
    readonly sizeOf?: (resource: Resource) => number
    readonly types?: readonly string[]
    readonly recovered?: Promise<void>
    readonly paceMs?: number
  } = {},
) {
  const store = memoryStore()
  const clock = new FakeClock()
  const sent: DeltaResponse[] = []
  const counted: string[] = []
  /** Responses that wait for their answer, by type. */
  const asked = new Map<string, number>()
  const errors: string[] = []
  const forgotten: Resource[] = []
  const quarantine = createQuarantine(clock)
  let room = true
  const outgoing: Outgoing = {
    types: extra.types ?? ['Mesh', 'Secret', 'MeshTimeout'],
    after: (type) => (type === 'MeshTimeout' ? 'Mesh' : undefined),
    encode: (resource): Encoded | undefined => {
      if (resource.name.startsWith('hidden')) return undefined
      const name = `${resource.name}.${resource.mesh}`
      const version = String(resource.version)
      return { name, version, frame: frameResource(name, version, Buffer.alloc(extra.sizeOf?.(resource) ?? 0)) }
    },
    forget: (replaced) => void forgotten.push(replaced),
  }
  const log = { ...silentLogger, error: (_: unknown, text?: string) => void errors.push(text ?? '') }
  const sender = new DeltaSender({
    outgoing,
    store,
    feed: createChangeFeed(store, silentLogger),
    clock,
    log,
    identifier: 'global',
    chunked: extra.chunked ?? false,
    quarantine,
    ...(extra.recovered && { recovered: extra.recovered }),
    paceMs: () => extra.paceMs ?? 0,
    write: (bytes) => {
      sent.push(decodeResponse(bytes))
      return room
    },
    count: (type, outcome) => void counted.push(`${type} ${outcome}`),
    reader: { asked: (type, bytes) => void asked.set(type, bytes), answered: (type) => void asked.delete(type) },
  })
  const request = (type: string, fields: Partial<DeltaRequest> = {}): void =>
    sender.request({ node: undefined, type, subscribes: true, initialVersions: new Map(), nonce: '', error: undefined, ...fields })
  const take = (): DeltaResponse => {
    const response = sent.shift()
    assert.ok(response, 'a response')
    return response
  }
  return {
    ...memberOf(store),
    clock,
    sender,
    sent,
    forgotten,
    counted,
    asked,
    errors,
    quarantine,
    request,
    take,
    setRoom: (value: boolean) => {
      room = value
    },
    /** Takes the next response and answers it. */
    answer: (error?: string): DeltaResponse => {
      const response = take()
      request(response.type, { nonce: response.nonce, error })
      return response
    },
  }
}

const namesOf = (response: DeltaResponse): string[] => response.resources.map((resource) => resource.name)

test('first lists go in the order of the plan, whatever the order of the subscribes', async () => {
  const at = setUp()
  for (const type of ['MeshTimeout', 'Secret', 'Mesh', 'Other']) at.request(type)
  await turn()
  assert.deepEqual(
    at.sent.map((response) => response.type),
    ['Mesh', 'Secret', 'MeshTimeout', 'Other'],
  )
  assert.equal(new Set(at.sent.map((response) => response.nonce)).size, 4)
})

test('a type waits for the one it follows, at most a quarter of a second', async () => {
  const at = setUp()
  at.request('MeshTimeout')
  await turn()
  assert.equal(at.sent.length, 0)
  at.clock.advance(250)
  assert.deepEqual(
    at.sent.map((response) => response.type),
    ['MeshTimeout'],
  )
})

test('nothing is written while the transport is full, then only the latest', async () => {
  const at = setUp()
  at.request('Mesh')
  at.request('Secret')
  at.setRoom(false)
  await turn()
  assert.equal(at.sent.length, 1)
  await at.put('Secret', 'default', 'a', { data: '1' })
  await at.put('Secret', 'default', 'a', { data: '2' })
  await turn()
  assert.equal(at.sent.length, 1)
  at.setRoom(true)
  at.sender.drained()
  assert.equal(at.sent.length, 2)
  assert.deepEqual(
    at.sent[1]?.resources.map((resource) => resource.version),
    ['2'],
  )
})

test('a change that comes and goes before it is sent is not sent', async () => {
  const at = setUp()
  at.request('Mesh')
  await turn()
  at.answer()
  await Promise.all([at.put('Mesh', '', 'a', {}), at.remove('Mesh', '', 'a')])
  await turn()
  assert.deepEqual(at.sent, [])
})

test('a resource that stops being sent is removed, one that was never sent is not', async () => {
  const at = setUp()
  await at.put('Mesh', '', 'a', {})
  await at.put('Mesh', '', 'hidden', {})
  at.request('Mesh')
  await turn()
  assert.deepEqual(namesOf(at.answer()), ['a.'])
  await at.remove('Mesh', '', 'hidden')
  await at.remove('Mesh', '', 'a')
  await turn()
  const { removed, resources } = at.answer()
  assert.deepEqual([removed, resources.length], [['a.'], 0])
})

test('rejected: again after 5 s, then twice as late, never later than 5 min; an ACK starts over', async () => {
  const at = setUp()
  await at.put('Mesh', '', 'a', {})
  at.request('Mesh')
  await turn()
  at.answer('no')
  for (const seconds of [5, 10, 20, 40, 80, 160, 300, 300]) {
    at.clock.advance(seconds * 1000 - 1)
    assert.equal(at.sent.length, 0, `before ${seconds} s`)
    at.clock.advance(1)
    assert.deepEqual(namesOf(at.answer('no')), ['a.'], `after ${seconds} s`)
  }
  assert.equal(at.sender.inSync, false)
  at.clock.advance(300_000)
  at.answer()
  assert.equal(at.sender.inSync, true)
  at.clock.advance(3_600_000)
  assert.equal(at.sent.length, 0)
  await at.put('Mesh', '', 'b', {})
  await turn()
  at.answer('no')
  at.clock.advance(5_000)
  assert.deepEqual(namesOf(at.answer()), ['b.'])
  assert.deepEqual(at.counted.filter((line) => line.endsWith('rejected')).length, 10)
})

test('what came back but waits for its turn is not called gone after a recovery', async () => {
  const recovered = Promise.withResolvers<void>()
  const at = setUp({ recovered: recovered.promise, paceMs: 1_000 })
  const recalled = new Map(['a.', 'b.', 'c.'].map((name) => [name, recalledVersion]))
  at.request('Mesh', { initialVersions: recalled })
  await turn()
  at.answer()
  await at.put('Mesh', '', 'a', {})
  recovered.resolve()
  await turn()
  // `a` is stored, and paced
  const said = at.take()
  assert.deepEqual([namesOf(said), said.removed], [[], ['b.', 'c.']])
  at.request('Mesh', { nonce: said.nonce })
  at.clock.advance(1_000)
  await turn()
  assert.deepEqual(namesOf(at.take()), ['a.'])
})

test('a rejected removal is tried again as a removal', async () => {
  const at = setUp()
  await at.put('Mesh', '', 'a', {})
  at.request('Mesh')
  await turn()
  at.answer()
  await at.remove('Mesh', '', 'a')
  await turn()
  assert.deepEqual(at.answer('no').removed, ['a.'])
  at.clock.advance(5_000)
  assert.deepEqual(at.answer().removed, ['a.'])
  assert.equal(at.sender.inSync, true)
})

test('the watch of the reader knows each response that waits for its answer', async () => {
  const at = setUp()
  await at.put('Mesh', '', 'a', {})
  at.request('Mesh')
  at.request('Secret')
  await turn()
  assert.deepEqual([...at.asked.keys()], ['Mesh', 'Secret'])
  assert.ok([...at.asked.values()].every((bytes) => bytes > 0))
  at.answer()
  assert.deepEqual([...at.asked.keys()], ['Secret'])
  at.answer('no')
  assert.equal(at.asked.size, 0)
  at.sender.close()
})

const large = { sizeOf: () => 3 * 1024 * 1024 }

test('a long first list goes to an own peer in parts, marked but for the last', async () => {
  const at = setUp({ ...large, chunked: true })
  for (const name of ['a', 'b', 'c', 'd', 'e']) await at.put('Mesh', '', name, {})
  at.request('Mesh')
  await turn()
  const parts: [string[], boolean][] = []
  while (at.sent.length > 0) {
    const part = at.answer()
    parts.push([namesOf(part), part.partial])
  }
  assert.deepEqual(parts, [
    [['a.'], true],
    [['b.'], true],
    [['c.'], true],
    [['d.'], true],
    [['e.'], false],
  ])
  assert.equal(at.sender.inSync, true)
})

test('a stock peer gets its first list whole or not at all', async () => {
  const at = setUp(large)
  for (const name of ['a', 'b', 'c']) await at.put('Mesh', '', name, {})
  at.request('Mesh')
  await turn()
  assert.deepEqual(namesOf(at.answer()), ['a.', 'b.', 'c.'])
  const tooMuch = setUp(large)
  for (const name of ['a', 'b', 'c', 'd']) await tooMuch.put('Mesh', '', name, {})
  tooMuch.request('Mesh')
  tooMuch.request('Secret')
  await turn()
  assert.deepEqual(
    tooMuch.sent.map((response) => response.type),
    ['Secret'],
  )
  assert.deepEqual(tooMuch.errors, ['kds list is larger than the peer accepts and is not sent'])
  const [size] = tooMuch.sender.sizes
  assert.deepEqual(
    [size?.type, size?.state, size?.count, size?.limitBytes, size?.largest.map(({ name }) => name)],
    ['Mesh', 'withheld', 4, 10 * 1024 * 1024, ['a.', 'b.', 'c.', 'd.']],
  )
  assert.ok((size?.bytes ?? 0) > 12_000_000)
  assert.equal(tooMuch.sender.inSync, false)
  tooMuch.answer()
  // nothing of it goes while it does not fit, then all of it at once
  await tooMuch.put('Mesh', '', 'e', {})
  await turn()
  await tooMuch.remove('Mesh', '', 'a')
  await turn()
  assert.deepEqual(tooMuch.sent, [])
  await tooMuch.remove('Mesh', '', 'b')
  await turn()
  const whole = tooMuch.answer()
  assert.deepEqual([namesOf(whole).sort(), whole.removed], [['c.', 'd.', 'e.'], []])
  assert.equal(tooMuch.sender.inSync, true)
})

test('a type is shown from half of the limit on, and a resource that no message carries stays out of deltas', async () => {
  const at = setUp({ sizeOf: (resource) => (resource.name === 'huge' ? 11_000_000 : 3_000_000) })
  const shown = () => at.sender.sizes.map(({ state, count }) => `${state} ${count}`)
  await at.put('Mesh', '', 'a', {})
  at.request('Mesh')
  await turn()
  at.answer()
  assert.deepEqual(shown(), [])
  await at.put('Mesh', '', 'b', {})
  await turn()
  at.answer()
  assert.deepEqual(shown(), ['large 2'])
  await at.put('Mesh', '', 'huge', {})
  await turn()
  assert.deepEqual(at.sent, [])
  assert.deepEqual(shown(), ['over 3'])
  const own = setUp({ chunked: true, sizeOf: () => 11_000_000 })
  await own.put('Mesh', '', 'huge', {})
  own.request('Mesh')
  await turn()
  // the peer learns that there is one, so that it keeps what it has
  const [told] = own.answer().resources
  assert.deepEqual([told?.name, told?.typeUrl, told?.value.length], ['huge.', 'weft.io/TooLarge', 0])
  assert.equal(own.sender.sizes[0]?.state, 'withheld')
})

test('of several resources that a stock peer refuses at once, halves find the bad one', async () => {
  const at = setUp()
  const refused = (response: DeltaResponse): string | undefined =>
    response.resources.some(({ name }) => name === 'c.') ? 'c is bad' : undefined
  for (const name of ['a', 'b', 'c', 'd', 'e']) await at.put('Mesh', '', name, {})
  at.request('Mesh')
  await turn()
  const tries: string[] = []
  const respond = (): void => {
    while (at.sent.length > 0) {
      const response = at.take()
      tries.push(namesOf(response).join(''))
      at.request('Mesh', { nonce: response.nonce, error: refused(response) })
    }
  }
  respond()
  assert.deepEqual([at.quarantine.size, at.quarantine.list()[0]?.certain], [5, false])
  for (let wait = 5_000; wait < 100_000; wait *= 2) {
    at.clock.advance(wait)
    respond()
  }
  assert.deepEqual(
    at.quarantine.list().map(({ name, reason, certain }) => [name, reason, certain]),
    [['c', 'c is bad', true]],
  )
  assert.ok(tries.includes('c.') && !tries.slice(-1)[0]?.includes('a.'), tries.join(' '))
  await at.put('Mesh', '', 'c', { good: true })
  await turn()
  at.answer()
  assert.equal(at.quarantine.size, 0)
  assert.equal(at.sender.inSync, true)
})

test('an own peer names what it refuses; the rest counts as accepted', async () => {
  const at = setUp({ chunked: true })
  for (const name of ['a', 'b', 'c']) await at.put('Mesh', '', name, {})
  at.request('Mesh')
  await turn()
  at.request('Mesh', { nonce: at.take().nonce, error: 'b is bad', initialVersions: new Map([['b.', 'taken here']]) })
  assert.deepEqual(
    at.quarantine.list().map(({ name, reason, certain }) => [name, reason, certain]),
    [['b', 'taken here', true]],
  )
  at.clock.advance(5_000)
  assert.deepEqual(namesOf(at.answer()), ['b.'])
  assert.deepEqual([at.quarantine.size, at.sender.inSync], [0, true])
})

test('deltas are cut, and go on after the ACK', async () => {
  const at = setUp(large)
  at.request('Mesh')
  await turn()
  at.answer()
  await Promise.all(['a', 'b', 'c'].map((name) => at.put('Mesh', '', name, {})))
  await turn()
  for (const name of ['a.', 'b.', 'c.']) assert.deepEqual(namesOf(at.answer()), [name])
})

test('a hundred types on a peer that does not read: one response each and no more', async () => {
  const types = Array.from({ length: 100 }, (_, index) => `Type${index}`)
  const at = setUp({ types })
  for (const type of types) at.request(type)
  await turn()
  assert.equal(at.sent.length, 100)
  for (let round = 0; round < 50; round++) for (const type of types.slice(0, 10)) await at.put(type, '', 'x', { round })
  await turn()
  assert.equal(at.sent.length, 100)
  for (let count = 0; count < 100; count++) at.answer()
  assert.deepEqual(
    at.sent.map((response) => [response.type, response.resources.length]),
    types.slice(0, 10).map((type) => [type, 1]),
  )
})

test('the cursor follows what the peer has acknowledged, also under churn, and tells for how long something waits', async () => {
  const { sender, clock, put, request, answer, take, store } = setUp()
  await put('Mesh', '', 'a', {})
  request('Mesh')
  await turn()
  assert.deepEqual(sender.cursor, { head: 1, accepted: 0, lagMs: 0 })
  clock.advance(300)
  assert.equal(sender.cursor.lagMs, 300)
  answer()
  assert.deepEqual(sender.cursor, { head: 1, accepted: 1, lagMs: 0 })
  // what is not sent to this peer does not hold it up
  await put('Zone', '', 'east', {})
  await put('Mesh', '', 'hidden', {})
  await turn()
  assert.deepEqual(sender.cursor, { head: 3, accepted: 3, lagMs: 0 })
  await put('Mesh', '', 'b', {})
  await turn()
  clock.advance(100)
  await put('Mesh', '', 'c', {})
  assert.deepEqual(sender.cursor, { head: 5, accepted: 3, lagMs: 100 })
  clock.advance(100)
  answer()
  await turn()
  assert.deepEqual([sender.cursor.head, sender.cursor.accepted, sender.cursor.lagMs], [5, 4, 200])
  const last = take()
  request('Mesh', { nonce: last.nonce, error: 'no' })
  assert.deepEqual([store.seq, sender.cursor.accepted], [5, 4])
  clock.advance(5_000)
  answer()
  assert.deepEqual(sender.cursor, { head: 5, accepted: 5, lagMs: 0 })
  sender.close()
})

test('what was made of a value is let go when another takes its place', async () => {
  const { put, remove, request, forgotten } = setUp()
  await put('Mesh', '', 'a', { n: 1 })
  request('Mesh')
  await turn()
  await put('Mesh', '', 'a', { n: 2 })
  await remove('Mesh', '', 'a')
  assert.deepEqual(
    forgotten.map(({ name, spec }) => [name, spec]),
    [
      ['a', { n: 1 }],
      ['a', { n: 2 }],
    ],
  )
})
