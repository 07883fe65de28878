// Reverse dependencies of one reader on one read node: read key -> input keys of the reader. Most read keys have one reader, stored without a Set.

export class Dependents {
  readonly #byKey = new Map<string, string | Set<string>>()
  readonly #whole = new Set<string>()

  /** `readKey` null: the whole collection. */
  add(readKey: string | null, inputKey: string): void {
    if (readKey === null) {
      this.#whole.add(inputKey)
      return
    }
    const held = this.#byKey.get(readKey)
    if (held === undefined) this.#byKey.set(readKey, inputKey)
    else if (typeof held === 'string') {
      if (held !== inputKey) this.#byKey.set(readKey, new Set([held, inputKey]))
    } else held.add(inputKey)
  }

  remove(readKey: string | null, inputKey: string): void {
    if (readKey === null) {
      this.#whole.delete(inputKey)
      return
    }
    const held = this.#byKey.get(readKey)
    if (held === inputKey) this.#byKey.delete(readKey)
    else if (held instanceof Set && held.delete(inputKey) && held.size === 0) this.#byKey.delete(readKey)
  }

  forEachReader(changedKeys: Iterable<string>, visit: (inputKey: string) => void): void {
    let any = false
    for (const key of changedKeys) {
      any = true
      const held = this.#byKey.get(key)
      if (held === undefined) continue
      if (typeof held === 'string') visit(held)
      else for (const inputKey of held) visit(inputKey)
    }
    if (any) for (const inputKey of this.#whole) visit(inputKey)
  }
}
