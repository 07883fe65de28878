// Deciding about what was held back: deleting it after all, or keeping it.
import { nameKey, type ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import type { HeldSelection } from './contract.ts'
import type { OriginLedger } from './origin-ledger.ts'

/** Whose held resources, and which of them. */
export interface DecideHeldOptions {
  readonly ledger: OriginLedger
  readonly which: HeldSelection
}

function selected({ ledger, which }: DecideHeldOptions): readonly ResourceKey[] {
  return ledger
    .held()
    .filter(({ origin, type }) => matches(which.origin, origin) && matches(which.type, type))
    .flatMap(({ keys }) => keys)
    .filter(({ mesh, name }) => matches(which.mesh, mesh) && matches(which.name, name))
}

function matches(wanted: string | undefined, found: string): boolean {
  return wanted === undefined || wanted === found
}

/** Deletes held resources that still exist. Resolves with their number. */
export async function approveHeld(options: DecideHeldOptions & { readonly store: Store; readonly actor: string }): Promise<number> {
  const { store, ledger, actor } = options
  const keys = selected(options)
  const present = keys.filter((key) => store.get(key) !== undefined)
  await store.transact(
    present.map((key) => ({ op: 'delete', key, ifPresent: true })),
    { actor, reason: 'approved removal', class: 'desired' },
  )
  await ledger.release(keys)
  return present.length
}

/** Marks held resources as kept. Resolves with their number. */
export async function rejectHeld(options: DecideHeldOptions): Promise<number> {
  const keys = selected(options)
  if (keys.length > 0) await options.ledger.keep(keys)
  return new Set(keys.map((key) => `${key.type} ${nameKey(key)}`)).size
}
