// The right of one process to act for its zone, as a number that only grows in the zone's store. A process on its own takes it at its start; one
// of several takes it with a lease.
import { AppError, hasCode } from '@weft/foundation/errors'
import type { ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import { member } from './json.ts'

/** Where the right comes from. */
export interface ZoneLease {
  /** Takes the right. Resolves with an epoch above every earlier one of the store, and above `above`. */
  acquire(above?: number): Promise<number>
  /** Told when this process is to take the right again after it lost it. Returns the unsubscriber. */
  onGranted(listener: () => void): () => void
}

/** The Config that holds the last epoch. It never travels. */
export const epochConfig: ResourceKey = { type: 'Config', mesh: '', name: 'weft-kds-epoch' }

const attempts = 5

/** The lease of a process that has its store for itself: the right is there for the taking, and only an operator gives it back. */
export function createStoreLease(store: Store): ZoneLease {
  return {
    acquire: async (above = 0) => {
      for (let attempt = 1; ; attempt++) {
        const stored = store.get(epochConfig)
        const epoch = Math.max(epochIn(stored?.spec), above) + 1
        try {
          const resource = { ...epochConfig, labels: {}, spec: { config: String(epoch) } }
          await store.transact([{ op: 'put', resource, expect: stored?.version ?? 'absent' }], {
            actor: 'generator:kds',
            reason: 'kds',
            class: 'desired',
          })
          return epoch
        } catch (error) {
          const isRace = hasCode(error, 'store/conflict') || hasCode(error, 'store/already-exists')
          if (!isRace || attempt >= attempts) throw error
        }
      }
    },
    onGranted: () => () => {},
  }
}

/** The epoch that a spec holds; 0 for none. Throws store/invalid. */
export function epochIn(spec: unknown): number {
  const text = member(spec, 'config')
  if (text === undefined) return 0
  if (typeof text !== 'string' || !/^\d{1,15}$/.test(text)) throw new AppError('store/invalid', `${epochConfig.name} holds no number`)
  return Number(text)
}
