import assert from 'node:assert/strict'
import { it } from 'node:test'
import { hasCode } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock, turns } from '@weft/foundation/time'
import type { Change, StoreOp, WriteContext } from './contract.ts'
import { createJointCore } from './joint-core.ts'
import { JournalRefusal } from './journal.ts'
import { createLocalLeases } from './local-leases.ts'
import { createTentative } from './tentative.ts'
import { createFakeJournal } from './testing/fake-journal.ts'

const desired: WriteContext = { actor: 'user:test', reason: 'api', class: 'desired' }
const observed: WriteContext = { actor: 'proxy', reason: 'status', class: 'observed' }
const key = (name: string) => ({ type: 'Dataplane', mesh: 'm', name })
const put = (name: string, spec: unknown, expect?: 'absent' | number): StoreOp => ({
  op: 'put',
  resource: { ...key(name), labels: {}, spec },
  ...(expect === undefined ? {} : { expect }),
})
const remove = (name: string): StoreOp => ({ op: 'delete', key: key(name) })
const elsewhere = (name: string, spec: unknown, kind: Change['class'] = 'desired') =>
  ({
    op: 'put',
    class: kind,
    key: key(name),
    after: { ...key(name), labels: {}, spec, creationTime: '', modificationTime: '', version: 0 },
  }) as const

function scene() {
  const journal = createFakeJournal((name) => new JournalRefusal(`cannot hold ${name}`))
  const clock = new FakeClock()
  const store = createJointCore({ id: 'x', seq: 0, resources: [], clock, log: silentLogger, journal, leases: createLocalLeases({ clock }) })
  const batches: (readonly Change[])[] = []
  store.watch(0, (changes) => void batches.push(changes))
  const spec = (name: string): unknown => store.get(key(name))?.spec
  return {
    journal,
    clock,
    store,
    batches,
    spec,
    /** The database is back, and the back-off over. */
    heal: async () => {
      journal.failing = 'no'
      clock.advance(5000)
      await turns()
    },
  }
}

const isUnavailable = (error: unknown): boolean =>
  hasCode(error, 'store/unavailable') && error.retryable && /connection/.test(error.message)

it('without the database, reads go on, desired writes are refused and nothing of them is shown', async () => {
  const { store, journal, batches, spec, heal } = scene()
  await store.transact([put('a', 1)], desired)
  journal.failing = 'away'
  await assert.rejects(store.transact([put('a', 2)], desired), isUnavailable)
  await assert.rejects(store.transact([remove('a')], desired), isUnavailable)
  assert.equal(spec('a'), 1)
  assert.deepEqual([store.seq, batches.length], [1, 1])
  await heal()
  assert.equal(await store.transact([put('a', 2)], desired), 2)
  assert.deepEqual(
    batches.map((batch) => batch[0]?.seq),
    [1, 2],
  )
})

it('observed changes are shown at once without the database and written later, the last value of each', async () => {
  const { store, journal, batches, spec, heal } = scene()
  await store.transact([put('a', 0)], observed)
  journal.failing = 'away'
  for (let n = 1; n <= 5; n += 1) {
    await store.transact([put('a', n), put(`new-${n}`, n)], observed)
    assert.equal(spec('a'), n)
  }
  await store.transact([remove('new-1')], observed)
  await store.transact([put('new-2', 'again', store.get(key('new-2'))?.version ?? -1)], observed)
  await assert.rejects(store.transact([put('new-3', 0, 'absent')], observed), (error) => hasCode(error, 'store/already-exists'))
  assert.equal(spec('new-1'), undefined)
  assert.equal(store.seq, 1, 'they have no number yet')
  assert.equal(store.get(key('a'))?.version, 1)
  assert.equal(journal.written.length, 1)
  const told = batches.length
  await heal()
  const written = journal.written.slice(1).flat()
  assert.deepEqual(written.map(({ key: { name }, after, actor }) => [name, after?.spec, actor]).sort(), [
    ['a', 5, 'proxy'],
    ['new-2', 'again', 'proxy'],
    ['new-3', 3, 'proxy'],
    ['new-4', 4, 'proxy'],
    ['new-5', 5, 'proxy'],
  ])
  assert.deepEqual(
    written.map(({ seq }) => seq),
    [2, 3, 4, 5, 6],
  )
  assert.equal(store.seq, 6)
  for (const change of batches.slice(told).flat()) assert.deepEqual(change.before?.spec, change.after?.spec, 'only the number is new')
  for (const { key: of, seq } of written) assert.equal(store.get(of)?.version, seq)
})

