// What a connection manager traces: how many requests, with which tags, in the words of which collector.
import { type Mutable, packed, zipkinVersion } from '@weft/envoy'
import type { Messages } from '@weft/proto'
import { nameOf } from '../otel-backend.ts'
import { decimalOf } from '../value-rules.ts'
import type { TraceConf } from './resource.ts'

type Hcm = Messages['envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager']
type Tracing = Mutable<NonNullable<Hcm['tracing']>>
type Provider = NonNullable<NonNullable<Hcm['tracing']>['provider']>
type CustomTag = Mutable<Messages['envoy.type.tracing.v3.CustomTag']>
type Tag = NonNullable<TraceConf['tags']>[number]
type Zipkin = NonNullable<NonNullable<TraceConf['backends']>[number]['zipkin']>

/** What the spans of a listener say of the proxy. */
export interface TraceShare {
  readonly conf: TraceConf
  readonly mesh: string
  readonly zone: string
  readonly workloadKri: string
  readonly service: string
  /** The OpenTelemetry collector: `url` when it is called over HTTP. Absent where the policy's does not exist. */
  readonly collector?: { readonly cluster: string; readonly url?: string }
}

const exportTimeoutSeconds = 10

/** Name of the cluster that spans are sent to. */
export function clusterName(kind: 'zipkin' | 'datadog' | 'otel', target: string): string {
  return `system_meshtrace_${kind}_${nameOf(target)}`
}

/** The tracing of a connection manager. Without a collector requests are sampled and marked for others, but no span is sent. */
export function tracingOf(share: TraceShare, direction: string | undefined): Tracing {
  const { overall, client, random } = share.conf.sampling ?? {}
  const provider = providerOf(share, direction)
  return {
    spawnUpstreamSpan: { value: false },
    customTags: customTags(share),
    ...percent('overallSampling', overall),
    ...percent('clientSampling', client),
    ...percent('randomSampling', random),
    ...(provider === undefined ? {} : { provider }),
  }
}

function percent(name: 'overallSampling' | 'clientSampling' | 'randomSampling', share: number | string | undefined): Partial<Tracing> {
  const value = share === undefined ? undefined : decimalOf(share)
  return value === undefined ? {} : { [name]: { value } }
}

/** The user's tags, then the mesh's own where the user has none of that name. */
function customTags({ conf, mesh, zone, workloadKri }: TraceShare): CustomTag[] {
  const tags = conf.tags ?? []
  const own = Object.entries({ 'kuma.mesh': mesh, 'kuma.zone': zone, 'kuma.workload': workloadKri })
  const taken = new Set(tags.map((tag) => tag.name))
  return [
    ...tags.map(customTag),
    ...own.filter(([name, value]) => value !== '' && !taken.has(name)).map(([tag, value]) => ({ tag, literal: { value } })),
  ]
}

function customTag({ name, header, literal }: Tag): CustomTag {
  if (header === undefined) return { tag: name, literal: { value: literal ?? '' } }
  return { tag: name, requestHeader: { name: header.name, ...(header.default === undefined ? {} : { defaultValue: header.default }) } }
}

function providerOf({ conf, service, collector }: TraceShare, direction: string | undefined): Provider | undefined {
  const backend = conf.backends?.[0]
  if (backend?.type === 'Zipkin' && backend.zipkin) {
    return { name: 'envoy.tracers.zipkin', typedConfig: packed('envoy.config.trace.v3.ZipkinConfig', zipkin(backend.zipkin)) }
  }
  if (backend?.type === 'Datadog' && backend.datadog) {
    const serviceName = backend.datadog.splitService === true && direction !== undefined ? `${service}_${direction}` : service
    const config = { collectorCluster: clusterName('datadog', backend.datadog.url), serviceName }
    return { name: 'envoy.tracers.datadog', typedConfig: packed('envoy.config.trace.v3.DatadogConfig', config) }
  }
  if (collector === undefined) return undefined
  const { cluster, url } = collector
  const config = {
    serviceName: service,
    ...(url === undefined
      ? { grpcService: { envoyGrpc: { clusterName: cluster } } }
      : { httpService: { httpUri: { uri: url, cluster, timeout: { seconds: exportTimeoutSeconds } } } }),
  }
  return { name: 'envoy.tracers.opentelemetry', typedConfig: packed('envoy.config.trace.v3.OpenTelemetryConfig', config) }
}

function zipkin({ url, traceId128bit, apiVersion, sharedSpanContext }: Zipkin): Messages['envoy.config.trace.v3.ZipkinConfig'] {
  const { pathname } = new URL(url)
  return {
    collectorCluster: clusterName('zipkin', url),
    collectorEndpoint: pathname,
    collectorHostname: hostOf(url),
    collectorEndpointVersion: apiVersion === 'httpProto' ? zipkinVersion.HTTP_PROTO : zipkinVersion.HTTP_JSON,
    ...(traceId128bit === true ? { traceId128bit } : {}),
    sharedSpanContext: { value: sharedSpanContext !== false },
  }
}

/** Host and port as the text has them: the URL class hides a scheme's own port. */
function hostOf(url: string): string {
  return /^[a-z]+:\/\/(?:[^/?#@]*@)?([^/?#]*)/i.exec(url)?.[1] ?? ''
}
