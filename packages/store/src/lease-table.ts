// Rights that one process at a time has, kept where the state is kept. Each time one changes hands its epoch grows, and a write that names an
// epoch takes effect only while it is the row's: whoever lost a right without knowing it writes nothing.
import { AppError } from '@weft/foundation/errors'

/** A lease at one epoch. */
export interface WriteLease {
  readonly name: string
  readonly epoch: number
}

/** A process that shares the store. */
export interface StoreInstance {
  readonly id: string
  /** Where others reach it; absent when they cannot. */
  readonly address?: { readonly host: string; readonly port: number }
}

/** Whose it is now: ours with this epoch, or another's for so many milliseconds more. */
export type LeaseGrant = { readonly epoch: number } | { readonly holder: string; readonly remainingMs: number }

/**
 * The leases of a store. Times are judged by the clock of the medium (the database's; that of the process where there is only one).
 * Rejections: store/unavailable when the medium is away.
 */
export interface LeaseTable {
  /** Takes it for `ms` when it is free, over, or the holder's already; the epoch is above every earlier one of this name. */
  acquire(name: string, holder: string, ms: number): Promise<LeaseGrant>
  /** Prolongs it to `ms` from now; false when somebody else has taken it or it was released. */
  renew(lease: WriteLease, ms: number): Promise<boolean>
  /** Gives it back. What is written under this epoch fails from then on. Nothing happens when it is another's already. */
  release(lease: WriteLease): Promise<void>
  /** Called with the name of a lease that another process gave back. A hint: it may not come. */
  onReleased(listener: (name: string) => void): () => void
  /** Says that a process lives, and will for `ms`. Resolves with all that do, by id. */
  appear(instance: StoreInstance, ms: number): Promise<readonly StoreInstance[]>
  /** All that live, by id. */
  living(): Promise<readonly StoreInstance[]>
  /** It ends in order. */
  leave(id: string): Promise<void>
}

/** What a write under an epoch that is no longer the row's is answered with. */
export function fenced({ name, epoch }: WriteLease): AppError {
  return new AppError('store/fenced', `the lease ${JSON.stringify(name)} has changed hands: epoch ${epoch} may not write any more`, {
    details: { lease: name, epoch },
  })
}
