// Constructors of cluster drafts. The defaults are those a cluster has before any policy acts (contract/dataplane.md section 9).
import type { Messages } from '@weft/proto'
import type { ClusterDraft, Mutable } from './drafts.ts'
import { packed } from './any.ts'
import { discoveryType, lbPolicy, sanType } from './enums.ts'
import { extensionNames, statName } from './names.ts'
import { adsSource } from './tls.ts'
import { durationMs } from './values.ts'

type Cluster = Messages['envoy.config.cluster.v3.Cluster']
type Address = Messages['envoy.config.core.v3.Address']
type HttpProtocolOptions = Messages['envoy.extensions.upstreams.http.v3.HttpProtocolOptions']

const connectTimeoutMs = 5_000

/** What every cluster starts from. */
export function base(name: string, config: Mutable<Cluster>): ClusterDraft {
  config.connectTimeout = durationMs(connectTimeoutMs)
  config.circuitBreakers = { thresholds: [{ trackRemaining: true }] }
  const stat = statName(name)
  if (stat !== name) config.altStatName = stat
  return { name, config, httpProtocolOptions: undefined, tls: undefined }
}

/** A cluster whose endpoints come by EDS over ADS under the cluster's own name. */
export function edsCluster(name: string): ClusterDraft {
  return base(name, { type: discoveryType.EDS, edsClusterConfig: { edsConfig: adsSource } })
}

/** A cluster with fixed addresses; none at all is a black hole. */
export function staticCluster(name: string, addresses: readonly Address[]): ClusterDraft {
  const config: Mutable<Cluster> = { type: discoveryType.STATIC }
  if (addresses.length > 0) {
    config.loadAssignment = { clusterName: name, endpoints: [{ lbEndpoints: addresses.map((address) => ({ endpoint: { address } })) }] }
  }
  return base(name, config)
}

/** A cluster of one host that is looked up by name. */
export function strictDnsCluster(name: string, address: Address): ClusterDraft {
  const cluster = staticCluster(name, [address])
  cluster.config.type = discoveryType.STRICT_DNS
  return cluster
}

export interface ServerTlsInput {
  /** Name of the transport socket match. */
  readonly name: string
  /** Host name to ask for; absent for a server known by its address. */
  readonly sni?: string
  /** File with the roots the server is verified by; absent: it is not verified. */
  readonly caPath?: string
  readonly allowRenegotiation?: boolean
}

/** Encrypts all connections of a cluster to a server outside the mesh. */
export function useServerTls(cluster: ClusterDraft, { name, sni, caPath, allowRenegotiation }: ServerTlsInput): void {
  const validationContext =
    caPath === undefined
      ? undefined
      : {
          trustedCa: { filename: caPath },
          ...(sni === undefined ? {} : { matchTypedSubjectAltNames: [{ sanType: sanType.DNS, matcher: { exact: sni } }] }),
        }
  const typedConfig = packed('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
    ...(sni === undefined ? {} : { sni }),
    ...(allowRenegotiation === true ? { allowRenegotiation } : {}),
    ...(validationContext === undefined ? {} : { commonTlsContext: { validationContext } }),
  })
  cluster.config.transportSocketMatches = [{ name, match: {}, transportSocket: { name: extensionNames.tls, typedConfig } }]
}

/** A cluster that connects to wherever the client meant to go. */
export function originalDstCluster(name: string): ClusterDraft {
  return base(name, { type: discoveryType.ORIGINAL_DST, lbPolicy: lbPolicy.CLUSTER_PROVIDED })
}

/** Connections of the cluster come from this address, so that redirection lets them pass. */
export function bindSource(cluster: ClusterDraft, address: string): void {
  cluster.config.upstreamBindConfig = { sourceAddress: { address, portValue: 0 } }
}

/** Upstream protocol as spoken by servers: HTTP/1.1, or HTTP/2 without negotiation. */
export function explicitHttp(version: 1 | 2): Mutable<HttpProtocolOptions> {
  return { explicitHttpConfig: version === 2 ? { http2ProtocolOptions: {} } : { httpProtocolOptions: {} } }
}
