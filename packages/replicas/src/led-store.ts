// A store for work that only the holder of a lease may do: every write names the epoch of the present term, and without one nothing is written.
import { AppError, hasCode } from '@weft/foundation/errors'
import type { Store } from '@weft/store'
import type { Lease } from './contract.ts'

/**
 * The same store, but `transact` rejects with store/fenced while this process does not have the lease, and when it turns out to have lost it;
 * then the term ends at once. Reads are those of the store.
 */
export function createLedStore(store: Store, lease: Pick<Lease, 'name' | 'term' | 'wasFenced'>): Store {
  return {
    id: store.id,
    get seq() {
      return store.seq
    },
    get: store.get,
    list: store.list,
    watch: store.watch,
    leases: store.leases,
    transact: async (ops, context) => {
      const { term } = lease
      if (!term)
        throw new AppError('store/fenced', `this process does not have the lease ${JSON.stringify(lease.name)}`, {
          details: { lease: lease.name },
        })
      try {
        return await store.transact(ops, { ...context, lease: { name: lease.name, epoch: term.epoch } })
      } catch (error) {
        if (hasCode(error, 'store/fenced')) lease.wasFenced(term.epoch)
        throw error
      }
    },
    close: () => store.close(),
  }
}
