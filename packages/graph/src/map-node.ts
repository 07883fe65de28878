// The plain 1:1 derivation: one output under the same key, or none. Same failure rule as a derivation, without the cost of ownership.
import { messageOf } from '@weft/foundation/errors'
import type { Scope } from './contract.ts'
import type { DerivationShape } from './derivation-node.ts'
import { CollectionNode, type Consumer, type NodeError } from './nodes.ts'
import { RecordingScope } from './recording-scope.ts'

export type MapFunction<I, V> = (scope: Scope, value: I, key: string) => V | undefined

export class MapNode<I, V> extends CollectionNode<V> implements Consumer {
  readonly #from: CollectionNode<I>
  readonly #run: MapFunction<I, V>
  readonly #scope: RecordingScope
  readonly #onFailure: (key: string, message: string) => void
  readonly #dirty = new Set<string>()
  readonly #errors = new Map<string, string>()

  constructor(shape: DerivationShape<I, V>, run: MapFunction<I, V>) {
    super({ name: shape.name, kind: 'map', inputs: [shape.from], reads: shape.reads }, shape.equal)
    this.#from = shape.from
    this.#run = run
    this.#scope = new RecordingScope(shape.name, this, [shape.from, ...shape.reads])
    this.#onFailure = shape.onFailure
    shape.from.feed(this)
  }

  markDirty(inputKey: string): void {
    this.#dirty.add(inputKey)
  }

  override seed(): void {
    for (const key of this.#from.keys()) this.#dirty.add(key)
  }

  propagate(): void {
    if (this.#dirty.size === 0) return
    for (const key of this.#dirty) this.#compute(key)
    this.#dirty.clear()
    this.settle()
  }

  *errors(): Iterable<NodeError> {
    for (const [key, message] of this.#errors) yield { key, message }
  }

  audit(): readonly string[] {
    const wrong: string[] = []
    for (const [key, value] of this.#from.entries()) {
      if (this.#errors.has(key)) continue
      const fresh = this.#run(this.#scope, value, key)
      const held = this.get(key)
      const agrees = fresh === undefined || held === undefined ? fresh === held : this.same(held, fresh)
      if (!agrees) wrong.push(key)
    }
    for (const key of this.keys()) if (!this.#from.has(key)) wrong.push(key)
    return wrong
  }

  #compute(key: string): void {
    const value = this.#from.get(key)
    if (value === undefined) {
      this.#scope.forget(key)
      this.#errors.delete(key)
      this.write(key, undefined)
      return
    }
    try {
      this.write(
        key,
        this.#scope.record(key, () => this.#run(this.#scope, value, key)),
      )
      this.#errors.delete(key)
    } catch (error) {
      const message = messageOf(error)
      if (this.#errors.get(key) !== message) this.#onFailure(key, message)
      this.#errors.set(key, message)
    }
  }
}
