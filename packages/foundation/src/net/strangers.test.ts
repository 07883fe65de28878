import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { FakeClock } from '../time/index.ts'
import { createStrangers, peerOf } from './index.ts'

interface Fake extends Socket {
  readonly isGone: () => boolean
}

/** What strangers use of a socket. */
function fake(remoteAddress: string, remotePort: number): Fake {
  let isGone = false
  const socket = Object.assign(new EventEmitter(), {
    remoteAddress,
    remotePort,
    isGone: () => isGone,
    destroy: () => {
      isGone = true
      socket.emit('close')
    },
  })
  // the few members above are all that is called
  return socket as unknown as Fake
}

test('a stranger goes when its time is over, one that is known stays', () => {
  const clock = new FakeClock()
  const strangers = createStrangers({ clock, limit: 10, patienceMs: 1000 })
  const [stays, goes] = [fake('a', 1), fake('a', 2)]
  for (const socket of [stays, goes]) strangers.arrived(socket)
  strangers.known(peerOf(stays))
  clock.advance(1000)
  assert.deepEqual([stays.isGone(), goes.isGone(), strangers.count], [false, true, 0])
  assert.equal(clock.pending, 0)
})

test('of too many, the oldest of the address that has most goes', () => {
  const strangers = createStrangers({ clock: new FakeClock(), limit: 4, patienceMs: 1000 })
  const guest = fake('guest', 1)
  strangers.arrived(guest)
  const crowd = Array.from({ length: 20 }, (_, port) => fake('crowd', port))
  for (const socket of crowd) strangers.arrived(socket)
  assert.equal(guest.isGone(), false)
  assert.deepEqual(
    crowd.filter((socket) => !socket.isGone()).map((socket) => socket.remotePort),
    [17, 18, 19],
  )
  assert.equal(strangers.count, 4)
})

test('connections that end leave nothing behind, and a port may be used again', () => {
  const clock = new FakeClock()
  const strangers = createStrangers({ clock, limit: 4, patienceMs: 1000 })
  const first = fake('a', 1)
  strangers.arrived(first)
  const second = fake('a', 1)
  strangers.arrived(second)
  first.emit('close')
  assert.equal(strangers.count, 1)
  second.emit('close')
  assert.deepEqual([strangers.count, clock.pending], [0, 0])
})
