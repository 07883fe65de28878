// Facts that are made when somebody asks and kept by nobody: where many resources are held and few are ever looked at.
import type { Collection } from '@weft/graph'
import type { Resource } from '@weft/resources'

/** The facts of a collection of resources under the same keys; `make` gives undefined for what has none. Every read makes them anew. */
export function factsOnDemand<V>(name: string, from: Collection<Resource>, make: (resource: Resource) => V | undefined): Collection<V> {
  const factOf = (resource: Resource | undefined): V | undefined => resource && make(resource)
  function* entries(): IterableIterator<[string, V]> {
    for (const [key, resource] of from.entries()) {
      const fact = make(resource)
      if (fact !== undefined) yield [key, fact]
    }
  }
  return {
    name,
    get: (key) => factOf(from.get(key)),
    get size() {
      return [...entries()].length
    },
    entries,
    onCommit: (listener) =>
      from.onCommit((changes, info) =>
        listener(
          changes
            .map(({ key, before, after }) => ({ key, before: factOf(before), after: factOf(after) }))
            .filter(({ before, after }) => before !== undefined || after !== undefined),
          info,
        ),
      ),
  }
}
