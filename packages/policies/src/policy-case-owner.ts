// The proxy that golden cases belong to, and what policies have of their own for it.
import { clusterMessage, listenerMessage, socketPath } from '@weft/envoy'
import type { TelemetryBackendFact } from '@weft/facts'
import { codec } from '@weft/proto'
import type { ConfByType, OwnConfs, OwnerView, PolicyPlugin } from './plugin.ts'

/** What a case says of its proxy; the rest is filled in. */
export type CaseOwner = Partial<Omit<OwnerView, 'telemetryBackends' | 'otelSocket'>> & {
  readonly telemetryBackends?: readonly (Partial<TelemetryBackendFact> & { readonly name: string })[]
}

/** A sidecar of the workload `client` in `zone-1`. */
export function caseOwner({ telemetryBackends = [], ...over }: CaseOwner = {}): OwnerView {
  return {
    mesh: 'default',
    zone: 'zone-1',
    address: '192.168.0.9',
    service: 'client',
    workload: 'client',
    workloadKri: 'kri_wl_default_zone-1__client_',
    kri: 'kri_dp_default_zone-1__client-1_',
    role: 'sidecar',
    ipv6: true,
    redirected: false,
    reusePort: true,
    accessLogSocket: socketPath('/run', 'kuma-al-client-1-default'),
    metricsSocket: socketPath('/run', 'kuma-mh-client-1-default'),
    otelSockets: true,
    otelSocket: (backend) => socketPath('/run', `kuma-otel-${backend}`),
    otelEnv: undefined,
    hostIp: '',
    systemCaPath: '',
    metricsCertPath: '',
    metricsKeyPath: '',
    telemetryBackends: telemetryBackends.map((backend) => ({
      labels: {},
      creationTime: '',
      address: 'collector.example.com',
      port: 4317,
      path: '',
      protocol: 'grpc',
      env: undefined,
      ...backend,
    })),
    ...over,
  }
}

/** Resources and launcher configuration that a plugin has of its own; nothing when it has none. */
export function ownOutcome(
  plugin: PolicyPlugin | undefined,
  owner: OwnerView,
  confs: Readonly<Partial<Record<keyof OwnConfs, ConfByType>>>,
): object {
  if (plugin?.own === undefined) return {}
  const of = (part: keyof OwnConfs): readonly unknown[] => {
    const conf = confs[part]?.[plugin.type]
    return conf === undefined ? [] : [conf]
  }
  const added = plugin.own(owner, {
    whole: of('whole')[0],
    inbounds: of('inbounds'),
    zoneListeners: of('zoneListeners'),
    outbounds: of('outbounds'),
  })
  if (added === undefined) return {}
  const cluster = codec('envoy.config.cluster.v3.Cluster')
  const listener = codec('envoy.config.listener.v3.Listener')
  return {
    own: {
      clusters: (added.clusters ?? []).map(({ origin, draft }) => ({
        origin,
        cluster: cluster.toJson(cluster.decode(cluster.encode(clusterMessage(draft)))),
      })),
      listeners: (added.listeners ?? []).map(({ origin, draft }) => ({
        origin,
        listener: listener.toJson(listener.decode(listener.encode(listenerMessage(draft)))),
      })),
      ...(added.dynamicConfig === undefined ? {} : { dynamicConfig: added.dynamicConfig }),
      ...(added.exports === undefined ? {} : { exports: added.exports.map((item) => ({ ...item, backend: item.backend.name })) }),
    },
  }
}
