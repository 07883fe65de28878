import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AppError } from '@weft/foundation/errors'
import { silentLogger } from '@weft/foundation/log'
import { FakeClock } from '@weft/foundation/time'
import { createMemoryStore, type Store } from '@weft/store'
import { type GeneratedPart } from './generated-part.ts'
import { createReconciler } from './reconciler.ts'

const context = { actor: 'user:test', reason: 'api', class: 'desired' } as const
const key = (name: string) => ({ type: 'Workload', mesh: 'default', name })
const counter: GeneratedPart = {
  name: 'counter',
  types: ['Workload'],
  apply: ({ name }, draft) => {
    if (name === 'broken') throw new TypeError('broken')
    return { labels: draft?.labels ?? {}, spec: name === 'bad' ? { n: Number.NaN } : { n: 1 }, status: draft?.status }
  },
}
const fussy: GeneratedPart = { name: 'fussy', types: ['Workload'], apply: (_, draft) => draft && { ...draft, status: { seen: true } } }

function make(wrap: (store: Store) => Partial<Store> = () => ({})) {
  const clock = new FakeClock()
  const store = createMemoryStore({ clock, log: silentLogger })
  const facade: Store = {
    ...store,
    get: store.get,
    list: store.list,
    transact: store.transact,
    watch: store.watch,
    close: store.close,
    ...wrap(store),
  }
  return { clock, store, reconciler: createReconciler({ store: facade, clock, log: silentLogger, parts: [counter, fussy] }) }
}

describe('reconciler', () => {
  it('writes one resource once, shaped by every part in order, and nothing when equal', async () => {
    const { store, reconciler } = make()
    reconciler.mark(key('a'))
    reconciler.mark(key('a'))
    reconciler.mark({ type: 'Secret', mesh: 'default', name: 'a' })
    await reconciler.settled()
    assert.deepEqual([store.get(key('a'))?.spec, store.get(key('a'))?.status], [{ n: 1 }, { seen: true }])
    assert.equal(store.seq, 1)
    reconciler.mark(key('a'))
    await reconciler.settled()
    assert.equal(store.seq, 1)
  })

  it('looks again at what changed meanwhile', async () => {
    let interfere = true
    const { clock, store, reconciler } = make((inner) => ({
      transact: async (ops, by) => {
        if (interfere) {
          interfere = false
          await inner.transact([{ op: 'put', resource: { ...key('a'), labels: { mine: 'yes' }, spec: {} } }], context)
        }
        return inner.transact(ops, by)
      },
    }))
    reconciler.mark(key('a'))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(store.get(key('a'))?.spec, {})
    clock.advance(20)
    await reconciler.settled()
    assert.deepEqual([store.get(key('a'))?.spec, store.get(key('a'))?.labels], [{ n: 1 }, { mine: 'yes' }])
  })

  it('writes the others when the store cannot hold one, or a generator fails for one', async () => {
    const { store, reconciler } = make()
    for (const name of ['a', 'bad', 'broken', 'b']) reconciler.mark(key(name))
    await reconciler.settled()
    assert.deepEqual(
      store.list('Workload').map((r) => r.name),
      ['a', 'b'],
    )
  })

  it('waits longer and longer for a store that is away, and stops at once', async () => {
    let attempts = 0
    const { clock, reconciler } = make(() => ({
      transact: () => {
        attempts++
        return Promise.reject(new AppError('store/unavailable', 'away'))
      },
    }))
    reconciler.mark(key('a'))
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    await turn()
    for (const delay of [20, 40, 80]) {
      clock.advance(delay - 1)
      await turn()
      const before = attempts
      clock.advance(1)
      await turn()
      assert.equal(attempts, before + 1)
    }
    await reconciler.stop()
    clock.advance(60_000)
    await turn()
    assert.equal(attempts, 4)
  })

  it('tells what follows from which commit: passed on to what it writes, let go when there is nothing to write', async () => {
    const told: string[] = []
    let fails = 1
    const clock = new FakeClock()
    const store = createMemoryStore({ clock, log: silentLogger })
    const transact: Store['transact'] = async (ops, by) => {
      if (fails-- > 0) throw new AppError('store/unavailable', 'away')
      return store.transact(ops, by)
    }
    const facade: Store = Object.setPrototypeOf({ transact }, store)
    const pending = {
      hold: () => {
        told.push(`hold ${store.seq}`)
        return store.seq
      },
      release: (position: number) => void told.push(`release ${position}`),
      passOn: (position: number, to: number) => void told.push(`${position} to ${to}`),
    }
    const reconciler = createReconciler({ store: facade, clock, log: silentLogger, parts: [counter, fussy], pending })
    reconciler.mark(key('a'))
    reconciler.mark(key('b'))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(told.splice(0), ['hold 0'], 'what is tried again is still held')
    clock.advance(1_000)
    await reconciler.settled()
    assert.deepEqual(told.splice(0), ['0 to 2'])
    reconciler.mark(key('a'))
    await reconciler.settled()
    assert.deepEqual(told, ['hold 2', 'release 2'])
  })
})
