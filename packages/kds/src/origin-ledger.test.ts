import assert from 'node:assert/strict'
import { it } from 'node:test'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createMemoryStore, type Store } from '@weft/store'
import { openOriginLedger } from './origin-ledger.ts'

const key = (name: string) => ({ type: 'MeshTimeout', mesh: 'default', name })

function scene() {
  const store = createMemoryStore({ clock: new FakeClock(), log: silentLogger })
  let failure: AppError | undefined
  const failing: Store = { ...store, transact: (...of) => (failure ? Promise.reject(failure) : store.transact(...of)) }
  const open = (on: Store) => openOriginLedger({ store: on, log: silentLogger, origin: 'global' })
  return { one: open(failing), other: open(store), again: () => open(store), fail: (error?: AppError) => (failure = error) }
}

it('what another process of this control plane wrote counts at once', async () => {
  const { one, other } = scene()
  await one.admit('first', () => [])
  assert.equal(other.incarnation, 'first')
  await other.hold([key('a'), key('b')], 'mass-deletion')
  assert.ok(one.isHeld(key('a')))
  await one.release([key('a')])
  assert.deepEqual([other.isHeld(key('a')), other.isHeld(key('b'))], [false, true])
  await other.keep([key('b')])
  assert.equal(one.held()[0]?.state, 'kept')
})

it('what could not be written is kept, and written with the next change', async () => {
  const { one, again, fail } = scene()
  fail(new AppError('store/unavailable', 'away', { retryable: true }))
  await one.hold([key('a')], 'mass-deletion')
  assert.ok(one.isHeld(key('a')))
  assert.ok(!again().isHeld(key('a')))
  fail()
  await one.hold([key('b')], 'mass-deletion')
  assert.deepEqual([again().isHeld(key('a')), again().isHeld(key('b'))], [true, true])
})

it('what is another process’s to write is read from it', async () => {
  const { one, other, fail } = scene()
  await other.hold([key('theirs')], 'mass-deletion')
  fail(new AppError('store/fenced', 'another leads'))
  await one.hold([key('mine')], 'mass-deletion')
  await other.hold([key('more')], 'mass-deletion')
  assert.deepEqual(
    ['theirs', 'more', 'mine'].map((name) => one.isHeld(key(name))),
    [true, true, false],
  )
})

it('what was held together is one group, however long it took to note', async () => {
  const store = createMemoryStore({ clock: new FakeClock(), log: silentLogger })
  let at = 0
  const ledger = openOriginLedger({ store, log: silentLogger, origin: 'global', now: () => at++ })
  await ledger.hold([key('a'), key('b'), key('c')], 'mass-deletion')
  assert.deepEqual(
    ledger.held().map(({ keys }) => keys.length),
    [3],
  )
})
