// The plain 1:1 derivation: one output under the same key, or none. Same failure rule as a derivation, without the cost of ownership.
import type { Scope } from './contract.ts'
import { type DerivationShape, InputDrivenNode } from './input-driven-node.ts'

export type MapFunction<I, V> = (scope: Scope, value: I, key: string) => V | undefined

export class MapNode<I, V> extends InputDrivenNode<I, V> {
  readonly #run: MapFunction<I, V>

  constructor(shape: DerivationShape<I, V>, run: MapFunction<I, V>) {
    super('map', shape)
    this.#run = run
  }

  propagate(): void {
    if (this.dirty.size === 0) return
    for (const key of this.dirty) this.#compute(key)
    this.dirty.clear()
    this.settle()
  }

  audit(): readonly string[] {
    const wrong: string[] = []
    for (const [key, value] of this.from.entries()) {
      if (this.hasFailed(key)) continue
      const fresh = this.#run(this.scope, value, key)
      const held = this.get(key)
      const agrees = fresh === undefined || held === undefined ? fresh === held : this.same(held, fresh)
      if (!agrees) wrong.push(key)
    }
    for (const key of this.keys()) if (!this.from.has(key)) wrong.push(key)
    return wrong
  }

  #compute(key: string): void {
    const value = this.from.get(key)
    if (value === undefined) {
      this.forget(key)
      this.write(key, undefined)
      return
    }
    this.attempt(key, () =>
      this.write(
        key,
        this.scope.record(key, () => this.#run(this.scope, value, key)),
      ),
    )
  }
}
