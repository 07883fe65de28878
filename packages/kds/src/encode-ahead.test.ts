import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeAhead, encodingSlice } from './encode-ahead.ts'
import type { Outgoing } from './outgoing.ts'
import { sendingType, type SendingType } from './sending-type.ts'
import { memoryStore } from './testing/federation.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** So many Meshes of a store are dirty. */
async function setUp(count: number) {
  const store = memoryStore()
  const keys = Array.from({ length: count }, (_, index) => ({ type: 'Mesh', mesh: '', name: `m-${index}` }))
  await store.transact(
    keys.map((key) => ({ op: 'put', resource: { ...key, labels: {}, spec: {} } }) as const),
    { actor: 'user:test', reason: 'api', class: 'desired' },
  )
  const state = sendingType('Mesh', { resume: new Map() })
  for (const key of keys) state.dirty.set(key.name, key)
  const encoded: string[] = []
  const ready: SendingType[] = []
  const outgoing: Outgoing = {
    types: ['Mesh'],
    after: () => undefined,
    encode: ({ name }) => {
      encoded.push(name)
      return undefined
    },
    forget: () => {},
  }
  return { store, state, encoded, ready, ahead: encodeAhead({ store, outgoing, ready: (each) => void ready.push(each) }) }
}

test('a small delta is composed at once', async () => {
  const { ahead, state, encoded } = await setUp(encodingSlice)
  assert.equal(ahead.isReady(state), true)
  assert.deepEqual(encoded, [])
})

test('a large delta is encoded slice by slice, each resource once, and is then ready once', async () => {
  const count = 3 * encodingSlice + 1
  const { ahead, state, encoded, ready } = await setUp(count)
  const sizes: number[] = []
  for (let turns = 0; ready.length === 0 && turns < count; turns++) {
    assert.equal(ahead.isReady(state), false)
    sizes.push(encoded.length)
    await turn()
  }
  assert.deepEqual(
    sizes,
    [1, 2, 3].map((slices) => slices * encodingSlice),
  )
  assert.equal(new Set(encoded).size, count)
  assert.equal(encoded.length, count)
  assert.deepEqual(ready, [state])
  assert.equal(ahead.isReady(state), true)
  assert.equal(ahead.isReady(state), false, 'the next one is another')
  ahead.close()
})

test('what is gone meanwhile is passed over, what waits in the queue does not wait, and nothing goes on after the end', async () => {
  const { ahead, state, encoded, ready, store } = await setUp(2 * encodingSlice)
  await store.transact([{ op: 'delete', key: { type: 'Mesh', mesh: '', name: 'm-0' } }], {
    actor: 'user:test',
    reason: 'api',
    class: 'desired',
  })
  assert.equal(ahead.isReady(state), false)
  assert.equal(encoded.length, encodingSlice - 1)
  state.queue.push({ entries: [], removed: ['m-0.'], partial: false })
  assert.equal(ahead.isReady(state), true)
  ahead.close()
  await turn()
  await turn()
  assert.equal(encoded.length, encodingSlice - 1)
  assert.deepEqual(ready, [])
})
