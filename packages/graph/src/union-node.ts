// Several collections as one: for every key the first collection in order that holds it wins.
import { structuralEqual } from './structural-equal.ts'
import { CollectionNode, type Consumer } from './nodes.ts'

export class UnionNode<V> extends CollectionNode<V> implements Consumer {
  readonly #parts: readonly CollectionNode<V>[]
  readonly #dirty = new Set<string>()

  constructor(name: string, parts: readonly CollectionNode<V>[]) {
    super({ name, kind: 'union', inputs: parts }, structuralEqual)
    this.#parts = parts
    for (const part of parts) part.feed(this)
  }

  markDirty(key: string): void {
    this.#dirty.add(key)
  }

  propagate(): void {
    if (this.#dirty.size === 0) return
    for (const key of this.#dirty) this.write(key, this.#first(key))
    this.#dirty.clear()
    this.settle()
  }

  override seed(): void {
    for (const part of this.#parts) for (const key of part.keys()) this.#dirty.add(key)
  }

  errors(): [] {
    return []
  }

  audit(): readonly string[] {
    const keys = new Set(this.keys())
    for (const part of this.#parts) for (const key of part.keys()) keys.add(key)
    return [...keys].filter((key) => !structuralEqual(this.get(key), this.#first(key)))
  }

  #first(key: string): V | undefined {
    for (const part of this.#parts) {
      const value = part.get(key)
      if (value !== undefined) return value
    }
    return undefined
  }
}
