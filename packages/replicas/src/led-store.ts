// A store for work that only the holder of a lease may do: every write names the epoch of the present term, and without one nothing is written.
import { AppError, hasCode } from '@weft/foundation/errors'
import type { Store } from '@weft/store'
import type { Lease } from './contract.ts'

/**
 * The same store, but `transact` writes under the lease only. It rejects with store/fenced while another process has the lease, and when this
 * one turns out to have lost it: then the term ends at once; with store/unavailable while nobody can have it. Reads are those of the store.
 */
export function createLedStore(store: Store, lease: Pick<Lease, 'name' | 'term' | 'state' | 'wasFenced'>): Store {
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
      if (!term) throw withoutTerm(lease)
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

function withoutTerm({ name, state }: Pick<Lease, 'name' | 'state'>): AppError {
  const details = { lease: name }
  return state === 'unknown'
    ? new AppError('store/unavailable', `cannot write to the store: the lease ${JSON.stringify(name)} could not be renewed`, {
        details,
        retryable: true,
      })
    : new AppError('store/fenced', `this process does not have the lease ${JSON.stringify(name)}`, { details })
}
