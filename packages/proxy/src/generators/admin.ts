// The admin listener: readiness for everyone, Envoy's admin API for the control plane over mutual TLS (contract/dataplane.md section 9).
import {
  filterChain,
  httpDraft,
  inlineDownstreamTls,
  type ClusterDraft,
  type ListenerDraft,
  listenerDraft,
  localInternalAddresses,
  pipeAddress,
  readinessSocketPrefix,
  routeTo,
  socketAddress,
  socketPath,
  staticCluster,
  systemNames,
} from '@weft/envoy'
import type { ProxyFacts } from '@weft/facts'
import type { ProxyTraits } from '../features.ts'

/** The certificate of a proxy's admin listener and the authority its callers come from. */
export interface AdminCertificate {
  readonly certificatePem: string
  readonly keyPem: string
  readonly clientCaPem: string
}

/** The DNS name in the control plane's client certificate. */
const controlPlaneName = 'kuma-cp'

export interface AdminInput {
  readonly facts: ProxyFacts
  readonly traits: ProxyTraits
  /** Without it there is no way in to the admin API but readiness is served. */
  readonly certificate: AdminCertificate | undefined
}

/** Clusters that the admin listener routes to. */
export function adminClusters({ facts, traits }: AdminInput): ClusterDraft[] {
  const { proxy } = facts
  const admin =
    proxy.adminSocketPath === undefined ? socketAddress(proxy.adminAddress, proxy.adminPort) : pipeAddress(proxy.adminSocketPath)
  const clusters = [staticCluster(systemNames.admin, [admin])]
  if (traits.readinessSocket) {
    clusters.push(staticCluster(systemNames.readiness, [pipeAddress(socketPath(proxy.workdir, readinessSocketPrefix))]))
  } else if (proxy.readinessPort > 0) {
    clusters.push(staticCluster(systemNames.readiness, [socketAddress(readinessHost(facts), proxy.readinessPort)]))
  }
  return clusters
}

/** The admin listener; undefined where Envoy's own admin already has that address. */
export function adminListener({ facts, traits, certificate }: AdminInput): ListenerDraft | undefined {
  const { proxy } = facts
  if (proxy.adminPort <= 0) return undefined
  if (proxy.adminSocketPath === undefined && proxy.adminAddress === facts.address) return undefined
  const listener = listenerDraft({
    name: systemNames.admin,
    address: socketAddress(facts.address, proxy.adminPort),
    direction: 'inbound',
    bindToPort: true,
    reusePort: traits.reusePort,
    statPrefix: false,
  })
  const readiness = traits.readinessSocket || proxy.readinessPort > 0 ? systemNames.readiness : systemNames.admin
  const ready = routeTo({ prefix: '/ready', cluster: readiness, prefixRewrite: '/ready' })
  const http = (routes: ReturnType<typeof routeTo>[]): ReturnType<typeof httpDraft> =>
    httpDraft({
      statPrefix: systemNames.admin,
      virtualHost: systemNames.admin,
      routes,
      config: { internalAddressConfig: localInternalAddresses(proxy.ipv6Enabled) },
    })
  listener.chains.push(filterChain(http([ready])))
  if (certificate !== undefined) {
    listener.tlsInspector = true
    listener.chains.push(
      filterChain(http([ready, routeTo({ prefix: '/', cluster: systemNames.admin, prefixRewrite: '/' })]), {
        match: { transportProtocol: 'tls' },
        tls: inlineDownstreamTls({
          certificatePem: certificate.certificatePem,
          keyPem: certificate.keyPem,
          clientCaPem: certificate.clientCaPem,
          clientName: controlPlaneName,
        }),
      }),
    )
  }
  return listener
}

/** The launcher answers on loopback, or beside Envoy's admin when that is on TCP (contract/dataplane.md section 4). */
function readinessHost(facts: ProxyFacts): string {
  return facts.proxy.adminSocketPath === undefined ? facts.proxy.adminAddress : '127.0.0.1'
}
