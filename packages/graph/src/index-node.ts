// Members of a collection by computed index keys. A change of a member touches exactly the index keys it is or was under.
import { messageOf } from '@weft/foundation/errors'
import type { Index } from './contract.ts'
import { type CollectionNode, type Consumer, GraphNode, type NodeError } from './nodes.ts'

interface Bucket<V> {
  readonly members: Set<string>
  sorted: readonly V[] | undefined
}

/** The members under one index key. Most have one, which is then kept without a set. */
type Held<V> = string | Bucket<V>

export class IndexNode<V> extends GraphNode implements Index<V>, Consumer {
  readonly #from: CollectionNode<V>
  readonly #keysOf: (value: V, key: string) => readonly string[]
  readonly #buckets = new Map<string, Held<V>>()
  readonly #keys = new Map<string, readonly string[]>()
  readonly #errors = new Map<string, string>()
  readonly #dirty = new Set<string>()

  constructor(name: string, from: CollectionNode<V>, keysOf: (value: V, key: string) => readonly string[]) {
    super(name, 'index', [from])
    this.#from = from
    this.#keysOf = keysOf
    from.feed(this)
  }

  lookup(indexKey: string): readonly V[] {
    const held = this.#buckets.get(indexKey)
    if (held === undefined) return []
    if (typeof held === 'string') return this.#sorted([held])
    held.sorted ??= this.#sorted([...held.members].sort())
    return held.sorted
  }

  get size(): number {
    return this.#buckets.size
  }

  markDirty(key: string): void {
    this.#dirty.add(key)
  }

  propagate(): void {
    if (this.#dirty.size === 0) return
    // at the start nobody has read anything yet
    const changed = this.hasReaders ? new Set<string>() : undefined
    for (const key of this.#dirty) {
      const before = this.#keys.get(key) ?? []
      const after = this.#compute(key)
      for (const indexKey of before) if (!after.includes(indexKey)) this.#remove(indexKey, key)
      for (const indexKey of after) this.#add(indexKey, key)
      for (const indexKey of before) changed?.add(indexKey)
      for (const indexKey of after) changed?.add(indexKey)
      if (after.length === 0) this.#keys.delete(key)
      else this.#keys.set(key, after)
    }
    this.#dirty.clear()
    if (changed) this.markReaders(changed)
  }

  seed(): void {
    for (const key of this.#from.keys()) this.#dirty.add(key)
  }

  *errors(): Iterable<NodeError> {
    for (const [key, message] of this.#errors) yield { key, message }
  }

  audit(): readonly string[] {
    const expected = new Map<string, Set<string>>()
    for (const key of this.#from.keys()) {
      for (const indexKey of this.#keys.get(key) ?? []) {
        const members = expected.get(indexKey) ?? new Set()
        expected.set(indexKey, members.add(key))
      }
    }
    const members = (held: Held<V>): ReadonlySet<string> => (typeof held === 'string' ? new Set([held]) : held.members)
    const wrong = [...this.#buckets].filter(([k, held]) => members(held).symmetricDifference(expected.get(k) ?? new Set()).size > 0)
    return [...wrong.map(([k]) => k), ...[...expected.keys()].filter((k) => !this.#buckets.has(k))]
  }

  #compute(key: string): readonly string[] {
    const value = this.#from.get(key)
    this.#errors.delete(key)
    if (value === undefined) return []
    try {
      return this.#keysOf(value, key)
    } catch (error) {
      // a value that cannot be indexed is under no key: stale membership would outlive the value it was computed from
      this.#errors.set(key, messageOf(error))
      return []
    }
  }

  #add(indexKey: string, key: string): void {
    const held = this.#buckets.get(indexKey)
    if (held === undefined || held === key) this.#buckets.set(indexKey, key)
    else if (typeof held === 'string') this.#buckets.set(indexKey, { members: new Set([held, key]), sorted: undefined })
    else {
      held.members.add(key)
      held.sorted = undefined
    }
  }

  #remove(indexKey: string, key: string): void {
    const held = this.#buckets.get(indexKey)
    if (held === key) this.#buckets.delete(indexKey)
    if (held === undefined || typeof held === 'string') return
    held.members.delete(key)
    held.sorted = undefined
    if (held.members.size === 0) this.#buckets.delete(indexKey)
  }

  #sorted(keys: readonly string[]): readonly V[] {
    const values: V[] = []
    for (const key of keys) {
      const value = this.#from.get(key)
      if (value !== undefined) values.push(value)
    }
    return values
  }
}
