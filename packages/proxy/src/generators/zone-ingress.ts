// Zone ingress: other zones' proxies reach local destinations by SNI, without their TLS being ended here (contract/dataplane.md section 12).
import {
  type ClusterDraft,
  edsCluster,
  filterChain,
  type ListenerDraft,
  listenerDraft,
  socketAddress,
  tcpDraft,
  zoneIngressName,
} from '@weft/envoy'
import type { DestinationFact, ZoneListenerFact } from '@weft/facts'
import { ingressProbe } from '@weft/resources'

/** A destination behind an ingress with the Envoy name of its cluster. */
export interface IngressRoute {
  readonly cluster: string
  readonly destination: DestinationFact
}

export interface ZoneIngressInput {
  readonly listener: ZoneListenerFact
  readonly reusePort: boolean
  /** In the order of the chains; destinations without SNI and repeated SNIs must be left out before. */
  readonly routes: readonly IngressRoute[]
  /** Answers the reserved server name. */
  readonly probe: boolean
}

/** Everything the cluster of an ingress destination depends on. */
export interface IngressClusterKey {
  readonly name: string
}

/** The cluster of an ingress destination: its local endpoints, reached with the caller's own TLS. */
export function ingressCluster(key: IngressClusterKey): ClusterDraft {
  return edsCluster(key.name)
}

/** The ingress listener; there must be something to route to, or probes to answer. */
export function ingressListener({ listener: fact, reusePort, routes, probe }: ZoneIngressInput): ListenerDraft {
  const listener = listenerDraft({
    name: zoneIngressName(fact.section),
    address: socketAddress(fact.address, fact.port),
    direction: 'inbound',
    bindToPort: true,
    reusePort,
    statPrefix: true,
  })
  listener.tlsInspector = true
  if (probe) listener.directAnswer = { serverName: ingressProbe.serverName, text: ingressProbe.answer }
  for (const { cluster, destination } of routes) {
    listener.chains.push(
      filterChain(tcpDraft(cluster, cluster), { match: { transportProtocol: 'tls', serverNames: [destination.sni ?? ''] } }),
    )
  }
  return listener
}
