// The parts every node of the graph shares: identity, height, who depends on it, and the net changes of the transaction at hand.
import type { Collection, CommitInfo, Equal, Index, NetChange } from './contract.ts'
import { Dependents } from './dependents.ts'

/** Receives keys to recompute. */
export interface Consumer {
  markDirty(inputKey: string): void
}

export type NodeKind = 'source' | 'derive' | 'map' | 'index' | 'group' | 'union'

/** One error of one input key of a node. */
export interface NodeError {
  readonly key: string
  readonly message: string
}

/** Anything with a place in the graph. Nodes are made after their inputs, so the order of making is a valid order of propagation. */
export abstract class GraphNode {
  readonly name: string
  readonly kind: NodeKind
  readonly inputs: readonly GraphNode[]
  readonly reads: readonly GraphNode[]
  readonly height: number
  readonly #dependents = new Map<Consumer, Dependents>()

  constructor(name: string, kind: NodeKind, inputs: readonly GraphNode[], reads: readonly GraphNode[] = []) {
    this.name = name
    this.kind = kind
    this.inputs = inputs
    this.reads = reads
    this.height = Math.max(-1, ...inputs.map((n) => n.height), ...reads.map((n) => n.height)) + 1
  }

  /** Who read which key of this node, on behalf of which of its own input keys. */
  dependentsOf(consumer: Consumer): Dependents {
    let found = this.#dependents.get(consumer)
    if (!found) {
      found = new Dependents()
      this.#dependents.set(consumer, found)
    }
    return found
  }

  protected get hasReaders(): boolean {
    return this.#dependents.size > 0
  }

  /** Marks everything that read one of these keys. */
  protected markReaders(changed: { keys(): Iterable<string> }): void {
    if (this.#dependents.size === 0) return
    for (const [consumer, dependents] of this.#dependents) dependents.forEachReader(changed.keys(), (key) => consumer.markDirty(key))
  }

  /** Recomputes what is dirty, settles net changes and marks the nodes above. */
  abstract propagate(): void
  /** Marks the whole content as new, for the first run. */
  abstract seed(): void
  abstract get size(): number
  abstract errors(): Iterable<NodeError>
  /** Keys whose stored output differs from a fresh computation on the present inputs; empty unless there is a bug or an impure derivation. */
  abstract audit(): readonly string[]
}

/** A node that holds values by key. */
export abstract class CollectionNode<V> extends GraphNode implements Collection<V> {
  readonly #data = new Map<string, V>()
  readonly #touched = new Map<string, V | undefined>()
  readonly #direct: Consumer[] = []
  readonly #listeners = new Set<(changes: readonly NetChange<V>[], info: CommitInfo) => void>()
  readonly #equal: Equal<V>

  constructor(shape: { name: string; kind: NodeKind; inputs: readonly GraphNode[]; reads?: readonly GraphNode[] }, equal: Equal<V>) {
    super(shape.name, shape.kind, shape.inputs, shape.reads)
    this.#equal = equal
  }

  get(key: string): V | undefined {
    return this.#data.get(key)
  }

  has(key: string): boolean {
    return this.#data.has(key)
  }

  get size(): number {
    return this.#data.size
  }

  keys(): IterableIterator<string> {
    return this.#data.keys()
  }

  entries(): IterableIterator<[string, V]> {
    return this.#data.entries()
  }

  onCommit(listener: (changes: readonly NetChange<V>[], info: CommitInfo) => void): () => void {
    // an own function object, so that one listener may be added twice and removed once
    const own = (changes: readonly NetChange<V>[], info: CommitInfo): void => listener(changes, info)
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  /** Adds a node that recomputes the same key when a key of this one changes. */
  feed(consumer: Consumer): void {
    this.#direct.push(consumer)
  }

  same(a: V, b: V): boolean {
    if (a === b) return true
    try {
      return this.#equal(a, b)
    } catch {
      // an equality that fails must not end the pass: the values then count as different
      return false
    }
  }

  protected write(key: string, value: V | undefined): void {
    const before = this.#data.get(key)
    if (before === value) return
    if (!this.#touched.has(key)) this.#touched.set(key, before)
    if (value === undefined) this.#data.delete(key)
    else this.#data.set(key, value)
  }

  /** Takes back every write since the last settle. */
  protected undo(): void {
    for (const [key, before] of this.#touched) {
      if (before === undefined) this.#data.delete(key)
      else this.#data.set(key, before)
    }
    this.#touched.clear()
  }

  /** Drops writes that ended where they began (keeping the old object), then marks the nodes above. */
  protected settle(): void {
    if (this.#touched.size === 0 || !this.#isFollowed()) return
    for (const [key, before] of this.#touched) {
      const after = this.#data.get(key)
      if (before === after) this.#touched.delete(key)
      else if (before !== undefined && after !== undefined && this.same(before, after)) {
        this.#data.set(key, before)
        this.#touched.delete(key)
      }
    }
    if (this.#touched.size === 0) return
    for (const consumer of this.#direct) for (const key of this.#touched.keys()) consumer.markDirty(key)
    this.markReaders(this.#touched)
  }

  /** Of what nobody follows it is of no interest whether a new value equals the old one. */
  #isFollowed(): boolean {
    return this.#direct.length > 0 || this.#listeners.size > 0 || this.hasReaders
  }

  /** Forgets what changed without telling anyone. */
  protected forgetChanges(): void {
    this.#touched.clear()
  }

  seed(): void {
    for (const key of this.#data.keys()) this.#touched.set(key, undefined)
  }

  /** Ends the transaction for this node. Returns the calls to make to its listeners, undefined when there is nothing to tell. */
  takeDeliveries(info: CommitInfo): (() => void)[] | undefined {
    if (this.#touched.size === 0) return undefined
    if (this.#listeners.size === 0) {
      this.#touched.clear()
      return undefined
    }
    const changes: NetChange<V>[] = []
    for (const [key, before] of this.#touched) changes.push({ key, before, after: this.#data.get(key) })
    this.#touched.clear()
    return [...this.#listeners].map((listener) => () => {
      if (this.#listeners.has(listener)) listener(changes, info)
    })
  }
}

/** The node behind a collection that this package made. */
export function collectionNode<V>(collection: Collection<V>): CollectionNode<V> {
  if (collection instanceof CollectionNode) return collection
  throw new Error(`not a collection of a graph: ${collection.name}`)
}

/** The node behind a collection or an index. */
export function graphNode(readable: Collection<unknown> | Index<unknown>): GraphNode {
  if (readable instanceof GraphNode) return readable
  throw new Error(`not a collection or index of a graph: ${readable.name}`)
}
