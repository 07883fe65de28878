// Model-based test: random transactions, run one by one or several at a time, against a plain map; now and then the store is reopened.
import assert from 'node:assert/strict'
import { FakeClock } from '@weft/foundation/time'
import { keyText } from '@weft/resources'
import fc from 'fast-check'
import type { Change, Store, StoreOp, WriteContext } from '../contract.ts'
import type { OpenStore } from './conformance.ts'

interface ModelValue {
  readonly labels: Readonly<Record<string, string>>
  readonly spec: unknown
  readonly status: unknown
  readonly version: number
}

interface Model {
  readonly values: ReadonlyMap<string, ModelValue>
  readonly seq: number
}

const keys = fc.record({
  type: fc.constantFrom('Dataplane', 'MeshTimeout'),
  mesh: fc.constantFrom('', 'm1', '__proto__'),
  name: fc.constantFrom('a', 'b', 'constructor'),
})
const expectation = fc.option(fc.oneof(fc.constant('absent' as const), fc.integer({ min: 1, max: 12 })), { nil: undefined, freq: 4 })
const put: fc.Arbitrary<StoreOp> = fc
  .record({
    key: keys,
    label: fc.constantFrom('x', 'y'),
    spec: fc.integer({ min: 0, max: 2 }),
    status: fc.option(fc.integer({ min: 0, max: 1 }), { nil: undefined }),
    expect: expectation,
  })
  .map(({ key, label, spec, status, expect }) => ({
    op: 'put',
    resource: { ...key, labels: { l: label }, spec: { spec }, ...(status === undefined ? {} : { status: { status } }) },
    ...(expect === undefined ? {} : { expect }),
  }))
const remove: fc.Arbitrary<StoreOp> = fc
  .record({ key: keys, ifPresent: fc.boolean(), expect: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined, freq: 5 }) })
  .map(({ key, ifPresent, expect }) => ({ op: 'delete', key, ifPresent, ...(expect === undefined ? {} : { expect }) }))
const transaction = fc.record({
  ops: fc.array(fc.oneof({ weight: 3, arbitrary: put }, remove), { minLength: 1, maxLength: 4 }),
  observed: fc.boolean(),
})
const step = fc.oneof(
  { weight: 8, arbitrary: fc.array(transaction, { minLength: 1, maxLength: 4 }) },
  { weight: 1, arbitrary: fc.constant('reopen' as const) },
)

/** Runs the property; rejects with the smallest failing sequence. */
export async function modelTest(open: OpenStore): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const under = await open(new FakeClock())
      try {
        let store = under.store
        let model: Model = { values: new Map(), seq: 0 }
        let replica = follow(store)
        for (const current of steps) {
          if (current === 'reopen') {
            if (!under.reopen) continue
            store = await under.reopen()
            replica = follow(store)
          } else {
            const results = Promise.allSettled(current.map(({ ops, observed }) => store.transact(ops, context(observed))))
            const expected = current.map(({ ops }) => {
              const next = applyToModel(model, ops)
              if (next) model = next
              return next !== undefined
            })
            assert.deepEqual(
              (await results).map((result) => result.status === 'fulfilled'),
              expected,
            )
          }
          assert.equal(store.seq, model.seq)
          assert.deepEqual(contents(store), plain(model))
          assert.deepEqual(replica(), contents(store), 'a watcher can rebuild the state')
        }
      } finally {
        await under.dispose()
      }
    }),
    { numRuns: 60 },
  )
}

function context(observed: boolean): WriteContext {
  return { actor: 'model', reason: 'test', class: observed ? 'observed' : 'desired' }
}

/** The model after a transaction, or undefined when it must fail. */
function applyToModel(model: Model, ops: readonly StoreOp[]): Model | undefined {
  const values = new Map(model.values)
  let seq = model.seq
  for (const op of ops) {
    const text = keyText(op.op === 'put' ? op.resource : op.key)
    const old = values.get(text)
    if (op.op === 'delete') {
      if (!old && op.ifPresent) continue
      if (!old || (op.expect !== undefined && op.expect !== old.version)) return undefined
      values.delete(text)
      seq += 1
      continue
    }
    if (op.expect === 'absent' ? old !== undefined : op.expect !== undefined && op.expect !== old?.version) return undefined
    const next = { labels: op.resource.labels, spec: op.resource.spec, status: op.resource.status ?? old?.status }
    if (old && JSON.stringify([old.labels, old.spec, old.status]) === JSON.stringify([next.labels, next.spec, next.status])) continue
    seq += 1
    values.set(text, { ...next, version: seq })
  }
  return { values, seq }
}

const types = ['Dataplane', 'MeshTimeout']

function contents(store: Store): Record<string, unknown> {
  return Object.fromEntries(
    types.flatMap((type) =>
      store.list(type).map((r) => [keyText(r), { labels: r.labels, spec: r.spec, status: r.status, version: r.version }]),
    ),
  )
}

function plain(model: Model): Record<string, unknown> {
  return Object.fromEntries(model.values)
}

/** Rebuilds the state from a listing and the changes after it. */
function follow(store: Store): () => Record<string, unknown> {
  const values = new Map(Object.entries(contents(store)))
  store.watch(store.seq, (changes: readonly Change[]) => {
    for (const { key, after } of changes) {
      if (after) values.set(keyText(key), { labels: after.labels, spec: after.spec, status: after.status, version: after.version })
      else values.delete(keyText(key))
    }
  })
  return () => Object.fromEntries(values)
}
