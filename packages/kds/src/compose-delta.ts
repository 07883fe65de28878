// The next delta of a type: the present value of every key that changed, as much as one response may carry.
import { softLimitBytes, softLimitEntries } from './chunks.ts'
import type { Encoded, Outgoing } from './outgoing.ts'
import type { PlannedResponse, SendingType } from './sending-type.ts'
import type { Store } from '@weft/store'
import { isTooLarge, withoutTooLarge } from './type-size.ts'

/** What the delta is made from. */
export interface DeltaSources {
  readonly store: Pick<Store, 'get'>
  readonly outgoing: Outgoing
  /** An own peer, which is told of what is too large to be sent; a stock one keeps what it has. */
  readonly chunked: boolean
}

/** Takes keys off `dirty`; those left go with the next delta. Undefined when the peer has it all. */
export function composeDelta(state: SendingType, { store, outgoing, chunked }: DeltaSources): PlannedResponse | undefined {
  const entries: Encoded[] = []
  const removed: string[] = []
  let bytes = 0
  for (const [key, { mesh, name }] of state.dirty) {
    const resource = store.get({ type: state.type, mesh, name })
    const encoded = resource && outgoing.encode(resource)
    if (entries.length >= softLimitEntries || (bytes > 0 && bytes + (encoded?.frame.length ?? 0) > softLimitBytes)) break
    state.dirty.delete(key)
    const change = state.replace(key, encoded)
    if (change.entry ?? change.removed) state.carried.add(key)
    // removals are cut by bytes only: the peer has to see how many go at once
    if (change.removed !== undefined) {
      removed.push(change.removed)
      bytes += change.removed.length
    }
    if (!change.entry || (isTooLarge(change.entry) && !chunked)) continue
    entries.push(...withoutTooLarge([change.entry]))
    bytes += entries.at(-1)?.frame.length ?? 0
  }
  // a name that went and came back within one response is an update
  const present = new Set(entries.map((entry) => entry.name))
  const gone = removed.filter((name) => !present.has(name))
  return entries.length === 0 && gone.length === 0 ? undefined : { entries, removed: gone, partial: false }
}

/** Of these wire names, those that no stored resource has: what waits to be sent is not gone. */
export function stillGone(
  state: SendingType,
  names: readonly string[],
  { store, outgoing }: Pick<DeltaSources, 'store' | 'outgoing'>,
): readonly string[] {
  if (names.length === 0) return names
  const waiting = new Set<string | undefined>()
  for (const { mesh, name } of state.dirty.values()) {
    const resource = store.get({ type: state.type, mesh, name })
    waiting.add(resource && outgoing.encode(resource)?.name)
  }
  return names.filter((name) => !state.has(name) && !waiting.has(name))
}
