import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import type { Change, WriteContext } from './contract.ts'
import { createStoreCore, type Medium } from './core.ts'
import { createLocalLeases } from './local-leases.ts'
import { createMemoryStore } from './memory.ts'
import { strictStore } from './strict.ts'

const desired: WriteContext = { actor: 'user:test', reason: 'api', class: 'desired' }
const observed: WriteContext = { actor: 'proxy', reason: 'status', class: 'observed' }
const put = (name: string) => ({ op: 'put', resource: { type: 'Dataplane', mesh: 'm', name, labels: {}, spec: {} } }) as const

function fakeMedium() {
  const commits: (readonly Change[])[] = []
  let failing = false
  const medium: Medium = {
    commit: async (changes) => {
      await new Promise(setImmediate)
      if (failing) throw new Error('disk is full')
      commits.push(changes)
    },
    later: () => {},
    close: async () => {},
  }
  return { medium, commits, fail: (value: boolean) => void (failing = value) }
}

function coreWith(medium: Medium) {
  return createStoreCore({
    id: 'x',
    seq: 0,
    resources: [],
    clock: new FakeClock(),
    log: silentLogger,
    medium,
    leases: createLocalLeases({ clock: new FakeClock() }),
  })
}

it('a value that left the log is freed', async () => {
  setFlagsFromString('--expose-gc')
  // what the flag makes exists in contexts that begin after it
  const collect = runInNewContext('gc') as () => void
  const store = createMemoryStore({ clock: new FakeClock(), log: silentLogger, maxLogEntries: 2 })
  const { resource } = put('a')
  const write = (round: number) => store.transact([{ op: 'put', resource: { ...resource, spec: { round } } }], observed)
  const stored = () => new WeakRef(store.get(resource) ?? assert.fail('nothing is stored'))
  await write(0)
  const first = stored()
  for (let round = 1; round < 8; round++) await write(round)
  const last = stored()
  // weak references hold their values for the turn in which they are made or read
  await new Promise(setImmediate)
  collect()
  assert.deepEqual([first.deref(), last.deref()?.spec], [undefined, { round: 7 }])
})

it('transactions of one turn share a commit', async () => {
  const { medium, commits } = fakeMedium()
  const store = coreWith(medium)
  await Promise.all(['a', 'b', 'c'].map((name) => store.transact([put(name)], desired)))
  assert.equal(commits.length, 1)
  assert.deepEqual(
    commits[0]?.map((change) => change.seq),
    [1, 2, 3],
  )
})

it('a failed commit is retryable, shows nothing and loses no later write', async () => {
  const { medium, fail } = fakeMedium()
  const store = coreWith(medium)
  let announced = 0
  store.watch(0, () => (announced += 1))
  fail(true)
  const outcomes = await Promise.allSettled([
    store.transact([put('a')], desired),
    store.transact([{ ...put('a'), expect: 'absent' }], desired),
  ])
  for (const outcome of outcomes)
    assert.ok(outcome.status === 'rejected' && hasCode(outcome.reason, 'store/unavailable') && outcome.reason.retryable)
  assert.equal(store.seq, 0)
  assert.equal(announced, 0)
  fail(false)
  assert.equal(await store.transact([put('a')], desired), 1)
  assert.equal(announced, 1)
})

it('observed changes are visible at once but never overtake a desired one', async () => {
  const { medium } = fakeMedium()
  const store = coreWith(medium)
  const order: string[] = []
  store.watch(0, (changes) => order.push(...changes.map((change) => change.key.name)))
  const first = store.transact([put('now')], observed)
  assert.deepEqual(order, ['now'])
  const second = store.transact([put('desired')], desired)
  const third = store.transact([put('behind')], observed)
  assert.deepEqual(order, ['now'])
  await Promise.all([first, second, third])
  assert.deepEqual(order, ['now', 'desired', 'behind'])
})

it('close waits for what was accepted', async () => {
  const { medium } = fakeMedium()
  const store = coreWith(medium)
  const write = store.transact([put('a')], desired)
  await store.close()
  assert.equal(await write, 1)
})

it('the strict decorator freezes values and refuses anonymous writes', async () => {
  const store = strictStore(coreWith(fakeMedium().medium))
  const spec = { deep: { list: [1] } }
  await store.transact([{ op: 'put', resource: { ...put('a').resource, spec } }], desired)
  assert.throws(() => spec.deep.list.push(2), TypeError)
  assert.throws(() => store.transact([put('b')], { ...desired, actor: '' }), /needs an actor/)
})
