// One listener and one cluster per inbound: traffic from the mesh to the workload beside the proxy (contract/dataplane.md section 9).
import {
  bindSource,
  type ClusterDraft,
  durationSeconds,
  explicitHttp,
  filterChain,
  forwardClientCert,
  grpcStatsFilter,
  type HttpDraft,
  httpDraft,
  inboundName,
  type ListenerDraft,
  listenerDraft,
  meshInternalAddresses,
  routeTo,
  socketAddress,
  staticCluster,
  type TcpDraft,
  tagsHeader,
  tagsMetadata,
  tcpDraft,
} from '@weft/envoy'
import type { InboundFact, ProxyFacts } from '@weft/facts'
import type { ProxyTraits } from '../features.ts'
import { redirectionSource } from './transparent-proxy.ts'

export interface InboundInput {
  readonly facts: ProxyFacts
  readonly traits: ProxyTraits
  readonly inbound: InboundFact
}

/** Timeouts of an inbound that no policy speaks about: long, because the caller's proxy sets the tight ones. */
const timeouts = { connect: 10, idle: 7200, streamIdle: 3600 } as const

/** The cluster of the workload. */
export function inboundCluster({ traits, inbound }: InboundInput): ClusterDraft {
  const cluster = staticCluster(inboundName(inbound.section), [socketAddress(inbound.workloadAddress, inbound.workloadPort)])
  cluster.config.connectTimeout = durationSeconds(timeouts.connect)
  if (inbound.protocol !== 'tcp') {
    cluster.httpProtocolOptions = explicitHttp(inbound.protocol === 'http' ? 1 : 2)
    if (inbound.protocol !== 'grpc') {
      cluster.httpProtocolOptions.commonHttpProtocolOptions = {
        idleTimeout: durationSeconds(timeouts.idle),
        maxStreamDuration: durationSeconds(0),
      }
    }
  }
  if (traits.redirected && !isLoopback(inbound.workloadAddress)) bindSource(cluster, redirectionSource(inbound.workloadAddress))
  return cluster
}

/** The listener of the inbound, in plain text: MeshTLS secures it, or fails and then the listener is not served. */
export function inboundListener(input: InboundInput): ListenerDraft {
  const { facts, traits, inbound } = input
  const listener = listenerDraft({
    name: inboundName(inbound.section),
    address: socketAddress(inbound.address, inbound.port),
    direction: 'inbound',
    bindToPort: !traits.redirected,
    reusePort: traits.reusePort,
    statPrefix: true,
  })
  listener.config.metadata = tagsMetadata(facts.labels)
  listener.chains.push(filterChain(terminal(input)))
  return listener
}

function terminal({ facts, inbound }: InboundInput): HttpDraft | TcpDraft {
  const name = inboundName(inbound.section)
  if (inbound.protocol === 'tcp') {
    const tcp = tcpDraft(name, name)
    tcp.config.idleTimeout = durationSeconds(timeouts.idle)
    return tcp
  }
  const http = httpDraft({
    statPrefix: name,
    routeConfigName: name,
    virtualHost: name,
    routes: [routeTo({ prefix: '/', cluster: name, timeoutSeconds: 0 })],
    config: {
      forwardClientCertDetails: forwardClientCert.SANITIZE_SET,
      setCurrentClientCertDetails: { uri: true },
      streamIdleTimeout: durationSeconds(timeouts.streamIdle),
      internalAddressConfig: meshInternalAddresses(facts.proxy.ipv6Enabled),
    },
    filters: inbound.protocol === 'grpc' ? [grpcStatsFilter] : [],
  })
  http.routeConfig.requestHeadersToRemove = [tagsHeader]
  return http
}

/** The addresses that redirection never touches. */
function isLoopback(address: string): boolean {
  return address === '127.0.0.1' || address === '::1'
}
