// Deleting what was held back, once someone said so.
import type { Store } from '@weft/store'
import type { OriginLedger } from './origin-ledger.ts'

/** Whose held resources to delete. */
export interface RemoveHeldOptions {
  readonly store: Store
  readonly ledger: OriginLedger
  readonly actor: string
  /** All types when absent. */
  readonly type?: string
}

/** Deletes held resources that still exist. Resolves with their number. */
export async function removeHeld({ store, ledger, actor, type }: RemoveHeldOptions): Promise<number> {
  const keys = ledger
    .held()
    .filter((held) => type === undefined || held.type === type)
    .flatMap((held) => held.keys)
  const present = keys.filter((key) => store.get(key) !== undefined)
  await store.transact(
    present.map((key) => ({ op: 'delete', key, ifPresent: true })),
    { actor, reason: 'approved removal', class: 'desired' },
  )
  await ledger.release(keys)
  return present.length
}