it('a resource deleted without the database is deleted in it later; one made and deleted meanwhile leaves no trace', async () => {
  const { store, journal, heal } = scene()
  await store.transact([put('a', 1)], observed)
  journal.failing = 'away'
  await store.transact([remove('a')], observed)
  await store.transact([put('b', 1)], observed)
  await store.transact([remove('b')], observed)
  await heal()
  assert.deepEqual(
    journal.written
      .slice(1)
      .flat()
      .map(({ op, key: { name } }) => [op, name]),
    [['delete', 'a']],
  )
})

it('a value that is what the database has again is not written', async () => {
  const { store, journal, batches, heal } = scene()
  await store.transact([put('a', 1)], observed)
  journal.failing = 'away'
  await store.transact([put('a', 2)], observed)
  await store.transact([put('a', 1)], observed)
  const modified = batches[0]?.[0]?.after?.modificationTime
  await heal()
  assert.equal(journal.written.length, 1)
  assert.deepEqual([store.seq, store.get(key('a'))?.version, store.get(key('a'))?.modificationTime], [1, 1, modified])
})

it('what others wrote meanwhile comes before what was held', async () => {
  const { store, journal, batches, spec, heal } = scene()
  await store.transact([put('a', 1), put('b', 1)], observed)
  journal.failing = 'away'
  await store.transact([put('a', 'held'), put('b', 'held')], observed)
  journal.writeElsewhere(elsewhere('a', 'theirs'))
  await heal()
  assert.deepEqual([spec('a'), spec('b')], ['theirs', 'held'])
  assert.deepEqual(
    journal.written.flat().map(({ seq }) => seq),
    [1, 2, 3, 4],
  )
  const seqs = batches.flat().map(({ seq }) => seq)
  assert.deepEqual(seqs.slice(-2), [3, 4])
})

it('held values give way also when others write just as they are written', async () => {
  const { store, journal, spec, heal } = scene()
  await store.transact([put('a', 1), put('b', 1)], observed)
  journal.failing = 'away'
  await store.transact([put('a', 'held'), put('b', 'held')], observed)
  const append = journal.append
  journal.append = (after, transactions, leases) => {
    journal.append = append
    journal.writeElsewhere(elsewhere('a', 'theirs'))
    return append(after, transactions, leases)
  }
  await heal()
  assert.deepEqual([spec('a'), spec('b')], ['theirs', 'held'])
  assert.equal(journal.written.flat().at(-1)?.key.name, 'b')
})

it('what is held keeps its lease: it is dropped when that has changed hands, and what others hold is written', async () => {
  const { store, journal, batches, spec, heal } = scene()
  const led = (epoch: number): WriteContext => ({ ...observed, lease: { name: 'leader', epoch } })
  journal.epochs.set('leader', 1)
  await store.transact([put('changed', 'before'), put('deleted', 'before')], led(1))
  journal.failing = 'away'
  await store.transact([put('changed', 'held'), remove('deleted'), put('made', 'held')], led(1))
  await store.transact([put('own', 'held')], observed)
  assert.deepEqual(['changed', 'deleted', 'made'].map(spec), ['held', undefined, 'held'])
  journal.epochs.set('leader', 2)
  await heal()
  assert.deepEqual(['changed', 'deleted', 'made', 'own'].map(spec), ['before', 'before', undefined, 'held'])
  assert.deepEqual(
    journal.written.flat().map(({ key: { name } }) => name),
    ['changed', 'deleted', 'own'],
  )
  const told = batches.flat().filter(({ actor }) => actor === 'store')
  assert.deepEqual(told.map(({ op, key: { name } }) => `${op} ${name}`).sort(), ['delete made', 'put changed', 'put deleted'])
  assert.deepEqual(store.get(key('deleted'))?.version, 2, 'as the database has it')
})

