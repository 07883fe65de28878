// What a proxy is asked to check (its own readiness and its probed workloads) and what its answers mean (contract/dataplane.md section 14.1).
import { isIP } from 'node:net'
import { durationMs, pipeAddress, socketAddress, systemNames } from '@weft/envoy'
import type { ProxyMetadata } from '@weft/facts'
import type { Messages } from '@weft/proto'
import type { DataplaneInbound, DataplaneSpec } from '@weft/resources'

type Specifier = Messages['envoy.service.health.v3.HealthCheckSpecifier']
type ClusterCheck = Messages['envoy.service.health.v3.ClusterHealthCheck']
type Report = Messages['envoy.service.health.v3.EndpointHealthResponse']

/** Source address of probes on hosts with redirection, so that they are not redirected themselves. */
const unredirectedSource = { 4: '127.0.0.6', 6: '::6' } as const

export interface SpecifierInput {
  readonly metadata: ProxyMetadata
  readonly spec: DataplaneSpec | undefined
  readonly intervalMs: number
}

/** The checks for a proxy, in a fixed order. */
export function healthSpecifier({ metadata, spec, intervalMs }: SpecifierInput): Specifier {
  const admin =
    metadata.adminSocketPath === undefined
      ? socketAddress(metadata.adminAddress, metadata.adminPort)
      : pipeAddress(metadata.adminSocketPath)
  const readiness: ClusterCheck = {
    clusterName: systemNames.admin,
    localityEndpoints: [{ endpoints: [{ address: admin }] }],
    healthChecks: [
      {
        timeout: durationMs(2000),
        interval: durationMs(intervalMs),
        noTrafficInterval: durationMs(intervalMs),
        healthyThreshold: { value: 1 },
        unhealthyThreshold: { value: 1 },
        httpHealthCheck: { path: '/ready' },
      },
    ],
  }
  const checks = new Map<string, ClusterCheck>([[systemNames.admin, readiness]])
  for (const inbound of probedInbounds(spec)) {
    const name = probeName(inbound)
    if (!checks.has(name)) checks.set(name, probe(name, inbound, { metadata, address: workloadAddress(inbound, spec) }))
  }
  return { interval: durationMs(intervalMs), clusterHealthChecks: [...checks.values()] }
}

function probe(name: string, inbound: DataplaneInbound, at: { readonly metadata: ProxyMetadata; readonly address: string }): ClusterCheck {
  const given = inbound.serviceProbe
  const isLoopback = at.address === '::1' || at.address.startsWith('127.')
  const source = unredirectedSource[isIP(at.address) === 6 ? 6 : 4]
  const interval = durationMs(seconds(given?.interval, 1000))
  return {
    clusterName: name,
    localityEndpoints: [{ endpoints: [{ address: socketAddress(at.address, workloadPort(inbound)) }] }],
    healthChecks: [
      {
        timeout: durationMs(seconds(given?.timeout, 2000)),
        interval,
        noTrafficInterval: interval,
        healthyThreshold: { value: given?.healthyThreshold ?? 1 },
        unhealthyThreshold: { value: given?.unhealthyThreshold ?? 1 },
        tcpHealthCheck: {},
      },
    ],
    ...(at.metadata.transparentProxy && !isLoopback ? { upstreamBindConfig: { sourceAddress: { address: source, portValue: 0 } } } : {}),
  }
}

/** The inbounds of a Dataplane whose workload is probed. */
export function probedInbounds(spec: DataplaneSpec | undefined): readonly DataplaneInbound[] {
  return (spec?.networking?.inbound ?? []).filter((inbound) => inbound.serviceProbe !== undefined)
}

/** The name under which the workload of an inbound is checked and reported. */
export function probeName(inbound: DataplaneInbound): string {
  return `localhost:${workloadPort(inbound)}`
}

/** What a report says: by checked name, whether all its endpoints are healthy. An unknown state counts as healthy. */
export function readReport(report: Report): ReadonlyMap<string, boolean> {
  const healthy = new Map<string, boolean>()
  for (const cluster of report.clusterEndpointsHealth ?? []) {
    const states = (cluster.localityEndpointsHealth ?? []).flatMap((locality) => locality.endpointsHealth ?? [])
    if (states.length === 0) continue
    healthy.set(
      cluster.clusterName ?? '',
      states.every(({ healthStatus = 0 }) => healthStatus === 0 || healthStatus === 1),
    )
  }
  return healthy
}

function workloadPort(inbound: DataplaneInbound): number {
  return inbound.servicePort || inbound.port || 0
}

function workloadAddress(inbound: DataplaneInbound, spec: DataplaneSpec | undefined): string {
  return inbound.serviceAddress || inbound.address || spec?.networking?.address || '127.0.0.1'
}

/** Milliseconds of a protobuf duration in JSON (`1.500s`). */
function seconds(text: string | undefined, fallback: number): number {
  const value = text === undefined ? Number.NaN : Number(text.replace(/s$/, ''))
  return Number.isFinite(value) && value > 0 ? value * 1000 : fallback
}
