// MeshTrace: spans of HTTP requests, and the collector they go to (contract/policies.md section 3.13).
import { isIP } from 'node:net'
import { type ClusterDraft, type ListenerDraft, useServerTls } from '@weft/envoy'
import type { TelemetryBackendFact } from '@weft/facts'
import { proxyConf, resolveTelemetryBackend } from '@weft/policy'
import type { Resource } from '@weft/resources'
import { directUrl, encryptDirect, otelDirectCluster, otelSocketCluster, serverCluster } from '../otel-backend.ts'
import type { OwnAdditions, OwnerView, PolicyPlugin } from '../plugin.ts'
import type { TraceConf } from './resource.ts'
import { clusterName, type TraceShare, tracingOf } from './tracing.ts'

type Conf = TraceConf | undefined

/** Traces on every HTTP chain of inbounds, outbounds and zone listeners. */
export const meshTracePlugin: PolicyPlugin<Conf, undefined, Conf, Conf, unknown, TraceShare> = {
  type: 'MeshTrace',
  order: 700,
  inboundConf: ({ policies }) => traceConf(policies),
  zoneConf: ({ policies }) => traceConf(policies),
  proxyConf: ({ policies }) => traceConf(policies),
  inbound: ({ listener, owner }, conf) => trace(listener, conf && shareOf(owner, conf), 'INBOUND'),
  share: (owner, _, conf) => conf && shareOf(owner, conf),
  outboundListener({ listener, name, destination }, _, share) {
    // calls to external services are traced where they leave, at the zone egress
    if (destination.kind !== 'MeshExternalService') trace(listener, share, `OUTBOUND_${name}`)
  },
  zoneListener: ({ listener, owner }, conf) => trace(listener, conf && shareOf(owner, conf), undefined),
  own: (owner, { whole }) => whole && collectorOf(owner, whole),
}

/** Undefined without a backend: an empty list of the strongest policy switches tracing off. */
function traceConf(policies: readonly Resource[]): Conf {
  // stored policies passed the codec of their kind, and merging keeps its shape
  const conf = proxyConf(policies) as Conf
  return conf?.backends?.[0] === undefined ? undefined : conf
}

function shareOf(owner: OwnerView, conf: TraceConf): TraceShare {
  const { mesh, zone, workloadKri, service } = owner
  const share = { conf, mesh, zone, workloadKri, service }
  const backend = otelBackendOf(owner, conf)
  if (backend === undefined) return share
  const cluster = clusterName('otel', backend.name)
  const isHttp = backend.protocol === 'http' && !owner.otelSockets
  return { ...share, collector: { cluster, ...(isHttp ? { url: directUrl(backend, owner, 'v1/traces') } : {}) } }
}

function trace(listener: ListenerDraft, share: TraceShare | undefined, direction: string | undefined): void {
  if (share === undefined) return
  for (const { terminal } of listener.chains) if (terminal.kind === 'http') terminal.config.tracing = tracingOf(share, direction)
}

function otelBackendOf(owner: OwnerView, { backends }: TraceConf): TelemetryBackendFact | undefined {
  const backend = backends?.[0]
  return backend?.type === 'OpenTelemetry' ? resolveTelemetryBackend(backend.openTelemetry?.backendRef, owner.telemetryBackends) : undefined
}

function collectorOf(owner: OwnerView, conf: TraceConf): OwnAdditions | undefined {
  const backend = conf.backends?.[0]
  const collector = otelBackendOf(owner, conf)
  if (collector !== undefined) {
    const name = clusterName('otel', collector.name)
    if (owner.otelSockets) {
      return { ...clusters(otelSocketCluster(name, collector, owner)), exports: [{ signal: 'traces', backend: collector }] }
    }
    const direct = otelDirectCluster(name, collector, owner)
    encryptDirect(direct, collector, owner)
    return clusters(direct)
  }
  if (backend?.type === 'Zipkin' && backend.zipkin) return clusters(zipkinCluster(backend.zipkin.url))
  if (backend?.type === 'Datadog' && backend.datadog) return clusters(urlCluster('datadog', backend.datadog.url))
  return undefined
}

function clusters(draft: ClusterDraft): OwnAdditions {
  return { clusters: [{ origin: 'mesh-trace', draft }] }
}

/** The certificate of a Zipkin server is not verified: the policy has no field for its authority. */
function zipkinCluster(url: string): ClusterDraft {
  const cluster = urlCluster('zipkin', url)
  const { protocol, hostname } = new URL(url)
  const host = withoutBrackets(hostname)
  if (protocol === 'https:') useServerTls(cluster, { name: host, ...(isIP(host) === 0 ? { sni: host } : {}), allowRenegotiation: true })
  return cluster
}

function urlCluster(kind: 'zipkin' | 'datadog', text: string): ClusterDraft {
  const url = new URL(text)
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  return serverCluster(clusterName(kind, text), withoutBrackets(url.hostname), port)
}

function withoutBrackets(host: string): string {
  return host.replace(/^\[|\]$/g, '')
}
