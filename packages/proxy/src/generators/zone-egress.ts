// Zone egress: proxies of the mesh reach external services by server name; their TLS ends here and what the service asks for begins
// (contract/dataplane.md section 12).
import { AppError } from '@weft/foundation/errors'
import {
  type ClusterDraft,
  downstreamTls,
  explicitHttp,
  externalCluster,
  type ExternalTls,
  filterChain,
  type FilterChainDraft,
  httpDraft,
  type ListenerDraft,
  listenerDraft,
  meshInternalAddresses,
  routeTo,
  socketAddress,
  systemNames,
  tcpDraft,
  tlsProtocol,
  zoneEgressName,
} from '@weft/envoy'
import type { DestinationFact, ExternalTargetFact, ExternalTlsFact, ZoneListenerFact } from '@weft/facts'
import { httpVersion } from './outbound.ts'

export interface EgressClusterInput {
  readonly name: string
  readonly target: ExternalTargetFact
  /** Where the proxy's operating system keeps the authorities it trusts; '' when it did not say. */
  readonly systemCaPath: string
}

/**
 * The cluster of an external service.
 * @throws AppError `policy/unresolved` when what it refers to is missing: it is then not reached rather than reached unchecked.
 */
export function egressCluster({ name, target, systemCaPath }: EgressClusterInput): ClusterDraft {
  const { destination, endpoints, tls, problem } = target
  if (problem !== undefined) throw new AppError('policy/unresolved', `external service cannot be reached: ${problem}`)
  const cluster = externalCluster({
    name,
    endpoints,
    labels: destination.labels,
    tls: tls && tlsOf(tls, systemCaPath),
  })
  const version = httpVersion(destination)
  if (version !== undefined) cluster.httpProtocolOptions = explicitHttp(version)
  return cluster
}

function tlsOf(tls: ExternalTlsFact, systemCaPath: string): ExternalTls {
  if (tls.ca === 'system' && systemCaPath === '')
    throw new AppError(
      'policy/unresolved',
      'external service cannot be verified: the proxy names no file with the authorities of its system',
    )
  return {
    ...tls,
    minVersion: versionOf(tls.minVersion),
    maxVersion: versionOf(tls.maxVersion),
    ca: tls.ca === 'system' ? { file: systemCaPath } : tls.ca,
    names: tls.subjectAltNames,
    client: tls.client && { certificatePem: tls.client.certificatePem, keyPem: tls.client.key.reveal() },
  }
}

/** `TLS12` as Envoy spells it. */
function versionOf(version: string | undefined): keyof typeof tlsProtocol | undefined {
  switch (version) {
    case 'TLS10':
      return 'TLSv1_0'
    case 'TLS11':
      return 'TLSv1_1'
    case 'TLS12':
      return 'TLSv1_2'
    case 'TLS13':
      return 'TLSv1_3'
    default:
      return undefined
  }
}

export interface ZoneEgressInput {
  readonly listener: ZoneListenerFact
  readonly reusePort: boolean
  /** Whether IPv6 ranges count as inside. */
  readonly ipv6: boolean
  /** Name of the certificate secret: without an identity an egress serves nobody. */
  readonly identitySecret: string
  /** In the order of the chains, each with a server name of its own. */
  readonly routes: readonly { readonly cluster: string; readonly destination: DestinationFact }[]
}

/** The egress listener with one chain for each target. */
export function egressListener(input: ZoneEgressInput): ListenerDraft {
  const { listener: fact, routes } = input
  const listener = listenerDraft({
    name: zoneEgressName(fact.section),
    address: socketAddress(fact.address, fact.port),
    direction: 'inbound',
    bindToPort: true,
    reusePort: input.reusePort,
    statPrefix: true,
  })
  listener.tlsInspector = true
  listener.chains.push(...routes.map((route) => egressChain(input, route)))
  return listener
}

function egressChain(
  { ipv6, identitySecret }: ZoneEgressInput,
  { cluster, destination }: ZoneEgressInput['routes'][number],
): FilterChainDraft {
  const { id, sni, protocol } = destination
  const terminal =
    protocol === 'tcp'
      ? tcpDraft(id, cluster)
      : httpDraft({
          statPrefix: id,
          routeConfigName: id,
          virtualHost: id,
          routes: [routeTo({ prefix: '/', cluster, timeoutSeconds: 0, autoHostRewrite: true })],
          config: { internalAddressConfig: meshInternalAddresses(ipv6) },
        })
  return filterChain(terminal, {
    name: id,
    match: { transportProtocol: 'tls', serverNames: [sni ?? ''] },
    // any member of the mesh may connect; who may call is for the permission rules of the chain
    tls: downstreamTls({ identitySecret, trustSecret: systemNames.trustBundle, trustDomains: [] }),
  })
}
