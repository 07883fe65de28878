// What derivations have in common: one input collection whose changes make keys dirty, a scope that records reads, and the failure rule: a key
// whose run fails keeps its output, and the failure is told once.
import { messageOf } from '@weft/foundation/errors'
import type { Equal } from './contract.ts'
import { CollectionNode, type Consumer, type GraphNode, type NodeError } from './nodes.ts'
import { RecordingScope } from './recording-scope.ts'

export interface DerivationShape<I, V> {
  readonly name: string
  readonly from: CollectionNode<I>
  readonly reads: readonly GraphNode[]
  readonly equal: Equal<V>
  /** Told about each run that failed in a new way. */
  readonly onFailure: (key: string, message: string) => void
}

/** Stands for the result of a run that failed. */
export const failed: unique symbol = Symbol('failed')

export abstract class InputDrivenNode<I, V> extends CollectionNode<V> implements Consumer {
  protected readonly from: CollectionNode<I>
  protected readonly scope: RecordingScope
  /** Input keys to compute in the next pass. */
  protected readonly dirty = new Set<string>()
  readonly #onFailure: (key: string, message: string) => void
  readonly #errors = new Map<string, string>()

  constructor(kind: 'derive' | 'map', shape: DerivationShape<I, V>) {
    super({ name: shape.name, kind, inputs: [shape.from], reads: shape.reads }, shape.equal)
    this.from = shape.from
    this.scope = new RecordingScope(shape.name, this, [shape.from, ...shape.reads])
    this.#onFailure = shape.onFailure
    shape.from.feed(this)
  }

  markDirty(inputKey: string): void {
    this.dirty.add(inputKey)
  }

  override seed(): void {
    for (const key of this.from.keys()) this.dirty.add(key)
  }

  *errors(): Iterable<NodeError> {
    for (const [key, message] of this.#errors) yield { key, message }
  }

  protected hasFailed(key: string): boolean {
    return this.#errors.has(key)
  }

  /** The input key is gone, with all that is known about it. */
  protected forget(key: string): void {
    this.scope.forget(key)
    this.#errors.delete(key)
  }

  /** Runs for an input key; what it throws becomes the key's failure. */
  protected attempt<T>(key: string, run: () => T): T | typeof failed {
    try {
      const result = run()
      this.#errors.delete(key)
      return result
    } catch (error) {
      this.fail(key, messageOf(error))
      return failed
    }
  }

  protected fail(key: string, message: string): void {
    if (this.#errors.get(key) !== message) this.#onFailure(key, message)
    this.#errors.set(key, message)
  }
}
