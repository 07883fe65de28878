// The store contract: current state plus an ordered change log. Every driver passes the same conformance suite.
import type { Labels, Resource, ResourceKey } from '@weft/resources'
import type { LeaseTable, WriteLease } from './lease-table.ts'

/** Desired: written by a person or a peer's person, kept with bodies. Observed: facts the control plane writes itself, key only in the log. */
export type WriteClass = 'desired' | 'observed'

/** A resource to write. Times and version are set by the store. `status` absent keeps the stored status. */
export interface PutOp {
  readonly op: 'put'
  readonly resource: ResourceKey & { readonly labels: Labels; readonly spec: unknown; readonly status?: unknown }
  /** 'absent': fails with store/already-exists when present. A number: fails with store/conflict unless it is the stored version. */
  readonly expect?: 'absent' | number
}

export interface DeleteOp {
  readonly op: 'delete'
  readonly key: ResourceKey
  readonly expect?: number
  /** Without this a missing resource fails the transaction with store/not-found. */
  readonly ifPresent?: boolean
}

export type StoreOp = PutOp | DeleteOp

export interface WriteContext {
  /** Who: `user:<name>`, `zone:<name>`, `global`, `generator:<name>`, `proxy`. */
  readonly actor: string
  /** Why, for provenance: `api`, `kds`, `status`, ... */
  readonly reason: string
  readonly class: WriteClass
  /** The write fails with store/fenced unless this lease still has this epoch: judged in the transaction that commits it. */
  readonly lease?: WriteLease
}

/** One applied change. `before`/`after` are the full values; a put that changed nothing is not logged and not announced. */
export interface Change {
  /** Gap-free, increasing, visible in order. */
  readonly seq: number
  readonly time: string
  readonly class: WriteClass
  readonly actor: string
  readonly reason: string
  readonly op: 'put' | 'delete'
  readonly key: ResourceKey
  readonly before?: Resource
  readonly after?: Resource
}

/**
 * Reads are synchronous and come from memory at the state of `seq`; they work while the medium behind is away.
 * `transact` is all or nothing. It resolves with the seq of its last change (or the current seq if nothing changed) after the medium has
 * it and every watcher has been called; a persistent driver may write observed changes a turn of the event loop later (they are facts that
 * come again). Times: creation = first put, modification = last change; a put of equal labels, spec and status is no change.
 * Errors: store/not-found, store/conflict, store/already-exists, store/invalid, store/fenced, store/closed, store/unavailable.
 */
export interface Store {
  /** Made with the store, kept as long as its data: tells incarnations apart. */
  readonly id: string
  readonly seq: number
  get(key: ResourceKey): Resource | undefined
  /** Sorted by mesh, then name. `mesh` undefined: of all meshes. */
  list(type: string, mesh?: string): readonly Resource[]
  transact(ops: readonly StoreOp[], context: WriteContext): Promise<number>
  /**
   * Calls the listener with every batch of changes after `fromSeq`, in order, one batch for each transaction. Changes up to now are
   * delivered before this returns; later ones as they commit, in the same turn in which they become visible to reads.
   * Throws store/compacted (details.listFrom) when the log does not reach back to `fromSeq`. A throwing listener is logged, not removed.
   */
  watch(fromSeq: number, listener: (changes: readonly Change[]) => void): () => void
  /** Who may do what only one process may do. */
  readonly leases: LeaseTable
  close(): Promise<void>
}
