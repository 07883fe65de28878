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

export interface PassthroughInput {
  readonly facts: ProxyFacts
  readonly traits: ProxyTraits
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

/** Original destination clusters, and the black hole for undeclared inbound ports. */
export function passthroughClusters({ facts, traits }: PassthroughInput): ClusterDraft[] {
  const redirect = redirectOf(facts, traits)
  if (redirect === undefined) return []
  const clusters: ClusterDraft[] = []
  for (const { family, source } of families) {
    if (!redirect[family]) continue
    clusters.push(originalDstCluster(passthroughName('outbound', family)))
    const inbound = originalDstCluster(passthroughName('inbound', family))
    bindSource(inbound, source)
    clusters.push(inbound)
  }
  if (traits.strictInboundPorts) {
    const blackHole = staticCluster(systemNames.noInboundDestination, [])
    blackHole.config.altStatName = systemNames.noInboundDestination
    clusters.push(blackHole)
  }
  return clusters
}

/** The listeners on the redirect ports. */
export function passthroughListeners({ facts, traits, inboundPorts }: PassthroughInput): ListenerDraft[] {
  const redirect = redirectOf(facts, traits)
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
      reusePort: traits.reusePort,
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

/** Proxies that bind their outbounds have no passthrough (contract/dataplane.md section 3.3). */
function redirectOf(facts: ProxyFacts, traits: ProxyTraits): TransparentProxyFact | undefined {
  return traits.bindOutbounds ? undefined : facts.proxy.transparentProxy
}
