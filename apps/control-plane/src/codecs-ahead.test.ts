import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codecsAhead } from './codecs-ahead.ts'

function setUp(isListed: boolean) {
  const listeners = new Set<() => void>()
  const state = { isListed, loaded: 0 }
  const component = codecsAhead(
    {
      isListed: () => state.isListed,
      onChange: (listener) => {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
    },
    () => void (state.loaded += 1),
  )
  const change = (): void => {
    for (const listener of listeners) listener()
  }
  return { state, component, change, listeners }
}

test('codecs are loaded once all is here that global sends, once', async () => {
  const { state, component, change, listeners } = setUp(false)
  await component.start()
  change()
  assert.equal(state.loaded, 0)
  state.isListed = true
  change()
  change()
  assert.equal(state.loaded, 1)
  assert.equal(listeners.size, 0)
  await component.stop()
})

test('where nothing is sent they are loaded at the end of the start', async () => {
  const { state, component, listeners } = setUp(true)
  await component.start()
  assert.equal(state.loaded, 1)
  assert.equal(listeners.size, 0)
})

test('a stopped control plane loads nothing', async () => {
  const { state, component, change } = setUp(false)
  await component.start()
  await component.stop()
  state.isListed = true
  change()
  assert.equal(state.loaded, 0)
})
