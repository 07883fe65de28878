// What a finished message makes Envoy ask for or rely on, wherever in it: for resources that people edit or write themselves.
import { discoveryType } from '@weft/envoy'
import { field, isObject, listField, textField } from '@weft/foundation/json'
import { codec, type Messages } from '@weft/proto'

/** The name of the load assignment a cluster needs; undefined when its endpoints are its own. */
export function endpointsOfMessage(cluster: Messages['envoy.config.cluster.v3.Cluster']): string | undefined {
  return cluster.type === discoveryType.EDS ? cluster.edsClusterConfig?.serviceName || cluster.name : undefined
}

/** Names of all clusters that a listener mentions, without repeats. */
export function clustersOfMessage(listener: Messages['envoy.config.listener.v3.Listener']): readonly string[] {
  const names = new Set<string>()
  walk(codec('envoy.config.listener.v3.Listener').toJson(listener), (key, value) => {
    if ((key === 'cluster' || key === 'clusterName') && typeof value === 'string') names.add(value)
    if (key === 'weightedClusters') for (const split of listField(value, 'clusters')) names.add(textField(split, 'name'))
  })
  names.delete('')
  return [...names]
}

/** Names of all secrets that a message fetches by discovery, without repeats. */
export function secretsOfMessage<K extends 'envoy.config.cluster.v3.Cluster' | 'envoy.config.listener.v3.Listener'>(
  type: K,
  message: Messages[K],
): readonly string[] {
  const names = new Set<string>()
  walk(codec(type).toJson(message), (_, value) => {
    if (field(value, 'sdsConfig') !== undefined) names.add(textField(value, 'name'))
  })
  names.delete('')
  return [...names]
}

/** Visits every property below a JSON value; members of lists have no key. */
function walk(value: unknown, visit: (key: string, value: unknown) => void): void {
  const entries: readonly (readonly [string, unknown])[] = Array.isArray(value)
    ? value.map((item: unknown) => ['', item] as const)
    : isObject(value)
      ? Object.entries(value)
      : []
  for (const [key, item] of entries) {
    visit(key, item)
    walk(item, visit)
  }
}
