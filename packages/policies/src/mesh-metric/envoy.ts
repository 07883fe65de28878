// MeshMetric: listeners that Prometheus scrapes, the way to OpenTelemetry collectors, and what the launcher is told to collect
// (contract/policies.md section 3.15).
import {
  filterChain,
  grpcStatsFilter,
  httpDraft,
  type HttpDraft,
  explicitHttp,
  fileDownstreamTls,
  type ListenerDraft,
  listenerDraft,
  localInternalAddresses,
  pipeAddress,
  routeTo,
  socketAddress,
  staticCluster,
  type ClusterDraft,
} from '@weft/envoy'
import type { TelemetryBackendFact } from '@weft/facts'
import { proxyConf, resolveTelemetryBackend } from '@weft/policy'
import { goJson } from '../go-json.ts'
import { encryptDirect, nameOf, otelDirectCluster } from '../otel-backend.ts'
import type { OwnAdditions, OwnerView, PolicyPlugin } from '../plugin.ts'
import { launcherConfig, type MetricCollector, refreshInterval } from './launcher-config.ts'
import type { MetricConf } from './resource.ts'

type Conf = MetricConf | undefined
type Backend = NonNullable<MetricConf['backends']>[number]
type Prometheus = NonNullable<Backend['prometheus']>

/** Path of the launcher's metrics endpoint. */
const launcherPath = '/meshmetric'
const defaultClient = 'default-backend'

/** Acts on no part that others made: everything it has is its own. */
export const meshMetricPlugin: PolicyPlugin<unknown, unknown, unknown, Conf> = {
  type: 'MeshMetric',
  order: 1500,
  proxyConf: ({ policies }) => {
    // stored policies passed the codec of their kind, and merging keeps its shape
    const conf = proxyConf(policies) as Conf
    return (conf?.backends ?? []).length === 0 ? undefined : conf
  },
  own: (owner, { whole }) => whole && additions(owner, whole),
}

function additions(owner: OwnerView, conf: MetricConf): OwnAdditions {
  const backends = conf.backends ?? []
  const scraped = backends.flatMap(({ type, prometheus }) => (type === 'Prometheus' && prometheus ? [prometheus] : []))
  const collectors = collectorsOf(owner, backends)
  const direct = owner.otelSockets ? [] : collectors
  return {
    clusters: [
      ...scraped.map((prometheus) => ({ origin: 'prometheus' as const, draft: scrapeCluster(owner, prometheus) })),
      ...direct.map(({ collector }) => ({ origin: 'mesh-metric' as const, draft: collectorCluster(owner, collector) })),
    ],
    listeners: [
      ...scraped.map((prometheus) => ({ origin: 'prometheus' as const, draft: scrapeListener(owner, prometheus) })),
      ...direct.map(({ collector }) => ({ origin: 'mesh-metric' as const, draft: collectorListener(owner, collector) })),
    ],
    dynamicConfig: {
      path: 'meshmetric',
      body: goJson(launcherConfig(owner, conf, { prometheus: scraped.length > 0, collectors: direct })),
    },
    exports: collectors.map(({ collector, refreshInterval: interval }) => ({
      signal: 'metrics',
      backend: collector,
      ...(interval === undefined ? {} : { refreshInterval: interval }),
    })),
  }
}

/** The collectors that exist, each once. */
function collectorsOf(owner: OwnerView, backends: readonly Backend[]): readonly MetricCollector[] {
  const found = new Map<string, MetricCollector>()
  for (const { type, openTelemetry } of backends) {
    const collector = type === 'OpenTelemetry' ? resolveTelemetryBackend(openTelemetry?.backendRef, owner.telemetryBackends) : undefined
    if (collector === undefined || found.has(collector.name)) continue
    found.set(collector.name, { collector, refreshInterval: refreshInterval(openTelemetry) })
  }
  return [...found.values()]
}

/** These clusters come after MeshCircuitBreaker, which counts what the others have left. */
function uncounted(cluster: ClusterDraft): ClusterDraft {
  delete cluster.config.circuitBreakers
  return cluster
}

function scrapeName({ clientId }: Prometheus): string {
  return `system_meshmetric_prometheus_${nameOf(clientId || defaultClient)}`
}

function scrapeCluster(owner: OwnerView, prometheus: Prometheus): ClusterDraft {
  return uncounted(staticCluster(scrapeName(prometheus), [pipeAddress(owner.metricsSocket)]))
}

function scrapeListener(owner: OwnerView, prometheus: Prometheus): ListenerDraft {
  const name = scrapeName(prometheus)
  const listener = listenerDraft({
    name,
    address: socketAddress(owner.address, prometheus.port ?? 5670),
    direction: 'inbound',
    bindToPort: true,
    reusePort: owner.reusePort,
    statPrefix: true,
  })
  const { metricsCertPath: certificate, metricsKeyPath: key } = owner
  const encrypted = prometheus.tls?.mode === 'ProvidedTLS' && certificate !== '' && key !== ''
  const http = systemHttp(owner, name, routeTo({ prefix: prometheus.path ?? '/metrics', cluster: name, prefixRewrite: launcherPath }))
  listener.chains.push(filterChain(http, encrypted ? { tls: fileDownstreamTls(certificate, key) } : {}))
  return listener
}

function collectorName({ name }: TelemetryBackendFact): string {
  return `system_meshmetric_otel_${nameOf(name)}`
}

function collectorCluster(owner: OwnerView, collector: TelemetryBackendFact): ClusterDraft {
  const cluster = otelDirectCluster(collectorName(collector), collector, owner)
  encryptDirect(cluster, collector, owner)
  cluster.httpProtocolOptions = explicitHttp(2)
  return uncounted(cluster)
}

/** For launchers that send metrics to Envoy instead of the collector. */
function collectorListener(owner: OwnerView, collector: TelemetryBackendFact): ListenerDraft {
  const name = collectorName(collector)
  const listener = listenerDraft({
    name,
    address: pipeAddress(owner.otelSocket(collector.name)),
    direction: 'unspecified',
    bindToPort: true,
    statPrefix: true,
  })
  const http = systemHttp(owner, name, routeTo({ prefix: '/', cluster: name }))
  http.filters.unshift(grpcStatsFilter)
  listener.chains.push(filterChain(http))
  return listener
}

function systemHttp(owner: OwnerView, name: string, route: ReturnType<typeof routeTo>): HttpDraft {
  return httpDraft({
    statPrefix: name,
    virtualHost: name,
    routes: [route],
    config: { internalAddressConfig: localInternalAddresses(owner.ipv6) },
  })
}
