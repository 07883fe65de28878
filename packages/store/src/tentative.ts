// Observed changes made while the database is away: visible in memory at once, written when it is back. Bounded and coalesced: one value
// for each key, the last one. They have no numbers of their own until they are written.
import { AppError } from '@weft/foundation/errors'
import { keyText, type Resource, type ResourceKey } from '@weft/resources'
import type { Change, StoreOp, WriteContext } from './contract.ts'
import type { PlanView } from './plan.ts'

interface Held {
  readonly key: ResourceKey
  /** What the database has. */
  readonly committed: Resource | undefined
  readonly value: Resource | undefined
  readonly context: WriteContext
}

export interface Tentative {
  readonly size: number
  has(key: ResourceKey): boolean
  keys(): readonly ResourceKey[]
  /** Holds planned changes; returns them as they become visible. Throws store/unavailable when there is no more room. */
  hold(changes: readonly Change[], context: WriteContext): readonly Change[]
  /** What is to be written for a key, and for whom. */
  writeOf(key: ResourceKey): { readonly op: StoreOp; readonly context: WriteContext } | undefined
  /** Forgets a key: it is written, or somebody else's change of it came first. */
  drop(key: ResourceKey): void
  /** The state without what is held. */
  committed(visible: PlanView): PlanView
}

/** Nothing is held at first. `maxKeys`: who wants to write more has to wait for the database. */
export function createTentative(maxKeys = 100_000): Tentative {
  const held = new Map<string, Held>()
  return {
    get size() {
      return held.size
    },
    has: (key) => held.has(keyText(key)),
    keys: () => [...held.values()].map(({ key }) => key),
    hold: (changes, context) => {
      const fresh = new Set(changes.map(({ key }) => keyText(key)).filter((text) => !held.has(text)))
      if (held.size + fresh.size > maxKeys) {
        throw new AppError('store/unavailable', `the database is away and ${held.size} observed resources wait for it already`, {
          retryable: true,
        })
      }
      return changes.map((change) => {
        const { before, after } = change
        const text = keyText(change.key)
        const earlier = held.get(text)
        const committed = earlier ? earlier.committed : before
        // the version stays that of the database: it is what the next write will be compared with
        const value = after && { ...after, version: before?.version ?? committed?.version ?? 0 }
        held.delete(text)
        if (committed !== undefined || value !== undefined) held.set(text, { key: change.key, committed, value, context })
        const { after: _, ...rest } = change
        return { ...rest, ...(value ? { after: value } : {}) }
      })
    },
    writeOf: (key) => {
      const found = held.get(keyText(key))
      if (!found) return undefined
      const op: StoreOp = found.value ? { op: 'put', resource: found.value } : { op: 'delete', key, ifPresent: true }
      return { op, context: found.context }
    },
    drop: (key) => void held.delete(keyText(key)),
    committed: (visible) => ({
      get: (key) => {
        const found = held.get(keyText(key))
        return found ? found.committed : visible.get(key)
      },
    }),
  }
}
