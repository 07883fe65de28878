// A decorator that turns mistakes of callers into errors at the place where they are made. For tests and development.
import type { Store, StoreOp, WriteContext } from './contract.ts'

/**
 * The same store, but every value handed in is deep-frozen, so that changing a stored value later throws, and a context without actor
 * or reason is refused with a plain Error (a programmer's mistake).
 */
export function strictStore(store: Store): Store {
  return {
    id: store.id,
    get seq() {
      return store.seq
    },
    get: (key) => store.get(key),
    list: (type, mesh) => Object.freeze(store.list(type, mesh).slice()),
    transact: (ops, context) => {
      checkContext(context)
      return store.transact(deepFreeze(ops) as readonly StoreOp[], context) // deepFreeze returns its argument
    },
    watch: (fromSeq, listener) => store.watch(fromSeq, (changes) => listener(deepFreeze(changes) as typeof changes)), // same value, frozen
    leases: store.leases,
    close: () => store.close(),
  }
}

function checkContext(context: WriteContext): void {
  if (context.actor === '' || context.reason === '') throw new Error('a transaction needs an actor and a reason')
}

/** Freezes a value and everything reachable from it, and returns it. */
export function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const item of Object.values(value)) deepFreeze(item)
  return value
}
