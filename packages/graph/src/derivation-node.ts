// A derivation: a pure function of one input key (and of what it reads) to any number of outputs. A run that throws keeps the last outputs of its
// input key and shows its error; an output key belongs to one input key, and a second claimant waits with an error until the owner lets go.
import type { Scope } from './contract.ts'
import { type DerivationShape, failed, InputDrivenNode } from './input-driven-node.ts'

export type DeriveFunction<I, V> = (scope: Scope, value: I, key: string) => Iterable<readonly [string, V]>

export class DerivationNode<I, V> extends InputDrivenNode<I, V> {
  readonly #run: DeriveFunction<I, V>
  readonly #outputs = new Map<string, readonly string[]>()
  readonly #owners = new Map<string, string>()
  readonly #claims = new Map<string, Set<string>>()
  readonly #waiting = new Map<string, readonly string[]>()

  constructor(shape: DerivationShape<I, V>, run: DeriveFunction<I, V>) {
    super('derive', shape)
    this.#run = run
  }

  propagate(): void {
    if (this.dirty.size === 0) return
    const released = new Set<string>()
    while (this.dirty.size > 0) {
      const batch = [...this.dirty]
      this.dirty.clear()
      const results = new Map<string, ReadonlyMap<string, V>>()
      for (const key of batch) {
        const outputs = this.#compute(key)
        if (outputs) results.set(key, outputs)
      }
      // first everyone lets go, then everyone takes: a hand-over within one transaction is no conflict
      for (const [key, outputs] of results) this.#release(key, outputs, released)
      for (const [key, outputs] of results) this.#take(key, outputs)
      this.#wakeClaimants(released)
    }
    this.settle()
  }

  audit(): readonly string[] {
    const wrong: string[] = []
    for (const [key, value] of this.from.entries()) {
      if (this.hasFailed(key)) continue
      const fresh = this.#evaluate(key, value)
      const held = this.#outputs.get(key) ?? []
      const agrees = fresh.size === held.length && held.every((out) => this.#equalTo(out, fresh.get(out)))
      if (!agrees) wrong.push(key)
    }
    for (const key of this.#outputs.keys()) if (!this.from.has(key)) wrong.push(key)
    return wrong
  }

  #equalTo(outputKey: string, fresh: V | undefined): boolean {
    const held = this.get(outputKey)
    return held !== undefined && fresh !== undefined && this.same(held, fresh)
  }

  /** Undefined when the run failed: the key keeps what it has. */
  #compute(key: string): ReadonlyMap<string, V> | undefined {
    const value = this.from.get(key)
    if (value === undefined) {
      this.forget(key)
      return new Map()
    }
    const outputs = this.attempt(key, () => this.scope.record(key, () => this.#evaluate(key, value)))
    return outputs === failed ? undefined : outputs
  }

  #evaluate(key: string, value: I): ReadonlyMap<string, V> {
    const outputs = new Map<string, V>()
    for (const [outputKey, output] of this.#run(this.scope, value, key)) {
      if (outputs.has(outputKey)) throw new Error(`output key given twice: ${outputKey}`)
      outputs.set(outputKey, output)
    }
    return outputs
  }

  #release(key: string, outputs: ReadonlyMap<string, V>, released: Set<string>): void {
    for (const outputKey of this.#outputs.get(key) ?? []) {
      if (outputs.has(outputKey)) continue
      this.#owners.delete(outputKey)
      this.write(outputKey, undefined)
      released.add(outputKey)
    }
    for (const outputKey of this.#waiting.get(key) ?? []) {
      const claimants = this.#claims.get(outputKey)
      claimants?.delete(key)
      if (claimants?.size === 0) this.#claims.delete(outputKey)
    }
    this.#waiting.delete(key)
  }

  #take(key: string, outputs: ReadonlyMap<string, V>): void {
    const owned: string[] = []
    const refused: string[] = []
    for (const [outputKey, output] of outputs) {
      const owner = this.#owners.get(outputKey)
      if (owner !== undefined && owner !== key) {
        refused.push(outputKey)
        continue
      }
      this.#owners.set(outputKey, key)
      this.write(outputKey, output)
      owned.push(outputKey)
    }
    if (owned.length === 0) this.#outputs.delete(key)
    else this.#outputs.set(key, owned)
    for (const outputKey of refused) {
      const claimants = this.#claims.get(outputKey) ?? new Set()
      this.#claims.set(outputKey, claimants.add(key))
    }
    const [first] = refused
    if (first === undefined) return
    this.#waiting.set(key, refused)
    this.fail(key, `output key ${first} belongs to input key ${this.#owners.get(first) ?? ''}`)
  }

  /** Everyone who waits for a key that has no owner now runs again; the smallest input key gets it. */
  #wakeClaimants(released: Set<string>): void {
    const woken = new Set<string>()
    for (const outputKey of released) {
      if (this.#owners.has(outputKey)) continue
      for (const claimant of this.#claims.get(outputKey) ?? []) woken.add(claimant)
    }
    released.clear()
    for (const key of [...woken].sort()) this.dirty.add(key)
  }
}