it('what is held is written when its lease has not changed hands', async () => {
  const { store, journal, spec, heal } = scene()
  journal.epochs.set('leader', 1)
  journal.failing = 'away'
  await store.transact([put('a', 'held')], { ...observed, lease: { name: 'leader', epoch: 1 } })
  await heal()
  assert.equal(spec('a'), 'held')
  assert.equal(journal.written.flat().length, 1)
})

it('a write whose answer was lost is reported as such and shows up once', async () => {
  const { store, journal, batches, spec, heal } = scene()
  journal.failing = 'lost'
  const outcomes = await Promise.allSettled([store.transact([put('a', 1)], desired), store.transact([put('seen', 1)], observed)])
  assert.ok(outcomes[0]?.status === 'rejected' && isUnavailable(outcomes[0].reason))
  assert.equal(outcomes[1]?.status, 'fulfilled')
  assert.equal(spec('a'), undefined)
  assert.equal(spec('seen'), 1)
  await heal()
  assert.deepEqual([spec('a'), spec('seen'), store.seq], [1, 1, 2])
  assert.equal(journal.written.flat().length, 2, 'nothing is written twice')
  assert.deepEqual(
    batches.flat().map(({ seq, key: { name } }) => [seq, name]),
    [
      [0, 'seen'],
      [1, 'a'],
      [2, 'seen'],
    ],
  )
})

it('one transaction that the database does not take is refused alone', async () => {
  const { store, journal } = scene()
  journal.refusedName = 'poison'
  const outcomes = await Promise.allSettled(['a', 'poison', 'b', 'c'].map((name) => store.transact([put(name, 1)], desired)))
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  )
  assert.ok(outcomes[1]?.status === 'rejected' && hasCode(outcomes[1].reason, 'store/invalid'))
  assert.deepEqual(
    journal.written.flat().map(({ seq, key: { name } }) => [seq, name]),
    [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ],
  )
})

it('a held value that the database does not take is dropped and holds up nothing', async () => {
  const { store, journal, heal } = scene()
  journal.failing = 'away'
  await store.transact([put('poison', 1), put('a', 1)], observed)
  journal.refusedName = 'poison'
  await heal()
  assert.deepEqual(
    journal.written.flat().map(({ key: { name } }) => name),
    ['a'],
  )
  assert.equal(await store.transact([put('b', 1)], desired), 2)
})

it('what was heard is only a hint', async () => {
  const { store, journal, batches } = scene()
  journal.writeElsewhere(elsewhere('a', 1))
  store.heard(999_999)
  await turns()
  assert.deepEqual([store.seq, batches.length, journal.loads], [1, 1, 0])
  journal.writeElsewhere(elsewhere('a', 2))
  store.heard(2)
  await turns()
  assert.equal(store.seq, 2, 'a claim that was wrong hides no later news')
})

it('when the log no longer reaches back, the difference is told and older watchers have to list again', async () => {
  const { store, journal, batches, spec } = scene()
  await store.transact([put('stays', 1), put('goes', 1), put('changes', 1)], desired)
  journal.writeElsewhere({ op: 'delete', class: 'desired', key: key('goes') }, elsewhere('changes', 2), elsewhere('comes', 1))
  journal.prune(5)
  store.heard(6)
  await turns()
  assert.equal(journal.loads, 1)
  assert.deepEqual(
    batches.at(-1)?.map(({ op, key: { name }, before, after }) => [op, name, before?.spec, after?.spec]),
    [
      ['put', 'changes', 1, 2],
      ['put', 'comes', undefined, 1],
      ['delete', 'goes', 1, undefined],
    ],
  )
  assert.deepEqual([store.seq, spec('stays'), spec('goes')], [6, 1, undefined])
  assert.throws(
    () => store.watch(3, () => {}),
    (error) => hasCode(error, 'store/compacted') && error.details['listFrom'] === 6,
  )
  store.watch(6, () => {})
  assert.equal(await store.transact([put('stays', 2)], desired), 7)
})

