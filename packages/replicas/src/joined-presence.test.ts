import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Member, Presence } from './contract.ts'
import { joinPresence, tellLiving } from './joined-presence.ts'

function scripted(holder: () => Promise<string | undefined>) {
  const listeners = { missing: new Set<(member: Member) => void>(), joined: new Set<(member: Member) => void>() }
  const members = new Map<string, Member>()
  const held = new Set<string>()
  const state = { isUp: true }
  const add = (set: Set<(member: Member) => void>) => (listener: (member: Member) => void) => {
    set.add(listener)
    return () => void set.delete(listener)
  }
  const presence: Presence = {
    get isUp() {
      return state.isUp
    },
    members: () => [...members.values()],
    onMissing: add(listeners.missing),
    onJoined: add(listeners.joined),
    hold: (holding) => {
      held.add(holding)
      return () => void held.delete(holding)
    },
    holder,
  }
  return {
    presence,
    state,
    held,
    listeners,
    join: (instanceId: string): void => {
      members.set(instanceId, { instanceId })
      for (const tell of listeners.joined) tell({ instanceId })
    },
    miss: (instanceId: string): void => {
      members.delete(instanceId)
      for (const tell of listeners.missing) tell({ instanceId })
    },
  }
}

it('knows whom either knows, and misses whom either misses', async () => {
  const table = scripted(async () => 'by-table')
  const hints = scripted(async () => 'by-hints')
  const joined = joinPresence(table.presence, hints.presence)
  const told: string[] = []
  joined.onJoined(({ instanceId }) => told.push(`+${instanceId}`))
  const stop = joined.onMissing(({ instanceId }) => told.push(`-${instanceId}`))
  table.join('a')
  hints.join('a')
  hints.join('b')
  assert.deepEqual(joined.members(), [{ instanceId: 'a' }, { instanceId: 'b' }])
  hints.miss('a')
  table.miss('a')
  // a doubt that was wrong
  hints.miss('b')
  hints.join('b')
  assert.deepEqual(told, ['+a', '+b', '-a', '-b', '+b'])
  stop()
  hints.miss('b')
  assert.equal(told.length, 5)
  const release = joined.hold('zone/east')
  assert.deepEqual([[...table.held], [...hints.held]], [['zone/east'], ['zone/east']])
  release()
  assert.deepEqual([table.held.size, hints.held.size], [0, 0])
  assert.equal(await joined.holder('zone/east'), 'by-hints')
  hints.state.isUp = false
  assert.equal(joined.isUp, true)
  assert.equal(await joined.holder('zone/east'), 'by-table')
  hints.state.isUp = true
  table.state.isUp = false
  assert.equal(joined.isUp, false, 'hints alone are no presence')
})

it('hints that fail are none', async () => {
  const table = scripted(async () => undefined)
  const hints = scripted(() => Promise.reject(new Error('no answer')))
  assert.equal(await joinPresence(table.presence, hints.presence).holder('zone/east'), undefined)
})

it('tells an announcer who lives', () => {
  const table = scripted(async () => undefined)
  const told: (readonly string[])[] = []
  const stop = tellLiving(table.presence, { awaits: (ids) => told.push(ids) })
  table.join('a')
  table.join('b')
  table.miss('a')
  stop()
  table.miss('b')
  assert.deepEqual(told, [['a'], ['a', 'b'], ['b']])
})
