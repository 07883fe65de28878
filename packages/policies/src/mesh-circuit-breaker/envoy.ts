// MeshCircuitBreaker: connection limits and outlier detection of clusters (contract/policies.md section 3.2).
import { field, isObject } from '@weft/foundation/json'
import { type ClusterDraft, durationMs, uintValue } from '@weft/envoy'
import { catchAllConf } from '@weft/policy'
import { boolField, decimalField, durationField, uintField } from '../conf-values.ts'
import type { PolicyPlugin } from '../plugin.ts'

type Conf = Readonly<Record<string, unknown>> | undefined

/** Applies to inbound clusters by `rules` and to destinations by `to`. Remaining resources are counted with or without a policy. */
export const meshCircuitBreakerPlugin: PolicyPlugin<Conf, Conf> = {
  type: 'MeshCircuitBreaker',
  order: 1300,
  inboundConf: ({ rules }) => catchAllConf(rules),
  outboundConf: ({ rule }) => rule?.conf,
  inbound: ({ cluster }, conf) => applyTo(cluster, conf),
  outboundCluster: ({ cluster }, conf) => applyTo(cluster, conf),
}

function applyTo(cluster: ClusterDraft, conf: Conf): void {
  setLimits(cluster, field(conf, 'connectionLimits'))
  setOutlierDetection(cluster, field(conf, 'outlierDetection'))
}

function setLimits(cluster: ClusterDraft, limits: unknown): void {
  const threshold = cluster.config.circuitBreakers?.thresholds?.[0] ?? {}
  threshold.trackRemaining = true
  for (const name of ['maxConnections', 'maxConnectionPools', 'maxPendingRequests', 'maxRetries', 'maxRequests'] as const) {
    const value = uintField(limits, name)
    if (value !== undefined) threshold[name] = uintValue(value)
  }
  cluster.config.circuitBreakers = {
    ...cluster.config.circuitBreakers,
    thresholds: [threshold, ...(cluster.config.circuitBreakers?.thresholds?.slice(1) ?? [])],
  }
}

/** Detectors that are not configured are switched off explicitly: Envoy has some of them on by default. */
function setOutlierDetection(cluster: ClusterDraft, detection: unknown): void {
  if (!isObject(detection) || boolField(detection, 'disabled') === true) return
  const detectors = field(detection, 'detectors')
  const total = uintField(field(detectors, 'totalFailures'), 'consecutive')
  const gateway = uintField(field(detectors, 'gatewayFailures'), 'consecutive')
  const local = uintField(field(detectors, 'localOriginFailures'), 'consecutive')
  const successRate = field(detectors, 'successRate')
  const percentage = field(detectors, 'failurePercentage')
  const deviation = decimalField(successRate, 'standardDeviationFactor')
  cluster.config.outlierDetection = {
    interval: duration(detection, 'interval'),
    baseEjectionTime: duration(detection, 'baseEjectionTime'),
    maxEjectionPercent: uint(percentOf(uintField(detection, 'maxEjectionPercent'))),
    splitExternalLocalOriginErrors: boolField(detection, 'splitExternalAndLocalErrors') ?? false,
    consecutive5xx: uint(total),
    enforcingConsecutive5xx: enforced(total !== undefined),
    consecutiveGatewayFailure: uint(gateway),
    enforcingConsecutiveGatewayFailure: enforced(gateway !== undefined),
    consecutiveLocalOriginFailure: uint(local),
    enforcingConsecutiveLocalOriginFailure: enforced(local !== undefined),
    successRateMinimumHosts: uint(uintField(successRate, 'minimumHosts')),
    successRateRequestVolume: uint(uintField(successRate, 'requestVolume')),
    successRateStdevFactor: uint(deviation === undefined ? undefined : Math.trunc(deviation * 1000)),
    enforcingSuccessRate: enforced(successRate !== undefined),
    enforcingLocalOriginSuccessRate: enforced(successRate !== undefined),
    failurePercentageMinimumHosts: uint(uintField(percentage, 'minimumHosts')),
    failurePercentageRequestVolume: uint(uintField(percentage, 'requestVolume')),
    failurePercentageThreshold: uint(percentOf(uintField(percentage, 'threshold'))),
    enforcingFailurePercentage: enforced(percentage !== undefined),
    enforcingFailurePercentageLocalOrigin: enforced(percentage !== undefined),
  }
  const panic = percentOf(decimalField(detection, 'healthyPanicThreshold'))
  if (panic !== undefined) cluster.config.commonLbConfig = { ...cluster.config.commonLbConfig, healthyPanicThreshold: { value: panic } }
}

/** Envoy refuses more than 100. */
function percentOf(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.min(value, 100)
}

function enforced(on: boolean): { readonly value: number } {
  return uintValue(on ? 100 : 0)
}

function uint(value: number | undefined): { readonly value: number } | undefined {
  return value === undefined ? undefined : uintValue(value)
}

function duration(conf: unknown, name: string): ReturnType<typeof durationMs> | undefined {
  const ms = durationField(conf, name)
  // Envoy refuses 0.
  return ms === undefined || ms === 0 ? undefined : durationMs(ms)
}
