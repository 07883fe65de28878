// The scope of one derivation: checks that reads are declared and records them per input key, touching nothing when they did not change.
import { AppError } from '@weft/foundation/errors'
import type { Collection, Index, Scope } from './contract.ts'
import { IndexNode } from './index-node.ts'
import { type Consumer, CollectionNode, type GraphNode } from './nodes.ts'

/** Thrown by `keepLast`. */
export class KeepLast extends Error {}

/** Flat pairs of read node and read key (null: the whole collection). */
type Reads = readonly (GraphNode | string | null)[]

const noReads: Reads = []

export class RecordingScope implements Scope {
  readonly #derivation: string
  readonly #consumer: Consumer
  readonly #declared: ReadonlySet<unknown>
  readonly #reads = new Map<string, Reads>()
  #previous: Reads = noReads
  #position = 0
  #fresh: (GraphNode | string | null)[] | undefined
  #recording = false

  constructor(derivation: string, consumer: Consumer, declared: readonly GraphNode[]) {
    this.#derivation = derivation
    this.#consumer = consumer
    this.#declared = new Set(declared)
  }

  get<V>(collection: Collection<V>, key: string): V | undefined {
    const node = this.#collection(collection)
    this.#record(node, key)
    return node.get(key)
  }

  lookup<V>(index: Index<V>, indexKey: string): readonly V[] {
    if (!(index instanceof IndexNode) || !this.#declared.has(index)) throw this.#undeclared(index.name)
    this.#record(index, indexKey)
    return index.lookup(indexKey)
  }

  all<V>(collection: Collection<V>): readonly V[] {
    const node = this.#collection(collection)
    this.#record(node, null)
    return [...node.entries()].sort(byKey).map(([, value]) => value)
  }

  keepLast(reason: string): never {
    throw new KeepLast(reason)
  }

  /** Runs `fn` and stores what it read as the dependencies of `inputKey`, also when it throws. */
  record<T>(inputKey: string, fn: () => T): T {
    this.#previous = this.#reads.get(inputKey) ?? noReads
    this.#position = 0
    this.#fresh = undefined
    this.#recording = true
    try {
      return fn()
    } finally {
      this.#recording = false
      this.#store(inputKey)
    }
  }

  /** Drops the dependencies of an input key that is gone. */
  forget(inputKey: string): void {
    const reads = this.#reads.get(inputKey)
    if (!reads) return
    this.#unlink(inputKey, reads)
    this.#reads.delete(inputKey)
  }

  #collection<V>(collection: Collection<V>): CollectionNode<V> {
    if (!(collection instanceof CollectionNode) || !this.#declared.has(collection)) throw this.#undeclared(collection.name)
    return collection
  }

  #undeclared(name: string): AppError {
    return new AppError('graph/undeclared-read', `derivation ${this.#derivation} read ${name}, which it does not declare`)
  }

  #record(node: GraphNode, key: string | null): void {
    if (!this.#recording) return
    if (this.#fresh) this.#fresh.push(node, key)
    else if (this.#previous[this.#position] === node && this.#previous[this.#position + 1] === key) this.#position += 2
    else {
      this.#fresh = this.#previous.slice(0, this.#position)
      this.#fresh.push(node, key)
    }
  }

  #store(inputKey: string): void {
    if (!this.#fresh && this.#position === this.#previous.length) return
    // a copy of the exact size: what grew by `push` has room for sixteen more, and there is one list for each key of every derivation
    const next = this.#fresh?.slice() ?? this.#previous.slice(0, this.#position)
    this.#unlink(inputKey, this.#previous)
    for (let i = 0; i < next.length; i += 2) this.#at(next, i, (node, key) => node.dependentsOf(this.#consumer).add(key, inputKey))
    if (next.length === 0) this.#reads.delete(inputKey)
    else this.#reads.set(inputKey, next)
  }

  #unlink(inputKey: string, reads: Reads): void {
    for (let i = 0; i < reads.length; i += 2) this.#at(reads, i, (node, key) => node.dependentsOf(this.#consumer).remove(key, inputKey))
  }

  #at(reads: Reads, i: number, visit: (node: GraphNode, key: string | null) => void): void {
    // pairs are pushed by #record only: an even position holds the node, the next one its key
    visit(reads[i] as GraphNode, reads[i + 1] as string | null)
  }
}

function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0
}
