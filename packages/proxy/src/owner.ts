// What policies see of the proxy itself, from its facts.
import { socketPath } from '@weft/envoy'
import type { ProxyFacts } from '@weft/facts'
import type { OwnerView, ProxyRole } from '@weft/policies'
import { kriText, labelKeys } from '@weft/resources'
import { traitsOf } from './features.ts'

const views = new WeakMap<ProxyFacts, OwnerView>()

/** The view of a proxy; the same object for the same facts. */
export function ownerOf(facts: ProxyFacts): OwnerView {
  let view = views.get(facts)
  if (view === undefined) {
    view = ownerView(facts)
    views.set(facts, view)
  }
  return view
}

function ownerView(facts: ProxyFacts): OwnerView {
  const { mesh, name, zone, address, workload, labels, proxy, telemetryBackends } = facts
  const traits = traitsOf(facts)
  const place = { [labelKeys.zone]: zone, [labelKeys.namespace]: labels[labelKeys.namespace] ?? '' }
  return {
    mesh,
    zone,
    address,
    service: workload === '' ? 'unknown' : workload,
    workload,
    workloadKri: workload === '' ? '' : kriText('wl', { mesh, name: workload, labels: place }),
    kri: kriText('dp', {
      mesh,
      name,
      labels: { ...place, ...(labels[labelKeys.displayName] ? { [labelKeys.displayName]: labels[labelKeys.displayName] } : {}) },
    }),
    role: roleOf(facts),
    ipv6: proxy.ipv6Enabled,
    redirected: traits.redirected && !traits.bindOutbounds,
    reusePort: traits.reusePort,
    accessLogSocket: socketPath(proxy.workdir, `kuma-al-${name}-${mesh}`),
    metricsSocket: socketPath(proxy.workdir, `kuma-mh-${name}-${mesh}`),
    otelSockets: traits.otelSockets,
    otelSocket: (backend) => socketPath(proxy.workdir, `kuma-otel-${backend}`),
    otelEnv: proxy.otelEnv,
    hostIp: proxy.hostIp,
    systemCaPath: proxy.systemCaPath,
    metricsCertPath: proxy.metricsCertPath,
    metricsKeyPath: proxy.metricsKeyPath,
    telemetryBackends,
  }
}

function roleOf({ gateway, inbounds, zoneListeners }: ProxyFacts): ProxyRole {
  if (gateway) return 'gateway'
  if (zoneListeners.length === 0 || inbounds.length > 0) return 'sidecar'
  const kinds = new Set(zoneListeners.map((listener) => listener.kind))
  if (kinds.size > 1) return 'zone-proxy'
  return kinds.has('ZoneIngress') ? 'zone-ingress' : 'zone-egress'
}
