// Collectors behind a backendRef: which one it is, and the clusters that lead to it: through the launcher's socket, or directly for launchers that
// have none (contract/policies.md sections 1.1 and 1.10, contract/dataplane.md section 3.3).
import { isIP } from 'node:net'
import { type ClusterDraft, explicitHttp, pipeAddress, socketAddress, staticCluster, strictDnsCluster, useServerTls } from '@weft/envoy'
import type { TelemetryBackendFact } from '@weft/facts'
import type { OwnerView } from './plugin.ts'

const defaultHttpsPort = 443

/** Address and port as the launcher dials them. */
export function otelEndpoint({ address, port }: Pick<TelemetryBackendFact, 'address' | 'port'>): string {
  return `${isIP(address) === 6 ? `[${address}]` : address}:${port}`
}

/** OTLP over HTTP is encrypted exactly when the port says so. */
export function usesHttps({ protocol, port }: TelemetryBackendFact): boolean {
  return protocol === 'http' && port === defaultHttpsPort
}

/** The collector's address as Envoy dials it without the launcher. */
export function directAddress({ address }: TelemetryBackendFact, owner: OwnerView): string {
  return address || owner.hostIp || '127.0.0.1'
}

/** URL for one signal of an HTTP collector that Envoy calls itself. */
export function directUrl(backend: TelemetryBackendFact, owner: OwnerView, path: string): string {
  const base = backend.path.replace(/\/+$/, '')
  const host = otelEndpoint({ address: directAddress(backend, owner), port: backend.port })
  return `${usesHttps(backend) ? 'https' : 'http'}://${host}${base}/${path}`
}

/** The cluster of the launcher's socket for a collector. It speaks gRPC whatever the collector does. */
export function otelSocketCluster(name: string, backend: TelemetryBackendFact, owner: OwnerView): ClusterDraft {
  const cluster = staticCluster(name, [pipeAddress(owner.otelSocket(backend.name))])
  cluster.httpProtocolOptions = explicitHttp(2)
  return cluster
}

/** A cluster of the collector itself. */
export function otelDirectCluster(name: string, backend: TelemetryBackendFact, owner: OwnerView): ClusterDraft {
  const address = directAddress(backend, owner)
  const cluster = serverCluster(name, address, backend.port)
  if (backend.protocol === 'grpc') cluster.httpProtocolOptions = explicitHttp(2)
  return cluster
}

/** Encrypts a cluster of the collector itself where its port asks for it. */
export function encryptDirect(cluster: ClusterDraft, backend: TelemetryBackendFact, owner: OwnerView): void {
  if (!usesHttps(backend)) return
  const host = directAddress(backend, owner)
  useServerTls(cluster, {
    name: host,
    ...(isIP(host) === 0 ? { sni: host } : {}),
    ...(owner.systemCaPath === '' ? {} : { caPath: owner.systemCaPath }),
  })
}

/** A cluster of one server outside the mesh, by address or host name. */
export function serverCluster(name: string, host: string, port: number): ClusterDraft {
  const address = socketAddress(host, port)
  return isIP(host) === 0 ? strictDnsCluster(name, address) : staticCluster(name, [address])
}

/** A text as part of an Envoy name. */
export function nameOf(text: string): string {
  return text.replaceAll(/[^a-zA-Z0-9-]/g, '-')
}
