// One graph source per kind, filled from the store: one graph transaction for each store transaction, with its reason.
import type { Collection, Graph, Source } from '@weft/graph'
import { structuralEqual } from '@weft/graph'
import { nameKey, type Registry, type Resource } from '@weft/resources'
import type { Change, Store } from '@weft/store'

export interface ResourceSources {
  /** All resources of a kind by `mesh/name` (`/name` for global ones). Throws a plain Error for a type the registry does not have. */
  of(type: string): Collection<Resource>
  /** Loads what the store holds and follows it from there. Returns the function that stops following. */
  follow(store: Store): () => void
}

/** Sources for every kind of the registry. Equality leaves out times of modification and versions. */
export function createResourceSources(graph: Graph, registry: Registry): ResourceSources {
  const sources = new Map<string, Source<Resource>>()
  for (const kind of registry.all) sources.set(kind.type, graph.source<Resource>(`resources.${kind.type}`, { equal: sameResource }))
  const apply = (change: Change): void => {
    const source = sources.get(change.key.type)
    if (!source) return
    const key = nameKey(change.key)
    if (change.after) source.set(key, change.after)
    else source.delete(key)
  }
  return {
    of: (type) => {
      const source = sources.get(type)
      if (!source) throw new Error(`no such kind in the registry: ${type}`)
      return source
    },
    follow: (store) => {
      const { seq } = store
      graph.transact('load', () => {
        for (const [type, source] of sources) for (const resource of store.list(type)) source.set(nameKey(resource), resource)
      })
      return store.watch(seq, (changes) => {
        const reason = changes[0]?.reason ?? 'store'
        graph.transact(reason, () => {
          for (const change of changes) apply(change)
        })
      })
    },
  }
}

/** Equal for every consumer of facts: same labels, spec, status and creation time. */
export function sameResource(a: Resource, b: Resource): boolean {
  return (
    a.creationTime === b.creationTime &&
    structuralEqual(a.labels, b.labels) &&
    structuralEqual(a.spec, b.spec) &&
    structuralEqual(a.status, b.status)
  )
}
