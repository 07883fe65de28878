import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createGlobalGate, type GlobalGate } from './global-gate.ts'
import { clusterIdOf, type GlobalIdentity, judgeGlobal, openPinMemory, pinConfig, type PinVerdict } from './global-pin.ts'
import { memberOf, memoryStore } from './testing/federation.ts'

const address = 'global:5685'
const own = (clusterId: string, lasting = true): GlobalIdentity => ({ clusterId, peer: 'own', lasting })
const stock = (clusterId: string): GlobalIdentity => ({ clusterId, peer: 'stock', lasting: false })

test('which global is the one of a zone', () => {
  const pinned = (identity: GlobalIdentity, at = address) => ({ ...identity, address: at, since: '', process: '' })
  const cases: readonly [string, GlobalIdentity, ReturnType<typeof pinned> | undefined, PinVerdict][] = [
    ['nothing is pinned', own('a'), undefined, 'first'],
    ['the same id', own('a'), pinned(own('a')), 'same'],
    ['the same id at another address', own('a'), pinned(own('a'), 'old:5685'), 'same'],
    ['an id that does not last, again', stock('a'), pinned(stock('a')), 'same'],
    ['another id where the pinned one lasts', own('b'), pinned(own('a')), 'other'],
    ['another one that does not last', own('b', false), pinned(own('a')), 'other'],
    ['a stock id that two processes had', stock('b'), pinned({ ...stock('a'), lasting: true }), 'other'],
    ['another id of the kind whose id does not last, at its address', own('b', false), pinned(own('a', false)), 'restarted'],
    ['the same for a stock one', stock('b'), pinned(stock('a')), 'restarted'],
    ['a store that lasts put in place of memory', own('b'), pinned(own('a', false)), 'restarted'],
    ['an id that does not last, elsewhere', stock('b'), pinned(stock('a'), 'old:5685'), 'other'],
    ['a stock one in place of an own one', stock('b'), pinned(own('a', false)), 'other'],
    ['an own one in place of a stock one', own('b'), pinned(stock('a')), 'other'],
  ]
  for (const [what, found, pin, verdict] of cases) assert.equal(judgeGlobal(found, { pin, address }), verdict, what)
})

interface Scene {
  readonly gate: GlobalGate
  readonly refused: GlobalIdentity[]
  readonly adopted: number
}

/** One connection of a zone with this store. */
function connect(store: ReturnType<typeof memoryStore>, options: { readonly adopts?: string; readonly address?: string } = {}): Scene {
  const refused: GlobalIdentity[] = []
  let adopted = 0
  const gate = createGlobalGate({
    memory: openPinMemory({ store, log: silentLogger }),
    address: options.address ?? address,
    clock: new FakeClock(),
    log: silentLogger,
    adopts: options.adopts,
    adopted: () => void (adopted += 1),
    refuse: (found) => void refused.push(found),
  })
  return {
    gate,
    refused,
    get adopted() {
      return adopted
    },
  }
}

/** What the next process of the zone reads. */
const pinIn = (store: ReturnType<typeof memoryStore>) => openPinMemory({ store, log: silentLogger }).pin

test('a new zone has an open gate and belongs to the first global that says which it is', async () => {
  const store = memoryStore()
  const { gate } = connect(store)
  let opened = 0
  gate.whenOpen(() => void opened++)
  assert.deepEqual([gate.isOpen, opened], [true, 1])
  assert.equal(gate.heard(own('a')), true)
  assert.deepEqual([pinIn(store)?.clusterId, pinIn(store)?.address, opened], ['a', address, 1])
})

test('the gate of a zone with a global is shut until that global is heard, and again for the next stream', () => {
  const store = memoryStore()
  connect(store).gate.heard(own('a'))
  const { gate, refused } = connect(store)
  let opened = 0
  const takeBack = gate.whenOpen(() => assert.fail('was taken back'))
  gate.whenOpen(() => void opened++)
  takeBack()
  assert.deepEqual([gate.isOpen, opened], [false, 0])
  assert.equal(gate.heard(own('a')), true)
  assert.deepEqual([gate.isOpen, opened], [true, 1])
  gate.shut()
  assert.equal(gate.isOpen, false)
  assert.equal(gate.heard(own('b')), false)
  assert.deepEqual([gate.isOpen, refused, pinIn(store)?.clusterId, opened], [false, [own('b')], 'a', 1])
  assert.equal(gate.heard(own('a')), false, 'a connection that was refused stays refused')
})

