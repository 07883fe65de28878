// Encodes what a large delta will hold in slices, so that others, who push to proxies, have their turn between them. The encoder remembers what it
// made, so that composing the delta afterwards only collects.
import type { Store } from '@weft/store'
import { softLimitEntries } from './chunks.ts'
import type { Outgoing } from './outgoing.ts'
import type { SendingType } from './sending-type.ts'

/** So many resources take a few milliseconds. */
export const encodingSlice = 64

export interface AheadOptions {
  readonly store: Pick<Store, 'get'>
  readonly outgoing: Outgoing
  /** The next delta of the type may be composed. */
  ready(state: SendingType): void
}

export interface Ahead {
  /** The next delta of a type may be composed at once. Otherwise it is being encoded, and `ready` is called once. */
  isReady(state: SendingType): boolean
  close(): void
}

export function encodeAhead({ store, outgoing, ready }: AheadOptions): Ahead {
  const running = new Set<SendingType>()
  const done = new Set<SendingType>()
  const step = (state: SendingType, keys: Iterator<{ readonly mesh: string; readonly name: string }>): void => {
    if (!running.has(state)) return
    for (let count = 0; count < encodingSlice; count++) {
      const next = keys.next()
      if (next.done) {
        running.delete(state)
        done.add(state)
        ready(state)
        return
      }
      const resource = store.get({ type: state.type, mesh: next.value.mesh, name: next.value.name })
      if (resource) outgoing.encode(resource)
    }
    setImmediate(() => step(state, keys))
  }
  return {
    isReady: (state) => {
      // what waits in the queue is encoded already
      if (state.queue.length > 0 || state.dirty.size <= encodingSlice || done.delete(state)) return true
      if (!running.has(state)) {
        running.add(state)
        step(state, [...state.dirty.values()].slice(0, softLimitEntries).values())
      }
      return false
    },
    close: () => running.clear(),
  }
}
