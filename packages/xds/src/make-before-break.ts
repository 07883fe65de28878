// Which steps may be taken now, so that nothing a proxy runs ever refers to what it lacks: clusters before the listeners that name them,
// listeners gone before their clusters, clusters gone before their endpoints and secrets. Pure.
import type { EncodedResource, ProxySnapshot, ResourceCell } from './contract.ts'
import type { HeldResource, Subscription } from './subscription.ts'

type Cells = ReadonlyMap<string, ResourceCell>

/**
 * Clusters that `listener` newly names and the proxy has not accepted in any version. A name that the snapshot lacks counts too, since its
 * cluster may come with the next snapshot, but not at the start, and not when what the proxy runs names it already. Clusters that the listener
 * does not use itself count only while they are in the snapshot.
 */
export function missingClusters(
  listener: EncodedResource,
  snapshot: ProxySnapshot,
  lanes: { readonly clusters: Subscription; readonly listeners: Subscription },
): readonly string[] {
  const { clusters, listeners } = lanes
  if (!clusters.requested) return []
  const known = [listeners.accepted, listeners.uncertain].flatMap((held) => held.get(listener.name)?.needs?.clusters ?? [])
  const missing = (listener.needs?.clusters ?? []).filter((name) => {
    if (clusters.has(name) || known.includes(name)) return false
    return snapshot.cluster.get(name)?.current !== undefined || listeners.answered
  })
  const after = listener.needs?.after?.filter((name) => !clusters.has(name) && snapshot.cluster.get(name)?.current !== undefined)
  return after === undefined || after.length === 0 ? missing : [...missing, ...after]
}

/** The load assignments a cluster waits for; one that says nothing may wait for one of its own name. */
export function endpointsOf(name: string, cluster: HeldResource): readonly string[] {
  return cluster.needs === undefined ? [name] : (cluster.needs.endpoints ?? [])
}

/**
 * Of the clusters to be removed those that nothing the proxy may run refers to. While it runs listeners of which is only known that they
 * were there before a reconnect, none: `listenersSettled` says that no listener is on its way any more, so what is unknown stays unknown.
 */
export function removableClusters(
  candidates: readonly string[],
  context: {
    readonly snapshot: ProxySnapshot
    readonly clusters: Subscription
    readonly listeners: Subscription
    readonly listenersSettled: boolean
  },
): readonly string[] {
  const { snapshot, clusters, listeners, listenersSettled } = context
  const used = new Set<string>()
  for (const [name, held] of listeners.held()) {
    const needs = needsOf(name, held, snapshot.listener)
    if (needs === undefined && !listenersSettled) return []
    for (const cluster of needs?.clusters ?? []) used.add(cluster)
  }
  const going = new Set(candidates.filter((name) => !used.has(name)))
  // a cluster that stays may be an aggregate of one that should go
  for (let changed = true; changed; ) {
    changed = false
    for (const [name, held] of clusters.held()) {
      if (going.has(name)) continue
      for (const member of needsOf(name, held, snapshot.cluster)?.clusters ?? []) changed = going.delete(member) || changed
    }
  }
  return [...going]
}

/**
 * Of the names to be taken away those that no cluster or listener the proxy may run waits for, and those that one in the snapshot waits
 * for: then it is the truth that there is no such thing.
 */
export function removableNames(
  candidates: readonly string[],
  kind: 'endpoint' | 'secret',
  context: { readonly snapshot: ProxySnapshot; readonly clusters: Subscription; readonly listeners: Subscription },
): readonly string[] {
  if (candidates.length === 0) return candidates
  const { snapshot, clusters, listeners } = context
  const leaving = new Set<string>()
  const staying = new Set<string>()
  const note = (name: string, held: HeldResource, cells: Cells): void => {
    const target = cells.get(name)?.current
    for (const needed of namesOf(kind, name, held, cells)) leaving.add(needed)
    if (target !== undefined) for (const needed of namesOf(kind, name, target, cells)) staying.add(needed)
  }
  for (const [name, held] of clusters.held()) note(name, held, snapshot.cluster)
  if (kind === 'secret') for (const [name, held] of listeners.held()) note(name, held, snapshot.listener)
  return candidates.filter((name) => staying.has(name) || !leaving.has(name))
}

function namesOf(kind: 'endpoint' | 'secret', name: string, held: HeldResource, cells: Cells): readonly string[] {
  const needs = needsOf(name, held, cells)
  if (kind === 'secret') return needs?.secrets ?? []
  return needs === undefined ? [name] : (needs.endpoints ?? [])
}

/** After a reconnect only versions are known; equal versions have equal needs. */
function needsOf(name: string, held: HeldResource, cells: Cells): HeldResource['needs'] {
  if (held.needs !== undefined) return held.needs
  const target = cells.get(name)?.current
  return target?.version === held.version ? target.needs : undefined
}
