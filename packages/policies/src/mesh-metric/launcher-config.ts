// The `/meshmetric` answer: what the launcher collects, how it filters and labels it, and which collectors it sends to through Envoy. Key order is part
// of the wire (contract/dataplane.md section 10).
import type { TelemetryBackendFact } from '@weft/facts'
import { formatDuration, parseDuration } from '@weft/foundation/time'
import type { OwnerView } from '../plugin.ts'
import type { MetricConf } from './resource.ts'

type OpenTelemetry = NonNullable<NonNullable<MetricConf['backends']>[number]['openTelemetry']>
type Selectors = NonNullable<NonNullable<NonNullable<MetricConf['sidecar']>['profiles']>['include']>

const defaultRefreshInterval = '1m0s'

/** A collector with the backend of the policy that names it. */
export interface MetricCollector {
  readonly collector: TelemetryBackendFact
  readonly refreshInterval: string | undefined
}

/** How often metrics are sent, as a Go duration writes itself; undefined when the policy leaves it open. */
export function refreshInterval(openTelemetry: OpenTelemetry | undefined): string | undefined {
  const ms = openTelemetry?.refreshInterval === undefined ? undefined : parseDuration(openTelemetry.refreshInterval)
  return ms === undefined || ms <= 0 ? undefined : formatDuration(ms)
}

/** The answer as an object whose keys are in the order of the wire. Lists without items are null there. */
export function launcherConfig(
  owner: OwnerView,
  conf: MetricConf,
  { prometheus, collectors }: { readonly prometheus: boolean; readonly collectors: readonly MetricCollector[] },
): object {
  const backends = [
    ...(prometheus ? [{ type: 'Prometheus', name: null }] : []),
    ...collectors.map(({ collector, refreshInterval: interval }) => ({
      type: 'OpenTelemetry',
      name: collector.name,
      openTelemetry: { endpoint: owner.otelSocket(collector.name), refreshInterval: interval ?? defaultRefreshInterval },
    })),
  ]
  const { sidecar } = conf
  const metrics = {
    applications: listOrNull(applicationsOf(owner, conf)),
    backends: listOrNull(backends),
    ...(sidecar === undefined ? {} : { sidecar: sidecarOf(sidecar) }),
    extraLabels: {
      'kuma.proxy_role': owner.role,
      ...(owner.workload === '' ? {} : { 'kuma.workload': owner.workload }),
      mesh: owner.mesh,
      zone: owner.zone,
    },
  }
  return { observability: { metrics } }
}

/** A zone proxy has no application beside it. */
function applicationsOf({ role }: OwnerView, { applications = [] }: MetricConf): readonly object[] {
  if (role !== 'sidecar' && role !== 'gateway') return []
  return applications.map(({ name, path, port, address }) => ({
    ...(name === undefined ? {} : { name }),
    path: path ?? '/metrics',
    port,
    address: address ?? '',
  }))
}

function sidecarOf({ profiles, includeUnused }: NonNullable<MetricConf['sidecar']>): object {
  return {
    ...(profiles === undefined
      ? {}
      : {
          profiles: {
            ...(profiles.appendProfiles === undefined ? {} : { appendProfiles: profiles.appendProfiles.map(({ name }) => ({ name })) }),
            ...selectors('exclude', profiles.exclude),
            ...selectors('include', profiles.include),
          },
        }),
    ...(includeUnused === undefined ? {} : { includeUnused }),
  }
}

function selectors(name: 'exclude' | 'include', list: Selectors | undefined): object {
  return list === undefined ? {} : { [name]: list.map(({ type, match }) => ({ type, match })) }
}

function listOrNull(list: readonly object[]): readonly object[] | null {
  return list.length === 0 ? null : list
}