test('another global than the configured one is not adopted, the configured one is', () => {
  const store = memoryStore()
  connect(store).gate.heard(own('a'))
  const wrong = connect(store, { adopts: 'c' })
  assert.deepEqual([wrong.gate.heard(own('b')), wrong.adopted, pinIn(store)?.clusterId], [false, 0, 'a'])
  const right = connect(store, { adopts: 'b' })
  assert.deepEqual([right.gate.heard(own('b')), right.adopted, pinIn(store)?.clusterId], [true, 1, 'b'])
  // the setting may stay: it says nothing about the global it names any more
  const again = connect(store, { adopts: 'b' })
  assert.deepEqual([again.gate.heard(own('b')), again.adopted], [true, 0])
})

test('a stock global may come back with another id until its id was seen of two processes', () => {
  const store = memoryStore()
  const visit = (id: string, process: string): boolean => {
    const { gate } = connect(store)
    const isOpen = gate.heard(stock(id))
    if (isOpen) gate.process(process)
    return isOpen
  }
  assert.equal(visit('a', 'global-1111'), true)
  assert.equal(visit('a', 'global-1111'), true)
  assert.equal(pinIn(store)?.lasting, false, 'the same process proves nothing')
  assert.equal(visit('b', 'global-2222'), true, 'it has its state in memory')
  assert.deepEqual([pinIn(store)?.clusterId, pinIn(store)?.lasting], ['b', false])
  assert.equal(visit('b', 'global-3333'), true)
  assert.equal(pinIn(store)?.lasting, true)
  assert.equal(visit('c', 'global-4444'), false)
  assert.equal(pinIn(store)?.clusterId, 'b')
})

test('a process that was heard before the id counts as well', () => {
  const store = memoryStore()
  const first = connect(store).gate
  first.process('global-1111')
  first.renamed(stock('a'))
  assert.deepEqual([pinIn(store)?.clusterId, pinIn(store)?.process], ['a', 'global-1111'])
  const second = connect(store).gate
  second.heard(stock('a'))
  second.process('global-2222')
  assert.equal(pinIn(store)?.lasting, true)
})

test('a global that changes its id on the stream that was checked stays the one', () => {
  const store = memoryStore()
  const { gate, refused } = connect(store)
  gate.heard(own('a'))
  gate.renamed(own('renamed'))
  assert.deepEqual([pinIn(store)?.clusterId, gate.isOpen, refused], ['renamed', true, []])
  gate.shut()
  gate.renamed(own('other'))
  assert.equal(pinIn(store)?.clusterId, 'renamed', 'behind a shut gate nobody is known')
})

test('an address that moved and an id that came to last are noted', () => {
  const store = memoryStore()
  connect(store).gate.heard(own('a', false))
  connect(store, { address: 'new:5685' }).gate.heard(own('a'))
  assert.deepEqual([pinIn(store)?.address, pinIn(store)?.lasting], ['new:5685', true])
  connect(store, { address: 'new:5685' }).gate.heard(own('a', false))
  assert.equal(pinIn(store)?.lasting, true)
})

test('what another process of the zone pinned counts at once', () => {
  const store = memoryStore()
  connect(store).gate.heard(own('a'))
  const standby = connect(store)
  connect(store, { adopts: 'b' }).gate.heard(own('b'))
  assert.equal(standby.gate.heard(own('b')), true)
})

test('a pin that cannot be written holds for this process', async () => {
  const store = memoryStore()
  const memory = openPinMemory({
    store: { ...store, get: (key) => store.get(key), transact: () => Promise.reject(new Error('disk full')) },
    log: silentLogger,
  })
  const pin = { ...own('a'), address, since: '', process: '' }
  await memory.set(pin, 'user:me')
  assert.deepEqual([memory.pin, pinIn(store)], [pin, undefined])
})

test('a pin that cannot be read counts as none', async () => {
  for (const config of ['', '{', '[]', '{"clusterId":7}', '{"clusterId":""}']) {
    const zone = memberOf(memoryStore())
    await zone.put(pinConfig.type, '', pinConfig.name, { config })
    assert.equal(pinIn(zone.store), undefined, config)
  }
})

test('only what can be an id is one', () => {
  for (const value of [undefined, 7, '', 'a b', 'a\nb', 'ü', 'x'.repeat(201)]) assert.equal(clusterIdOf(value), undefined)
  assert.equal(clusterIdOf('5c3f0e8a-1b1c-4c38-9d7f-1f3c8f1c9a52'), '5c3f0e8a-1b1c-4c38-9d7f-1f3c8f1c9a52')
})
