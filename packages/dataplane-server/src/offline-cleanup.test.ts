import assert from 'node:assert/strict'
import { it } from 'node:test'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock, timestamp } from '@weft/foundation/time'
import { createMemoryStore } from '@weft/store'
import { createOfflineCleanup } from './offline-cleanup.ts'
import { mesh, put } from './testing/server-fixture.ts'

it('removes only what has been away for long and is known to be', async () => {
  const clock = new FakeClock()
  const store = createMemoryStore({ clock, log: silentLogger })
  const age = 72 * 3_600_000
  const connectTime = timestamp(clock.now())
  const add = async (name: string, subscription?: object, labels: Record<string, string> = {}): Promise<void> => {
    await put(store, { type: 'Dataplane', mesh, name, labels, spec: { networking: { address: '10.0.0.1' } } })
    if (subscription)
      await put(store, {
        type: 'DataplaneInsight',
        mesh,
        name,
        labels: {},
        spec: { subscriptions: [{ id: '1', connectTime, ...subscription }] },
      })
  }
  await add('gone', { disconnectTime: connectTime })
  await add('connected-here', { disconnectTime: connectTime })
  await add('online-elsewhere', {})
  await add('unknown')
  await add('other-zone', { disconnectTime: connectTime }, { 'kuma.io/zone': 'other' })
  await add('garbled', { disconnectTime: 'x' })
  const settings = { zone: 'default', environment: 'universal', cleanupAgeMs: age } as const
  const options = { store, clock, log: silentLogger, settings, isConnected: (key: string) => key === `${mesh}/connected-here` }
  const cleanup = createOfflineCleanup(options)
  clock.advance(age - 1)
  assert.equal(await cleanup.run(), 0)
  clock.advance(1)
  assert.equal(await createOfflineCleanup({ ...options, settings: { ...settings, environment: 'kubernetes' } }).run(), 0)
  cleanup.start()
  clock.advance(600_000)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(
    store.list('Dataplane').map((each) => each.name),
    ['connected-here', 'garbled', 'online-elsewhere', 'other-zone', 'unknown'],
  )
  cleanup.stop()
  assert.equal(clock.pending, 0)
})
