// A collection grouped by computed keys: group key -> members sorted by their key. A group exists while it has a member.
import { messageOf } from '@weft/foundation/errors'
import { CollectionNode, type Consumer, type NodeError } from './nodes.ts'

export class GroupNode<V> extends CollectionNode<readonly V[]> implements Consumer {
  readonly #from: CollectionNode<V>
  readonly #groupsOf: (value: V, key: string) => readonly string[]
  readonly #members = new Map<string, Set<string>>()
  readonly #groups = new Map<string, readonly string[]>()
  readonly #errors = new Map<string, string>()
  readonly #dirty = new Set<string>()

  constructor(name: string, from: CollectionNode<V>, groupsOf: (value: V, key: string) => readonly string[]) {
    super({ name, kind: 'group', inputs: [from] }, sameMembers)
    this.#from = from
    this.#groupsOf = groupsOf
    from.feed(this)
  }

  markDirty(key: string): void {
    this.#dirty.add(key)
  }

  override seed(): void {
    for (const key of this.#from.keys()) this.#dirty.add(key)
  }

  propagate(): void {
    if (this.#dirty.size === 0) return
    const touched = new Set<string>()
    for (const key of this.#dirty) {
      for (const group of this.#groups.get(key) ?? []) {
        this.#members.get(group)?.delete(key)
        touched.add(group)
      }
      const groups = this.#compute(key)
      if (groups.length === 0) this.#groups.delete(key)
      else this.#groups.set(key, groups)
      for (const group of groups) {
        const members = this.#members.get(group)
        if (members) members.add(key)
        else this.#members.set(group, new Set([key]))
        touched.add(group)
      }
    }
    this.#dirty.clear()
    for (const group of touched) this.#rebuild(group)
    this.settle()
  }

  *errors(): Iterable<NodeError> {
    for (const [key, message] of this.#errors) yield { key, message }
  }

  audit(): readonly string[] {
    return [...this.keys()].filter((group) => !sameMembers(this.get(group) ?? [], this.#values(this.#members.get(group) ?? new Set())))
  }

  #rebuild(group: string): void {
    const members = this.#members.get(group)
    if (members && members.size > 0) {
      this.write(group, this.#values(members))
      return
    }
    this.#members.delete(group)
    this.write(group, undefined)
  }

  #values(members: ReadonlySet<string>): readonly V[] {
    const values: V[] = []
    for (const key of [...members].sort()) {
      const value = this.#from.get(key)
      if (value !== undefined) values.push(value)
    }
    return values
  }

  #compute(key: string): readonly string[] {
    const value = this.#from.get(key)
    this.#errors.delete(key)
    if (value === undefined) return []
    try {
      return this.#groupsOf(value, key)
    } catch (error) {
      this.#errors.set(key, messageOf(error))
      return []
    }
  }
}

/** Members keep their identity while they are equal, so comparing identities is enough. */
function sameMembers(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i])
}
