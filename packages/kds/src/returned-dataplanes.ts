// Dataplanes that global still has of an earlier life of this zone: an own global names them when it recalls (`recalledVersion`). Until each
// of them is stored here again, this zone does not know all of its proxies (architecture.md section 7, recovery).
import type { ChangeFeed } from './change-feed.ts'
import type { ReturnedDataplanes } from './contract.ts'
import { recalledVersion } from './features.ts'
import { splitWireName } from './incoming.ts'
import type { Outgoing } from './outgoing.ts'
import type { Store } from '@weft/store'

/** Keeps what was recalled for as long as the process lives. */
export interface RecallMemory {
  /** Undefined before an own global recalled anything. */
  readonly returned: ReturnedDataplanes | undefined
  /** Takes the versions of a subscribe for Dataplanes. True when they recall something new. */
  recalled(versions: ReadonlyMap<string, string>): boolean
}

export function createRecallMemory(options: { readonly store: Pick<Store, 'get' | 'list'>; readonly outgoing: Outgoing }): RecallMemory & {
  /** Follows the store from now on; returns what ends it. */
  follow(feed: ChangeFeed): () => void
} {
  const { store, outgoing } = options
  const all = new Set<string>()
  const missing = new Map<string, Set<string>>()
  const wireName = (resource: Parameters<Outgoing['encode']>[0]): string | undefined => outgoing.encode(resource)?.name

  const returned: ReturnedDataplanes = {
    missingOf: (mesh) => missing.get(mesh),
    has: (dataplane) => all.has(wireName(dataplane) ?? ''),
  }
  return {
    get returned() {
      return all.size > 0 ? returned : undefined
    },
    recalled: (versions) => {
      const names = [...versions].filter(([name, version]) => version === recalledVersion && !all.has(name)).map(([name]) => name)
      if (names.length === 0) return false
      const here = new Set(store.list('Dataplane').map(wireName))
      for (const name of names) {
        all.add(name)
        const { mesh } = splitWireName('Dataplane', name)
        const ofMesh = missing.get(mesh) ?? new Set<string>()
        missing.set(mesh, ofMesh)
        if (!here.has(name)) ofMesh.add(name)
      }
      return true
    },
    follow: (feed) =>
      feed.on('Dataplane', (changes) => {
        for (const { key } of changes) {
          const ofMesh = missing.get(key.mesh)
          const stored = ofMesh && store.get(key)
          const name = stored && wireName(stored)
          if (name !== undefined) ofMesh?.delete(name)
        }
      }),
  }
}
