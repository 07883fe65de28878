// Collections that take no room while they are empty, which most of a stream's are for nearly all of its life: an empty Map or Set takes 120 to 150 bytes,
// and a stream has dozens.

/** What is used of a Map, without a table while empty. */
export class SparseMap<K, V> {
  #entries: Map<K, V> | undefined

  get size(): number {
    return this.#entries?.size ?? 0
  }

  get(key: K): V | undefined {
    return this.#entries?.get(key)
  }

  has(key: K): boolean {
    return this.#entries?.has(key) === true
  }

  set(key: K, value: V): void {
    this.#entries ??= new Map()
    this.#entries.set(key, value)
  }

  delete(key: K): void {
    if (this.#entries?.delete(key) === true && this.#entries.size === 0) this.#entries = undefined
  }

  keys(): Iterable<K> {
    return this.#entries?.keys() ?? []
  }

  values(): Iterable<V> {
    return this.#entries?.values() ?? []
  }

  [Symbol.iterator](): Iterator<readonly [K, V]> {
    return (this.#entries ?? [])[Symbol.iterator]()
  }
}

/** What is used of a Set, without a table while empty. */
export class SparseSet<T> {
  #items: Set<T> | undefined

  get size(): number {
    return this.#items?.size ?? 0
  }

  has(item: T): boolean {
    return this.#items?.has(item) === true
  }

  add(item: T): void {
    this.#items ??= new Set()
    this.#items.add(item)
  }

  delete(item: T): void {
    if (this.#items?.delete(item) === true && this.#items.size === 0) this.#items = undefined
  }

  clear(): void {
    this.#items = undefined
  }

  [Symbol.iterator](): Iterator<T> {
    return (this.#items ?? [])[Symbol.iterator]()
  }
}
