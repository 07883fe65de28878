// Cluster and listener towards one destination. Both are functions of an explicit key and nothing else, so that all proxies with an
// equal key share them (architecture.md section 2.4). The key types must never gain a proxy, a Dataplane or their facts.
import { AppError } from '@weft/foundation/errors'
import {
  boolValue,
  type ClusterDraft,
  defaultRouteName,
  edsCluster,
  explicitHttp,
  filterChain,
  grpcStatsFilter,
  httpDraft,
  type ListenerDraft,
  listenerDraft,
  meshInternalAddresses,
  metadataKeys,
  routeTo,
  socketAddress,
  systemNames,
  tagsMetadata,
  tcpDraft,
  upstreamTls,
} from '@weft/envoy'
import type { DestinationFact } from '@weft/facts'
import type { OwnerShares } from '../client.ts'

/** Everything an outbound cluster depends on besides policies. */
export interface OutboundClusterKey {
  /** Envoy name. */
  readonly name: string
  readonly destination: DestinationFact
  /** Name of the client's certificate secret; undefined: the client has no identity and speaks plain text. */
  readonly identitySecret: string | undefined
  /** Labels of the client as requests carry them, for policies whose effect shows them; undefined when none does. */
  readonly clientTags: string | undefined
}

export interface OutboundAddress {
  readonly address: string
  readonly port: number
}

/** Everything an outbound listener depends on besides policies. */
export interface OutboundListenerKey {
  readonly name: string
  readonly destination: DestinationFact
  readonly address: string
  readonly port: number
  /** Further addresses of the same outbound: a destination may have a VIP of each family. */
  readonly additional: readonly OutboundAddress[]
  readonly bindToPort: boolean
  /** What its chain ends in: a TCP route may claim a destination that speaks HTTP. */
  readonly terminal: 'http' | 'tcp'
  /** Whether IPv6 ranges count as inside. */
  readonly ipv6: boolean
  /** What policies show of the proxy; undefined when nothing. */
  readonly shares: OwnerShares | undefined
}

/**
 * The cluster of a destination.
 * @throws AppError `policy/unresolved` when the destination needs TLS but its names make no valid SNI.
 */
export function outboundCluster(key: OutboundClusterKey): ClusterDraft {
  const { destination } = key
  const cluster = edsCluster(key.name)
  const version = httpVersion(destination)
  if (version !== undefined) cluster.httpProtocolOptions = explicitHttp(version)
  if (key.identitySecret !== undefined && destination.tls) {
    if (destination.sni === undefined) {
      throw new AppError(
        'policy/unresolved',
        `destination cannot be reached over mTLS, its names make no valid server name: ${destination.id}`,
      )
    }
    cluster.tls = upstreamTls({
      identitySecret: key.identitySecret,
      trustSecret: systemNames.trustBundle,
      sni: destination.sni,
      spiffeIds: destination.spiffeIds,
    })
  }
  return cluster
}

/** The hop between two proxies is HTTP/2 whatever the application speaks; an external service gets what it speaks. */
export function httpVersion(destination: DestinationFact): 1 | 2 | undefined {
  if (destination.kind !== 'MeshExternalService') return 2
  if (destination.protocol === 'tcp') return undefined
  return destination.protocol === 'http' ? 1 : 2
}

/** The listener of a destination. */
export function outboundListener(key: OutboundListenerKey): ListenerDraft {
  const { name, destination } = key
  const listener = listenerDraft({
    name,
    address: socketAddress(key.address, key.port),
    direction: 'outbound',
    bindToPort: key.bindToPort,
    statPrefix: true,
  })
  if (key.additional.length > 0) {
    listener.config.additionalAddresses = key.additional.map(({ address, port }) => ({ address: socketAddress(address, port) }))
  }
  listener.config.metadata = tagsMetadata({ [metadataKeys.unifiedName]: name })
  if (key.terminal === 'tcp') {
    listener.chains.push(filterChain(tcpDraft(name, name)))
    return listener
  }
  const route = routeTo({
    name: defaultRouteName,
    prefix: '/',
    cluster: name,
    timeoutSeconds: 0,
    autoHostRewrite: destination.kind === 'MeshExternalService',
  })
  listener.chains.push(
    filterChain(
      httpDraft({
        statPrefix: name,
        routeConfigName: name,
        virtualHost: name,
        routes: [route],
        config: { normalizePath: boolValue(true), internalAddressConfig: meshInternalAddresses(key.ipv6) },
        filters: destination.protocol === 'grpc' ? [grpcStatsFilter] : [],
      }),
    ),
  )
  return listener
}
