import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createFirstListHold, holdLimitMs, newZoneMs, rememberServed, servedBefore } from './first-list-hold.ts'

function setUp(options: { readonly needed?: boolean; readonly servedBefore?: boolean } = {}) {
  const clock = new FakeClock()
  const { promise: over, resolve: recover } = Promise.withResolvers<void>()
  const hold = createFirstListHold({ needed: true, servedBefore: false, ...options, over, clock, log: silentLogger })
  let isReleased = false
  void hold.released.then(() => (isReleased = true))
  hold.start()
  const settle = async (): Promise<boolean> => {
    await new Promise((next) => setImmediate(next))
    return isReleased
  }
  return { clock, hold, recover, settle }
}

describe('first lists for a stock global', () => {
  it('go at once when the store kept its state', async () => {
    const { settle } = setUp({ needed: false })
    assert.equal(await settle(), true)
  })

  it('of a new zone go when no proxy came back with anything', async () => {
    const { clock, settle } = setUp()
    clock.advance(newZoneMs - 1)
    assert.equal(await settle(), false)
    clock.advance(1)
    assert.equal(await settle(), true)
  })

  it('wait for recovery when the zone had an earlier life', async () => {
    const ways = [
      setUp({ servedBefore: true }),
      (() => {
        const set = setUp()
        set.hold.recognised()
        return set
      })(),
    ]
    for (const { clock, recover, settle } of ways) {
      clock.advance(newZoneMs + 60_000)
      assert.equal(await settle(), false)
      recover()
      assert.equal(await settle(), true)
    }
  })

  it('do not wait for ever', async () => {
    const { clock, settle } = setUp({ servedBefore: true })
    clock.advance(holdLimitMs)
    assert.equal(await settle(), true)
  })

  it('know an earlier life by the work folder', () => {
    const folder = mkdtempSync(join(tmpdir(), 'wh-'))
    try {
      const workDir = join(folder, 'zone')
      assert.equal(servedBefore(workDir), false)
      rememberServed(workDir, silentLogger)
      assert.equal(servedBefore(workDir), true)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
