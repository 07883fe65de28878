import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toNumber } from '@weft/proto'
import type { TypeProgress } from './change-progress.ts'
import { tellProgress } from './progress-messages.ts'
import { createReceivedProgress, type Delivery } from './received-progress.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A zone whose store and proxies are moved by hand. */
function zone() {
  const store = { seq: 0 }
  const listeners = new Set<() => void>()
  const at = { pushed: 0, acked: 0, refusing: 0 }
  const delivery: Delivery = {
    get pushed() {
      return at.pushed
    },
    get acked() {
      return at.acked
    },
    get refusing() {
      return at.refusing
    },
    onProgress: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  return {
    store,
    received: createReceivedProgress(store, delivery),
    delivered: (figures: Partial<typeof at>) => {
      Object.assign(at, figures)
      for (const listener of listeners) listener()
    },
  }
}

const figures = ({ type, stored, pushed, acked, refusing }: TypeProgress) => [type, stored, pushed, acked, refusing]

test('positions of global follow the states of this zone that they made', () => {
  const { store, received, delivered } = zone()
  store.seq = 5
  received.stored('Mesh', 100)
  store.seq = 9
  received.stored('MeshTimeout', 101)
  received.stored('Mesh', 102)
  assert.deepEqual(received.progress().map(figures), [
    ['Mesh', 102, 0, 0, 0],
    ['MeshTimeout', 101, 0, 0, 0],
  ])
  delivered({ pushed: 8, acked: 4 })
  assert.deepEqual(received.progress().map(figures), [
    ['Mesh', 102, 100, 0, 0],
    ['MeshTimeout', 101, 0, 0, 0],
  ])
  delivered({ pushed: 9, acked: 9, refusing: 3 })
  assert.deepEqual(received.progress().map(figures), [
    ['Mesh', 102, 102, 102, 3],
    ['MeshTimeout', 101, 101, 101, 3],
  ])
  // a response that changed nothing here is done at once
  received.stored('Mesh', 110)
  assert.deepEqual(received.progress().map(figures)[0], ['Mesh', 110, 110, 110, 3])
  received.stored('Mesh', 90)
  assert.deepEqual(received.progress().map(figures)[0], ['Mesh', 110, 110, 110, 3])
  received.reset()
  assert.deepEqual(received.progress(), [])
})

test('while proxies lag behind, steps of a type are bounded and told in coarser ones', () => {
  const { store, received, delivered } = zone()
  for (let step = 1; step <= 1_000; step++) {
    store.seq = step
    received.stored('Mesh', step + 5_000)
  }
  delivered({ pushed: 63, acked: 63 })
  assert.deepEqual(received.progress().map(figures), [['Mesh', 6_000, 5_063, 5_063, 0]])
  delivered({ pushed: 999, acked: 999 })
  assert.deepEqual(received.progress().map(figures), [['Mesh', 6_000, 5_063, 5_063, 0]])
  delivered({ pushed: 1_000, acked: 1_000 })
  assert.deepEqual(received.progress().map(figures), [['Mesh', 6_000, 6_000, 6_000, 0]])
})

test('changes are told once a turn, only what is new, and never into a full transport', async () => {
  const { store, received, delivered } = zone()
  const told: string[] = []
  let isFull = false
  received.stored('Mesh', 7)
  store.seq = 1
  const telling = tellProgress(received, (progress) => {
    told.push(progress.map(({ type, stored, acked }) => `${type} ${toNumber(stored)} ${toNumber(acked)}`).join(', '))
    return !isFull
  })
  await turn()
  assert.deepEqual(told.splice(0), ['Mesh 7 7'])
  for (let step = 2; step < 50; step++) {
    store.seq = step
    received.stored('Secret', step)
  }
  isFull = true
  await turn()
  assert.deepEqual(told.splice(0), ['Secret 49 0'])
  delivered({ pushed: 49, acked: 49 })
  await turn()
  assert.deepEqual(told, [])
  isFull = false
  telling.drained()
  await turn()
  assert.deepEqual(told.splice(0), ['Secret 49 49'])
  received.stored('Secret', 60)
  telling.stop()
  await turn()
  received.stored('Secret', 61)
  await turn()
  assert.deepEqual(told, [])
})
