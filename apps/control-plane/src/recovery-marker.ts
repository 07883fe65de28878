// Whether this control plane starts without the state it served before. A recovery that a restart cuts short goes on after it: a mark in the
// store, a Config that never travels, says that it is not over.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Store } from '@weft/store'

/** The Config that marks it. */
export const recoveryConfig = { type: 'Config', mesh: '', name: 'weft-recovery' }
const context = { actor: 'generator:recovery', reason: 'startup', class: 'observed' } as const

/** True when a recovery was cut short. */
export function isMarked(store: Pick<Store, 'get'>): boolean {
  return store.get(recoveryConfig) !== undefined
}

/** To be asked before anything is written: true when the store holds no mesh, or the mark of a recovery that is not over. */
export function needsRecovery(store: Pick<Store, 'get' | 'list'>): boolean {
  return store.list('Mesh').length === 0 || isMarked(store)
}

/** Sets or removes the mark. A failure is logged: the price is a recovery that ends with this process. */
export async function markRecovery(store: Store, log: Logger, isOver: boolean): Promise<void> {
  try {
    if (isOver) await store.transact([{ op: 'delete', key: recoveryConfig, ifPresent: true }], context)
    else await store.transact([{ op: 'put', resource: { ...recoveryConfig, labels: {}, spec: { config: 'recovering' } } }], context)
  } catch (error) {
    log.warn({ component: 'recovery', err: messageOf(error) }, 'recovery mark not saved')
  }
}
