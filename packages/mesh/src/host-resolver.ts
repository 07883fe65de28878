// Keeps the addresses of host names that endpoints use. DNS announces no changes, so names in use are asked again every so often; a failed answer
// keeps the last good one.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import type { Graph } from '@weft/graph'
import type { MeshFacts } from './mesh.ts'

export interface HostResolverOptions {
  readonly graph: Graph
  readonly facts: Pick<MeshFacts, 'hostNames' | 'hosts'>
  readonly clock: Clock
  readonly log: Logger
  /** Addresses of a name; rejects or answers nothing when there are none. */
  readonly lookup: (name: string) => Promise<readonly string[]>
  /** Time between two lookups of a name. Default 30 s; after a failure a tenth of it. */
  readonly refreshMs?: number
}

/** Resolves every name in use from now on. Returns the function that stops. Of several addresses the smallest counts, so that answers in turn do not flap. */
export function resolveHosts(options: HostResolverOptions): () => void {
  const { graph, facts, clock, log, lookup } = options
  const refreshMs = options.refreshMs ?? 30_000
  const timers = new Map<string, Timer | undefined>()
  const ask = async (name: string): Promise<void> => {
    let next = refreshMs
    try {
      const [address] = [...(await lookup(name))].sort()
      if (!timers.has(name)) return
      if (address === undefined) next = refreshMs / 10
      else graph.transact('dns', () => facts.hosts.set(name, address))
    } catch (error) {
      next = refreshMs / 10
      log.debug({ name, err: messageOf(error) }, 'host name not resolved')
    }
    if (timers.has(name))
      timers.set(
        name,
        clock.after(next, () => void ask(name)),
      )
  }
  const begin = (name: string): void => {
    if (timers.has(name)) return
    timers.set(name, undefined)
    void ask(name)
  }
  const end = (name: string): void => {
    timers.get(name)?.cancel()
    timers.delete(name)
    graph.transact('dns', () => facts.hosts.delete(name))
  }
  for (const [name] of facts.hostNames.entries()) begin(name)
  const unsubscribe = facts.hostNames.onCommit((changes) => {
    for (const { key, after } of changes) {
      if (after === undefined) end(key)
      else begin(key)
    }
  })
  return () => {
    unsubscribe()
    for (const timer of timers.values()) timer?.cancel()
    timers.clear()
  }
}
