// Passthrough: redirected traffic that no other listener wants goes to where it was going (contract/dataplane.md section 9).
import {
  bindSource,
  type ClusterDraft,
  filterChain,
  type IpFamily,
  type ListenerDraft,
  listenerDraft,
  originalDstCluster,
  passthroughName,
  socketAddress,
  staticCluster,
  systemNames,
  tcpDraft,
} from '@weft/envoy'
import type { ProxyFacts, TransparentProxyFact } from '@weft/facts'
import type { ProxyTraits } from '../features.ts'

/** Everything the passthrough depends on besides policies. Plain JSON, and nothing of a single proxy: those with an equal text share it. */
export interface PassthroughInput {
  /** Undefined: nothing passes through. */
  readonly redirect: TransparentProxyFact | undefined
  /** Undeclared inbound ports may be closed. */
  readonly strictInboundPorts: boolean
  readonly reusePort: boolean
  /** The only ports that inbound traffic may pass to; undefined: all. */
  readonly inboundPorts: readonly number[] | undefined
}

const families: readonly {
  readonly family: IpFamily
  readonly any: string
  /** Source address that the redirection rules let through. */
  readonly source: string
}[] = [
  { family: 'ipv4', any: '0.0.0.0', source: '127.0.0.6' },
  { family: 'ipv6', any: '::', source: '::6' },
]

/** Source address for connections to a workload, by the family of its address. */
export function redirectionSource(address: string): string {
  return address.includes(':') ? '::6' : '127.0.0.6'
}

/** The passthrough of a proxy. Proxies that bind their outbounds have none (contract/dataplane.md section 3.3). */
export function passthroughInput(
  { proxy }: ProxyFacts,
  { bindOutbounds, strictInboundPorts, reusePort }: ProxyTraits,
  inboundPorts: readonly number[] | undefined,
): PassthroughInput {
  return { redirect: bindOutbounds ? undefined : proxy.transparentProxy, strictInboundPorts, reusePort, inboundPorts }
}

/** Original destination clusters, and the black hole for undeclared inbound ports. */
export function passthroughClusters({ redirect, strictInboundPorts }: PassthroughInput): ClusterDraft[] {
  if (redirect === undefined) return []
  const clusters: ClusterDraft[] = []
  for (const { family, source } of families) {
    if (!redirect[family]) continue
    clusters.push(originalDstCluster(passthroughName('outbound', family)))
    const inbound = originalDstCluster(passthroughName('inbound', family))
    bindSource(inbound, source)
    clusters.push(inbound)
  }
  if (strictInboundPorts) {
    const blackHole = staticCluster(systemNames.noInboundDestination, [])
    blackHole.config.altStatName = systemNames.noInboundDestination
    clusters.push(blackHole)
  }
  return clusters
}

/** The listeners on the redirect ports. */
export function passthroughListeners({ redirect, reusePort, inboundPorts }: PassthroughInput): ListenerDraft[] {
  if (redirect === undefined) return []
  const listeners: ListenerDraft[] = []
  for (const { family, any } of families) {
    if (!redirect[family]) continue
    const outboundName = passthroughName('outbound', family)
    const outbound = listenerDraft({
      name: outboundName,
      address: socketAddress(any, redirect.outboundPort),
      direction: 'outbound',
      bindToPort: true,
      statPrefix: true,
    })
    outbound.config.useOriginalDst = { value: true }
    outbound.chains.push(filterChain(tcpDraft(outboundName, outboundName)))
    listeners.push(outbound)

    const inboundName = passthroughName('inbound', family)
    const inbound = listenerDraft({
      name: inboundName,
      address: socketAddress(any, redirect.inboundPort),
      direction: 'inbound',
      bindToPort: true,
      reusePort,
      statPrefix: true,
    })
    inbound.config.useOriginalDst = { value: true }
    if (inboundPorts === undefined) {
      inbound.chains.push(filterChain(tcpDraft(inboundName, inboundName)))
    } else if (inboundPorts.length === 0) {
      inbound.chains.push(filterChain(tcpDraft(systemNames.noInboundDestination, systemNames.noInboundDestination)))
    } else {
      for (const port of inboundPorts) {
        inbound.chains.push(filterChain(tcpDraft(inboundName, inboundName), { match: { destinationPort: { value: port } } }))
      }
    }
    listeners.push(inbound)
  }
  return listeners
}
