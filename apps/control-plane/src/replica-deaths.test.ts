import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createAlone, type Member } from '@weft/replicas'
import { followReplicaDeaths } from './replica-deaths.ts'

async function followed(named: readonly string[] = []) {
  const clock = new FakeClock()
  const living = new Set<string>()
  const gone: string[] = []
  const presence = { ...createAlone().presence, isUp: true }
  let die: (member: Member) => void = () => assert.fail('nobody listens')
  const component = followReplicaDeaths({
    replicas: {
      presence,
      onDeath: (listener) => {
        die = listener
        return () => {}
      },
    },
    isLiving: (instanceId) => living.has(instanceId),
    named: () => named,
    gone: (instanceId) => void gone.push(instanceId),
    clock,
    log: silentLogger,
  })
  await component.start()
  return { clock, living, gone, presence, die: (instanceId: string) => die({ instanceId }), stop: () => component.stop() }
}

test('what a dead replica held is gone 60 s after its death, once', async () => {
  const { clock, gone, die, stop } = await followed()
  die('a')
  clock.advance(30_000)
  die('a')
  clock.advance(29_999)
  assert.deepEqual(gone, [])
  clock.advance(1)
  assert.deepEqual(gone, ['a'])
  clock.advance(600_000)
  assert.deepEqual(gone, ['a'])
  await stop()
  assert.equal(clock.pending, 0)
})

test('one that is back within that time loses nothing', async () => {
  const { clock, gone, living, die } = await followed()
  die('a')
  living.add('a')
  clock.advance(60_000)
  assert.deepEqual(gone, [])
  living.delete('a')
  die('a')
  clock.advance(60_000)
  assert.deepEqual(gone, ['a'], 'a second death counts from its own time')
})

test('nobody is gone while nobody can be seen', async () => {
  const { clock, gone, presence, die } = await followed()
  presence.isUp = false
  die('a')
  clock.advance(300_000)
  assert.deepEqual(gone, [])
  presence.isUp = true
  clock.advance(60_000)
  assert.deepEqual(gone, ['a'])
})

test('a replica that died before this one started is found once all that live had time to say so', async () => {
  const { clock, gone, living, presence } = await followed(['lives', 'died'])
  presence.isUp = false
  clock.advance(20_000)
  presence.isUp = true
  living.add('lives')
  clock.advance(20_000)
  clock.advance(59_999)
  assert.deepEqual(gone, [])
  clock.advance(1)
  assert.deepEqual(gone, ['died'])
})

test('nothing happens after the end', async () => {
  const { clock, gone, die, stop } = await followed(['died'])
  die('a')
  await stop()
  clock.advance(600_000)
  assert.deepEqual([gone, clock.pending], [[], 0])
})
