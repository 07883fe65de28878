// MeshHealthCheck: active checks of a destination's endpoints, made by every client for itself (contract/policies.md section 3.4).
import { appendAction, boolValue, type ClusterDraft, durationMs, type Mutable, packed, tagsHeader, uintValue } from '@weft/envoy'
import type { Messages } from '@weft/proto'
import type { PolicyPlugin } from '../plugin.ts'
import { type CheckHeader, type HealthCheckConf, healthCheckConf, type Probe, type Timing } from './conf.ts'

type HealthCheck = Mutable<Messages['envoy.config.core.v3.HealthCheck']>
type HeaderOption = Mutable<Messages['envoy.config.core.v3.HeaderValueOption']>

/** Adds health checks to the clusters of destinations. */
export const meshHealthCheckPlugin: PolicyPlugin<undefined, HealthCheckConf | undefined> = {
  type: 'MeshHealthCheck',
  order: 1200,
  outboundConf: ({ rule, destination }) => (rule === undefined ? undefined : healthCheckConf(rule.conf, destination.protocol)),
  sendsClientTags: (_, conf) => conf?.check?.probe.kind === 'http',
  outboundCluster({ cluster, clientTags }, conf) {
    if (conf?.failTrafficOnPanic !== undefined) failOnPanic(cluster, conf.failTrafficOnPanic)
    if (conf?.check === undefined) return
    const { timing, probe } = conf.check
    cluster.config.healthChecks = [...(cluster.config.healthChecks ?? []), { ...timingMessage(timing), ...probeMessage(probe, clientTags) }]
  },
}

/** Only zone aware load balancing has the setting; locality weights exclude it. */
function failOnPanic(cluster: ClusterDraft, fail: boolean): void {
  const lb = cluster.config.commonLbConfig
  if (lb?.localityWeightedLbConfig) return
  cluster.config.commonLbConfig = { ...lb, zoneAwareLbConfig: { ...lb?.zoneAwareLbConfig, failTrafficOnPanic: fail } }
}

function timingMessage(timing: Timing): HealthCheck {
  return {
    interval: durationMs(timing.intervalMs),
    timeout: durationMs(timing.timeoutMs),
    unhealthyThreshold: uintValue(timing.unhealthyThreshold),
    healthyThreshold: uintValue(timing.healthyThreshold),
    ...(timing.initialJitterMs === undefined ? {} : { initialJitter: durationMs(timing.initialJitterMs) }),
    ...(timing.intervalJitterMs === undefined ? {} : { intervalJitter: durationMs(timing.intervalJitterMs) }),
    ...(timing.intervalJitterPercent === undefined ? {} : { intervalJitterPercent: timing.intervalJitterPercent }),
    ...(timing.noTrafficIntervalMs === undefined ? {} : { noTrafficInterval: durationMs(timing.noTrafficIntervalMs) }),
    ...(timing.unhealthyIntervalMs === undefined ? {} : { unhealthyInterval: durationMs(timing.unhealthyIntervalMs) }),
    ...(timing.eventLogPath === undefined ? {} : { eventLogger: [fileSink(timing.eventLogPath)] }),
    ...(timing.alwaysLogFailures === undefined ? {} : { alwaysLogHealthCheckFailures: timing.alwaysLogFailures }),
    ...(timing.reuseConnection === undefined ? {} : { reuseConnection: boolValue(timing.reuseConnection) }),
  }
}

function fileSink(eventLogPath: string): Mutable<Messages['envoy.config.core.v3.TypedExtensionConfig']> {
  return {
    name: 'envoy.health_check.event_sinks.file',
    typedConfig: packed('envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink', { eventLogPath }),
  }
}

function probeMessage(probe: Probe, clientTags: string | undefined): HealthCheck {
  switch (probe.kind) {
    case 'tcp':
      return {
        tcpHealthCheck: {
          ...(probe.send === undefined ? {} : { send: payload(probe.send) }),
          receive: probe.receive.map(payload),
        },
      }
    case 'http':
      return {
        httpHealthCheck: {
          path: probe.path,
          requestHeadersToAdd: [...(clientTags === undefined ? [] : [tagsOption(clientTags)]), ...probe.headers.map(headerOption)],
          expectedStatuses: probe.statuses.map((status) => ({ start: status, end: status + 1 })),
          ...(probe.http2 ? { codecClientType: codecHttp2 } : {}),
        },
      }
    case 'grpc':
      return {
        grpcHealthCheck: {
          ...(probe.serviceName === undefined ? {} : { serviceName: probe.serviceName }),
          ...(probe.authority === undefined ? {} : { authority: probe.authority }),
        },
      }
  }
}

const codecHttp2 = 1

/** Envoy takes the bytes as text in hexadecimal. */
function payload(text: string): Mutable<Messages['envoy.config.core.v3.HealthCheck.Payload']> {
  return { text: Buffer.from(text).toString('hex') }
}

function tagsOption(tags: string): HeaderOption {
  return { header: { key: tagsHeader, value: tags } }
}

function headerOption({ name, value, append }: CheckHeader): HeaderOption {
  return {
    header: { key: name, value },
    appendAction: append ? appendAction.APPEND_IF_EXISTS_OR_ADD : appendAction.OVERWRITE_IF_EXISTS_OR_ADD,
  }
}
