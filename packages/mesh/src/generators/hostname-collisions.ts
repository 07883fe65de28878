// Hostnames that a destination wants and another one holds: shown in its status, counted, and logged once each.
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Collection, Graph } from '@weft/graph'
import type { Hostnames } from './hostnames.ts'

export interface HostnameCollision {
  readonly type: string
  readonly mesh: string
  /** The destination that does not get the hostname. */
  readonly name: string
  readonly hostname: string
  readonly generator: string
  /** The destination that holds it. */
  readonly holder: { readonly type: string; readonly name: string }
}

/** A zone can send any number of colliding services: so many lines for each batch of changes, the rest as a number. */
const loggedAtOnce = 10

export interface CollisionOutlets {
  readonly log: Logger
  readonly metrics?: Metrics
}

/** Tells of every collision when it arises. Metrics: `hostname_collisions_count` now, `hostname_collisions_total` ever. */
export function reportHostnameCollisions(graph: Graph, hostnames: Collection<Hostnames>, { log, metrics }: CollisionOutlets): void {
  const collisions = graph.derive({ name: 'hostnameCollisions', from: hostnames }, function* (_, { collisions: list }, key) {
    for (const collision of list) yield [`${key} ${collision.hostname} ${collision.generator}`, collision] as const
  })
  const total = metrics?.counter(
    'hostname_collisions_total',
    'Hostnames that another destination of the mesh held when they were claimed.',
    ['type'],
  )
  metrics?.gauge(
    'hostname_collisions_count',
    'Hostnames of destinations that another destination of the mesh holds.',
    [],
    () => collisions.size,
  )
  collisions.onCommit((changes) => {
    const risen = changes.flatMap(({ before, after }) => (after && !before ? [after] : []))
    for (const { type } of risen) total?.inc({ type })
    for (const { holder, ...collision } of risen.slice(0, loggedAtOnce)) {
      log.warn({ ...collision, holderType: holder.type, holder: holder.name }, 'hostname is held by another destination')
    }
    if (risen.length > loggedAtOnce) log.warn({ count: risen.length - loggedAtOnce }, 'more hostnames are held by other destinations')
  })
}