it('a database that was set back is not taken up', async () => {
  const { store, journal, spec, heal } = scene()
  await store.transact([put('a', 1)], desired)
  await store.transact([put('a', 2)], desired)
  journal.setBack(1)
  await assert.rejects(
    store.transact([put('b', 1)], desired),
    (error) => hasCode(error, 'store/unavailable') && /ends at change 1 but 2 was read/.test(error.message),
  )
  await heal()
  assert.equal(spec('a'), 2)
  await assert.rejects(store.transact([put('b', 1)], desired), (error) => hasCode(error, 'store/unavailable'))
  assert.equal(journal.written.length, 1)
})

it('tries again with growing patience', async () => {
  const { store, journal, clock } = scene()
  let asked = 0
  const { head } = journal
  journal.head = () => {
    asked += 1
    return head()
  }
  journal.failing = 'away'
  await assert.rejects(store.transact([put('a', 1)], desired))
  const within = async (ms: number): Promise<number> => {
    const before = asked
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100)
      await turns()
    }
    return asked - before
  }
  assert.equal(await within(1500), 4)
  assert.ok((await within(20_000)) <= 6)
})

it('closing without the database ends, and refuses what comes after', async () => {
  const { store, journal } = scene()
  journal.failing = 'away'
  await assert.rejects(store.transact([put('a', 1)], desired))
  await store.transact([put('seen', 1)], observed)
  await store.close()
  await assert.rejects(store.transact([put('a', 1)], observed), (error) => hasCode(error, 'store/closed'))
})

it('what is held is bounded', () => {
  const held = createTentative(2)
  const change = (name: string): Change => ({
    seq: 0,
    time: '',
    class: 'observed',
    actor: 'a',
    reason: 'r',
    op: 'put',
    key: key(name),
    after: { ...key(name), labels: {}, spec: 1, creationTime: '', modificationTime: '', version: 1 },
  })
  held.hold([change('a'), change('b')], observed)
  held.hold([change('a')], observed)
  assert.throws(
    () => held.hold([change('c')], observed),
    (error) => hasCode(error, 'store/unavailable') && error.retryable,
  )
  assert.equal(held.size, 2)
})

/** Answers of the database about its last number that arrive when they are let go. */
function slowHead({ journal }: Pick<ReturnType<typeof scene>, 'journal'>) {
  const { head } = journal
  const waiting: (() => void)[] = []
  journal.head = () => {
    const answer = head()
    return new Promise((resolve) => waiting.push(() => resolve(answer)))
  }
  return {
    arrive: async () => {
      journal.head = head
      for (const letGo of waiting.splice(0)) letGo()
      await turns()
    },
  }
}

it('what is heard while the last number is asked for is read', async () => {
  const { store, journal, spec } = scene()
  const answers = slowHead({ journal })
  store.check()
  await turns()
  journal.writeElsewhere(elsewhere('a', 'theirs'))
  store.heard(1)
  await answers.arrive()
  assert.equal(spec('a'), 'theirs')
})

it('what is heard while the database comes back is read', async () => {
  const { store, journal, clock, spec } = scene()
  journal.failing = 'away'
  await assert.rejects(store.transact([put('a', 1)], desired), isUnavailable)
  journal.failing = 'no'
  const answers = slowHead({ journal })
  clock.advance(100)
  await turns()
  journal.writeElsewhere(elsewhere('a', 'theirs'))
  store.heard(1)
  await answers.arrive()
  assert.equal(spec('a'), 'theirs')
})

it('a doubt that arises during a write is settled after it', async () => {
  const { store, journal, spec } = scene()
  const { append } = journal
  let commit = (): void => {}
  journal.append = async (...args) => {
    await new Promise<void>((resolve) => (commit = resolve))
    const isWritten = await append(...args)
    // written after this one, and announced to nobody
    journal.writeElsewhere(elsewhere('a', 'theirs'))
    return isWritten
  }
  const written = store.transact([put('b', 1)], desired)
  await turns()
  store.check()
  commit()
  await written
  await turns()
  assert.deepEqual([store.seq, spec('a')], [2, 'theirs'])
})
