import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { silentLogger } from '../log/index.ts'
import { FakeClock } from '../time/index.ts'
import { createHeapTrim, quietMs } from './heap-trim.ts'

const MiB = 1 << 20

async function setUp(held = 50, used = 30) {
  const clock = new FakeClock()
  const state = { held: held * MiB, used: used * MiB, cpuMs: 0, collections: 0, releases: 0, listener: (): void => {} }
  const trim = createHeapTrim({
    clock,
    log: silentLogger,
    heap: {
      size: () => state,
      cpuMs: () => state.cpuMs,
      collect: () => {
        state.collections += 1
        state.held = state.used
      },
      releaseNative: () => void (state.releases += 1),
      onCollected: (listener) => {
        state.listener = listener
        return () => void (state.listener = () => {})
      },
    },
  })
  await trim.start()
  return { clock, state, trim }
}

test('what a busy time left is given back once, when it is over', async () => {
  const { clock, state, trim } = await setUp()
  state.listener()
  for (let busy = 0; busy < 3; busy += 1) {
    state.cpuMs += quietMs * 0.06
    clock.advance(quietMs)
  }
  assert.equal(state.collections, 0)
  clock.advance(quietMs - 1)
  assert.equal(state.collections, 0)
  clock.advance(1)
  assert.equal(state.collections, 1)
  assert.equal(clock.pending, 0)
  state.listener()
  assert.equal(clock.pending, 0, 'there is nothing to give back')
  state.held = 44 * MiB
  state.listener()
  assert.equal(clock.pending, 0, 'what light work takes is left')
  state.held = 50 * MiB
  state.listener()
  clock.advance(quietMs)
  assert.equal(state.collections, 2)
  assert.equal(state.releases, 2)
  await trim.stop()
})

test('a heap that would stop everything for long is left alone, and what is outside it is given back', async () => {
  const { clock, state, trim } = await setUp(200, 97)
  state.listener()
  clock.advance(quietMs)
  assert.equal(state.collections, 0)
  assert.equal(state.releases, 1)
  state.held = 290 * MiB
  state.listener()
  assert.equal(clock.pending, 0, 'it did not grow by half')
  await trim.stop()
})

test('nothing runs after the end', async () => {
  const { clock, state, trim } = await setUp()
  state.listener()
  await trim.stop()
  state.listener()
  assert.equal(clock.pending, 0)
})

test('the heap of a process gets smaller', () => {
  const program = `
    import { ownHeap } from ${JSON.stringify(new URL('heap-engine.ts', import.meta.url).href)}
    const heap = ownHeap()
    let heard = 0
    const end = heap.onCollected(() => heard++)
    let kept = []
    for (let i = 0; i < 2e6; i++) kept.push({ i })
    kept = undefined
    const before = heap.size()
    heap.collect()
    const after = heap.size()
    setImmediate(() => setImmediate(() => {
      end()
      console.log(JSON.stringify({ before, after, heard, cpuMs: heap.cpuMs() }))
    }))`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' })
  const { before, after, heard, cpuMs } = JSON.parse(stdout)
  assert.ok(after.held < before.held / 2, `${before.held} to ${after.held}`)
  assert.ok(after.used <= after.held)
  assert.ok(heard > 0 && cpuMs > 0)
})
