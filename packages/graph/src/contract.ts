// Public types of the incremental graph. Values are immutable; keys are strings.

/** Net effect of one transaction on one key of a collection. */
export interface NetChange<V> {
  readonly key: string
  readonly before: V | undefined
  readonly after: V | undefined
}

export interface CommitInfo {
  /** Counts transactions of this graph. */
  readonly id: number
  /** Why: given by the writer, carried to every sink. */
  readonly reason: string
}

/** Anything that can be read, derived from, indexed or listened to. */
export interface Collection<V> {
  readonly name: string
  get(key: string): V | undefined
  readonly size: number
  /** In key order of insertion; do not rely on more. */
  entries(): IterableIterator<[string, V]>
  /** Called once after each commit that changed the collection, with net changes only. Returns the unsubscriber. */
  onCommit(listener: (changes: readonly NetChange<V>[], info: CommitInfo) => void): () => void
}

/** A collection written from outside, only inside `graph.transact`. */
export interface Source<V> extends Collection<V> {
  set(key: string, value: V): void
  delete(key: string): void
}

/** Members of a collection by computed index keys; reading a key records a dependency on exactly that key. */
export interface Index<V> {
  readonly name: string
  /** Members under an index key, sorted by collection key. Outside derivations too. */
  lookup(indexKey: string): readonly V[]
}

/** What a derivation may use. Every read is recorded for the input key being computed. */
export interface Scope {
  get<V>(collection: Collection<V>, key: string): V | undefined
  lookup<V>(index: Index<V>, indexKey: string): readonly V[]
  /** Everything in a collection; depends on the whole of it, so only for small ones. Sorted by key. */
  all<V>(collection: Collection<V>): readonly V[]
  /** Keeps the last good output of this input key and shows `reason` as its error. Ends the run by throwing. */
  keepLast(reason: string): never
}

export type Equal<V> = (a: V, b: V) => boolean
