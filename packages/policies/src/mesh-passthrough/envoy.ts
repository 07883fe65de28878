// MeshPassthrough: which of the redirected traffic that no outbound wants may go where it was going (contract/policies.md section 3.9).
import {
  type ClusterDraft,
  explicitHttp,
  type FilterChainDraft,
  filterChain,
  type HttpDraft,
  httpDraft,
  type IpFamily,
  meshInternalAddresses,
  type Mutable,
  originalDstCluster,
  passthroughName,
  routeTo,
  staticCluster,
  tcpDraft,
  uintValue,
} from '@weft/envoy'
import { field } from '@weft/foundation/json'
import { canonicalJson } from '@weft/foundation/schema'
import { proxyConf } from '@weft/policy'
import type { Messages } from '@weft/proto'
import type { PolicyPlugin } from '../plugin.ts'
import { canonicalCidr } from './cidr.ts'
import { isOfFamily, isRequestProtocol, type PassthroughChain, passthroughChains, type PassthroughProtocol } from './matches.ts'

/** What passes; absent matches let nothing pass. */
export interface PassthroughConf {
  readonly mode: 'All' | 'None' | 'Matched'
  readonly chains: readonly PassthroughChain[]
}

/** The domain that stands for all. */
const anyDomain = '*'
const noMatch =
  'This response comes from Kuma Sidecar. No routes matched this domain - check configuration of your MeshPassthrough policy.\n'

/** Rebuilds the chains of the outbound passthrough listeners. */
export const meshPassthroughPlugin: PolicyPlugin<undefined, undefined, undefined, PassthroughConf | undefined> = {
  type: 'MeshPassthrough',
  order: 500,
  proxyConf({ policies, report }) {
    const conf = proxyConf(policies)
    if (conf === undefined) return undefined
    const mode = field(conf, 'passthroughMode')
    if (mode === 'All' || mode === 'None') return { mode, chains: [] }
    return { mode: 'Matched', chains: passthroughChains(conf, report) }
  },
  passthrough(view, conf) {
    if (conf === undefined || conf.mode === 'All') return
    const serverFirst = conf.chains.filter((chain) => chain.protocol === 'mysql').map((chain) => chain.port)
    const serverFirstPorts = [...new Set(serverFirst)].sort((a, b) => a - b)
    for (const { family, listener } of view.outbound) {
      const chains = distinct(conf.chains.filter((chain) => isOfFamily(chain, family)))
      if (chains.length === 0) {
        close(view.clusters, family)
        continue
      }
      remove(view.clusters, family)
      listener.chains = chains.map((chain) => chainDraft(chain, { family, ipv6: view.ipv6 }))
      listener.originalDst = true
      listener.tlsInspector = true
      listener.httpInspector = true
      listener.inspectorsOffPorts = serverFirstPorts
      for (const cluster of clustersOf(chains)) {
        if (!view.clusters.some((known) => known.name === cluster.name)) view.clusters.push(cluster)
      }
    }
  },
}

/** Envoy refuses a listener with two chains for the same traffic; the first one counts. */
function distinct(chains: readonly PassthroughChain[]): readonly PassthroughChain[] {
  const seen = new Set<string>()
  return chains.filter((chain) => {
    const match = canonicalJson(matchOf(chain))
    return !seen.has(match) && seen.add(match)
  })
}

/**
 * Puts a cluster without endpoints in the place of the one that leads everywhere: connections are closed as soon as the cluster is there, while
 * a cluster that is taken away would first drain.
 */
function close(clusters: ClusterDraft[], family: IpFamily): void {
  const index = clusters.findIndex((cluster) => cluster.name === passthroughName('outbound', family))
  if (index >= 0) clusters[index] = staticCluster(passthroughName('outbound', family), [])
}

/** Takes away the cluster that leads everywhere, which no chain names any more. */
function remove(clusters: ClusterDraft[], family: IpFamily): void {
  const index = clusters.findIndex((cluster) => cluster.name === passthroughName('outbound', family))
  if (index >= 0) clusters.splice(index, 1)
}

/** Name of the chain and of its cluster. A chain that collects domains has a cluster for each. A server that speaks first still speaks TCP. */
function nameOf(protocol: PassthroughProtocol, value: string, port: number): string {
  return ['meshpassthrough', protocol === 'mysql' ? 'tcp' : protocol, ...(value === '' ? [] : [value]), port === 0 ? '*' : port].join('_')
}

function clustersOf(chains: readonly PassthroughChain[]): readonly ClusterDraft[] {
  return chains.flatMap(({ protocol, port, value, domains }) =>
    (value === '' ? domains : [value]).map((target) => {
      const cluster = originalDstCluster(nameOf(protocol, target, port))
      if (protocol === 'grpc' || protocol === 'http2') cluster.httpProtocolOptions = explicitHttp(2)
      return cluster
    }),
  )
}

function chainDraft(chain: PassthroughChain, at: { readonly family: IpFamily; readonly ipv6: boolean }): FilterChainDraft {
  const { protocol, port, value } = chain
  const name = nameOf(protocol, value, port)
  return filterChain(isRequestProtocol(protocol) ? httpTerminal(chain, name, at.ipv6) : tcpDraft(name, name), {
    name,
    match: matchOf(chain),
  })
}

function matchOf({ protocol, port, kind, value }: PassthroughChain): Mutable<Messages['envoy.config.listener.v3.FilterChainMatch']> {
  const cidr = canonicalCidr(kind === 'ip4' ? `${value}/32` : kind === 'ip6' ? `${value}/128` : value)
  return {
    ...(port === 0 ? {} : { destinationPort: uintValue(port) }),
    ...(cidr === undefined ? {} : { prefixRanges: [{ addressPrefix: cidr.address, prefixLen: uintValue(cidr.bits) }] }),
    ...(protocol === 'tls' && cidr === undefined && value !== anyDomain ? { serverNames: [value] } : {}),
    transportProtocol: protocol === 'tls' ? 'tls' : 'raw_buffer',
    ...(isRequestProtocol(protocol) ? { applicationProtocols: ['http/1.1', 'h2c'] } : {}),
  }
}

function httpTerminal({ protocol, port, value, domains }: PassthroughChain, name: string, ipv6: boolean): HttpDraft {
  const draft = httpDraft({
    statPrefix: name,
    routeConfigName: name,
    virtualHost: value,
    routes: [routeTo({ prefix: '/', cluster: name })],
    config: { internalAddressConfig: meshInternalAddresses(ipv6) },
  })
  draft.routeConfig = { name }
  if (value !== '') return draft
  draft.virtualHosts = domains.map((domain) => ({
    name: domain,
    domains: [domain, ...portForms(domain, port)],
    routes: [routeTo({ prefix: '/', cluster: nameOf(protocol, domain, port) })],
  }))
  if (!domains.includes(anyDomain))
    draft.virtualHosts.push({
      name: 'no_match',
      domains: ['*'],
      routes: [{ match: { prefix: '/' }, directResponse: { status: 503, body: { inlineString: noMatch } } }],
    })
  return draft
}

/** How else a request may write the host: with its port. Envoy takes no wildcard at both ends. */
function portForms(domain: string, port: number): readonly string[] {
  if (domain === anyDomain) return []
  if (port !== 0) return [`${domain}:${port}`]
  return domain.startsWith('*') ? [] : [`${domain}:*`]
}
