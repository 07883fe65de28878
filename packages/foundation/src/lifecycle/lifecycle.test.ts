import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../log/index.ts'
import { type Component, createSupervisor } from './index.ts'

function component(name: string, events: string[], options: { failStart?: boolean; failStop?: boolean } = {}): Component {
  return {
    name,
    start: async () => {
      if (options.failStart) throw new Error(`${name} cannot start`)
      events.push(`start ${name}`)
    },
    stop: async () => {
      events.push(`stop ${name}`)
      if (options.failStop) throw new Error(`${name} cannot stop`)
    },
  }
}

test('starts in order and stops in reverse, once, whatever a stop throws', async () => {
  const events: string[] = []
  const supervisor = createSupervisor(
    [component('a', events), component('b', events, { failStop: true }), component('c', events)],
    silentLogger,
  )
  assert.deepEqual(supervisor.unready(), ['a', 'b', 'c'])
  await supervisor.start()
  assert.deepEqual(supervisor.unready(), [])
  await Promise.all([supervisor.stop(), supervisor.stop()])
  assert.deepEqual(events, ['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a'])
})

test('a failed start stops what was started and rejects with its error', async () => {
  const events: string[] = []
  const supervisor = createSupervisor(
    [component('a', events), component('b', events, { failStart: true }), component('c', events)],
    silentLogger,
  )
  await assert.rejects(supervisor.start(), /b cannot start/)
  assert.deepEqual(events, ['start a', 'stop a'])
})
