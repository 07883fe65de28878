// Clusters of addresses outside the mesh, with the TLS that is spoken there (contract/dataplane.md section 12).
import { isIP } from 'node:net'
import type { Messages } from '@weft/proto'
import { packed } from './any.ts'
import { base } from './cluster.ts'
import type { ClusterDraft, Mutable } from './drafts.ts'
import { discoveryType, sanType, tlsProtocol } from './enums.ts'
import { extensionNames, metadataKeys } from './names.ts'
import { socketAddress, stringStruct, uintValue } from './values.ts'

type UpstreamTls = Messages['envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext']
type SanMatcher = Messages['envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher']
type SocketMatch = Messages['envoy.config.cluster.v3.Cluster.TransportSocketMatch']
type Validation = Messages['envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext']

export interface ExternalEndpoint {
  readonly address: string
  readonly port: number
  readonly priority: number
}

/** TLS towards an external service. */
export interface ExternalTls {
  /** Undefined: the endpoint's own host name. */
  readonly serverName: string | undefined
  readonly minVersion: keyof typeof tlsProtocol | undefined
  readonly maxVersion: keyof typeof tlsProtocol | undefined
  readonly allowRenegotiation: boolean
  /** Undefined: the server's certificate is not checked at all. */
  readonly ca: { readonly file: string } | { readonly pem: string } | undefined
  /** Whether the certificate must carry the server name or one of `names`. */
  readonly checkNames: boolean
  readonly names: readonly { readonly type: 'Exact' | 'Prefix'; readonly value: string }[]
  readonly client: { readonly certificatePem: string; readonly keyPem: string } | undefined
}

export interface ExternalClusterInput {
  readonly name: string
  readonly endpoints: readonly ExternalEndpoint[]
  /** Metadata of every endpoint. */
  readonly labels: Readonly<Record<string, string>>
  readonly tls: ExternalTls | undefined
}

/** Endpoint metadata that tells hosts with different names apart, where each needs TLS of its own. */
const hostKey = 'weft.io/host'

/** A cluster of fixed addresses and names; names are resolved by Envoy. */
export function externalCluster({ name, endpoints, labels, tls }: ExternalClusterInput): ClusterDraft {
  const hosts = [...new Set(endpoints.map(({ address }) => address))]
  // one server name for all makes one context; else each host is checked by its own
  const perHost = tls !== undefined && tls.serverName === undefined && hosts.length > 1
  const draft = base(name, { type: hosts.every((host) => isIP(host) !== 0) ? discoveryType.STATIC : discoveryType.STRICT_DNS })
  const metadataOf = (address: string) => {
    const struct = stringStruct(labels)
    const match = perHost ? stringStruct({ ...labels, [hostKey]: address }) : struct
    return { filterMetadata: { [metadataKeys.loadBalancer]: struct, [metadataKeys.transportSocketMatch]: match } }
  }
  const priorities = [...new Set(endpoints.map(({ priority }) => priority))].sort((a, b) => a - b)
  draft.config.loadAssignment = {
    clusterName: name,
    endpoints: priorities.map((priority) => ({
      locality: { subZone: `priority-${priority}` },
      ...(priority === 0 ? {} : { priority }),
      lbEndpoints: endpoints
        .filter((endpoint) => endpoint.priority === priority)
        .toSorted((a, b) => compare(a.address, b.address) || a.port - b.port)
        .map(({ address, port }) => ({
          endpoint: { address: socketAddress(address, port) },
          loadBalancingWeight: uintValue(1),
          metadata: metadataOf(address),
        })),
    })),
  }
  if (tls === undefined) return draft
  draft.config.transportSocketMatches = (perHost ? hosts : hosts.slice(0, 1)).map(
    (host): Mutable<SocketMatch> => ({
      name: host,
      ...(perHost ? { match: stringStruct({ [hostKey]: host }) } : {}),
      transportSocket: {
        name: extensionNames.tls,
        typedConfig: packed('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', contextOf(tls, host)),
      },
    }),
  )
  return draft
}

function contextOf(tls: ExternalTls, host: string): UpstreamTls {
  const serverName = tls.serverName ?? host
  const validation = tls.ca === undefined ? undefined : validationOf(tls, serverName)
  const common = {
    ...(tls.minVersion === undefined && tls.maxVersion === undefined
      ? {}
      : {
          tlsParams: {
            ...(tls.minVersion === undefined ? {} : { tlsMinimumProtocolVersion: tlsProtocol[tls.minVersion] }),
            ...(tls.maxVersion === undefined ? {} : { tlsMaximumProtocolVersion: tlsProtocol[tls.maxVersion] }),
          },
        }),
    ...(tls.client === undefined
      ? {}
      : {
          tlsCertificates: [
            {
              certificateChain: { inlineBytes: Buffer.from(tls.client.certificatePem) },
              privateKey: { inlineBytes: Buffer.from(tls.client.keyPem) },
            },
          ],
        }),
    ...(validation === undefined ? {} : { validationContext: validation }),
  }
  return {
    // an address is no server name (RFC 6066 section 3)
    ...(isIP(serverName) === 0 ? { sni: serverName } : {}),
    ...(tls.allowRenegotiation ? { allowRenegotiation: true } : {}),
    ...(Object.keys(common).length === 0 ? {} : { commonTlsContext: common }),
  }
}

/** Names are checked as DNS names and as addresses: which of the two a certificate carries is its issuer's choice. */
function validationOf({ ca, checkNames, names }: ExternalTls, serverName: string): Validation {
  const matchers = names.map(({ type, value }) => (type === 'Exact' ? { exact: value } : { prefix: value }))
  const both = (list: readonly ({ readonly exact: string } | { readonly prefix: string })[]): readonly SanMatcher[] =>
    [sanType.DNS, sanType.IP_ADDRESS].flatMap((kind) => list.map((matcher) => ({ sanType: kind, matcher })))
  return {
    trustedCa: ca !== undefined && 'file' in ca ? { filename: ca.file } : { inlineBytes: Buffer.from(ca?.pem ?? '') },
    ...(checkNames ? { matchTypedSubjectAltNames: [...both([{ exact: serverName }]), ...both(matchers)] } : {}),
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
