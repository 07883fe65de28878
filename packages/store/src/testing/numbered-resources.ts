// Resources that hold a number each: tests of lost and repeated writes tell by it which write of a name a store has.
import type { ResourceKey } from '@weft/resources'
import type { Store, StoreOp } from '../contract.ts'

export const key = (name: string): ResourceKey => ({ type: 'Dataplane', mesh: 'm', name })

/** Writes the number under the name. */
export const put = (name: string, n: number): StoreOp => ({ op: 'put', resource: { ...key(name), labels: {}, spec: { n } } })

/** The number under the name; 0 when there is none. */
export function numberIn(store: Store, name: string): number {
  const spec = store.get(key(name))?.spec
  return typeof spec === 'object' && spec !== null && 'n' in spec ? Number(spec.n) : 0
}

/** Resolves when the store has come to `seq`. */
export function reached(store: Store, seq: number): Promise<void> {
  return new Promise((resolve) => {
    const stop = store.watch(store.seq, () => done())
    const done = (): void => {
      if (store.seq < seq) return
      stop()
      resolve()
    }
    done()
  })
}
