// What a resource makes Envoy ask for or rely on: the order of make before break is taken from these.
import type { ClusterDraft, ListenerDraft, Mutable } from './drafts.ts'
import type { Messages } from '@weft/proto'
import { discoveryType } from './enums.ts'
import { secretsOf } from './tls.ts'

type Route = Messages['envoy.config.route.v3.Route']

/** Names of the clusters a listener sends traffic to, without repeats. */
export function clustersOf(listener: ListenerDraft): readonly string[] {
  const names = new Set<string>()
  for (const chain of listener.chains) {
    const { terminal } = chain
    if (terminal.kind === 'tcp') {
      if (terminal.config.cluster) names.add(terminal.config.cluster)
      for (const split of terminal.config.weightedClusters?.clusters ?? []) if (split.name) names.add(split.name)
      continue
    }
    for (const host of terminal.virtualHosts) for (const route of host.routes) addRoute(route, names)
  }
  return [...names]
}

function addRoute(route: Mutable<Route>, names: Set<string>): void {
  const action = route.route
  if (!action) return
  if (action.cluster) names.add(action.cluster)
  for (const split of action.weightedClusters?.clusters ?? []) if (split.name) names.add(split.name)
  for (const mirror of action.requestMirrorPolicies ?? []) if (mirror.cluster) names.add(mirror.cluster)
}

/** Names of the secrets a listener needs before it can serve, without repeats. */
export function listenerSecrets(listener: ListenerDraft): readonly string[] {
  const names = new Set<string>()
  for (const chain of listener.chains) for (const name of secretsOf(chain.tls)) names.add(name)
  return [...names]
}

/** The name of the load assignment a cluster needs; undefined when its endpoints are its own. */
export function clusterEndpoints(cluster: ClusterDraft): string | undefined {
  return cluster.config.type === discoveryType.EDS ? cluster.config.edsClusterConfig?.serviceName || cluster.name : undefined
}

/** Names of the secrets a cluster needs before it can connect. */
export function clusterSecrets(cluster: ClusterDraft): readonly string[] {
  return secretsOf(cluster.tls)
}
