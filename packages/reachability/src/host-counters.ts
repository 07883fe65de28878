// What an Envoy's admin interface (`/clusters?format=json`) tells of single endpoints: connections that failed, and proof that something
// works. Counters of one endpoint in several clusters are added up.
import { field, isObject, listField, textField } from '@weft/foundation/json'
import { placeOf } from '@weft/mesh'

/** Counters of one endpoint since it became one. */
export interface HostCounters {
  readonly failures: number
  /** Only grows when a connection was made or an answer came. */
  readonly successes: number
}

/** Counters by place (`placeOf`). `isHttp`: whether requests or connections are balanced in a cluster. Throws a SyntaxError for no JSON. */
export function hostCounters(clustersJson: string, isHttp: (cluster: string) => boolean): ReadonlyMap<string, HostCounters> {
  const counters = new Map<string, HostCounters>()
  const root: unknown = JSON.parse(clustersJson)
  for (const cluster of listField(root, 'cluster_statuses')) {
    const http = isHttp(textField(cluster, 'name'))
    for (const host of listField(cluster, 'host_statuses')) {
      const socket = field(field(host, 'address'), 'socket_address')
      const port = field(socket, 'port_value')
      if (typeof port !== 'number') continue
      const stats = listField(host, 'stats').filter(isObject)
      const value = (name: string): number => Number(stats.find((stat) => stat['name'] === name)?.['value'] ?? 0)
      const place = placeOf({ address: textField(socket, 'address'), port })
      const before = counters.get(place)
      counters.set(place, {
        failures: (before?.failures ?? 0) + value('cx_connect_fail'),
        // a TCP stream is counted once its connection stands; an HTTP request may be given to a connection that is dead already
        successes: (before?.successes ?? 0) + value(http ? 'rq_success' : 'rq_total'),
      })
    }
  }
  return counters
}
