// A collection written from outside. Writes count only once the transaction settles; a failed transaction takes them back.
import { AppError } from '@weft/foundation/errors'
import type { Equal, Source } from './contract.ts'
import { CollectionNode } from './nodes.ts'

export class SourceNode<V> extends CollectionNode<V> implements Source<V> {
  readonly #mayWrite: () => boolean

  constructor(name: string, equal: Equal<V>, mayWrite: () => boolean) {
    super({ name, kind: 'source', inputs: [] }, equal)
    this.#mayWrite = mayWrite
  }

  set(key: string, value: V): void {
    this.#check()
    this.write(key, value)
  }

  delete(key: string): void {
    this.#check()
    this.write(key, undefined)
  }

  propagate(): void {
    this.settle()
  }

  rollBack(): void {
    this.undo()
  }

  /** Accepts the writes of a transaction made before the graph started. */
  acceptQuietly(): void {
    this.forgetChanges()
  }

  errors(): [] {
    return []
  }

  audit(): [] {
    return []
  }

  #check(): void {
    if (!this.#mayWrite()) throw new AppError('graph/outside-transaction', `source written outside a transaction: ${this.name}`)
  }
}
