// Rules of MeshCircuitBreaker that its schema cannot say (contract/policies.md section 3.2).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '@weft/resources'
import { meshOrDestinationKind, needsEntries, toViolations } from '../entries.ts'
import { topLevelViolations } from '../target-ref.ts'
import { decimalOf, integerPercentage, mustBeDefined, percentage, positiveDuration, positiveInteger } from '../value-rules.ts'
import type { MeshCircuitBreakerConf, MeshCircuitBreakerSpec } from './resource.ts'

type OutlierDetection = NonNullable<MeshCircuitBreakerConf['outlierDetection']>
type Detectors = NonNullable<OutlierDetection['detectors']>

export function validateMeshCircuitBreaker(spec: MeshCircuitBreakerSpec, { at }: ValidationContext): readonly Violation[] {
  return [
    ...topLevelViolations(spec.targetRef, (spec.rules ?? []).length > 0, at),
    ...needsEntries(spec.to, spec.rules, at),
    ...(spec.rules ?? []).flatMap((rule, index) => confViolations(rule.default, `${at}.rules[${index}].default`)),
    ...toViolations(spec.to, {
      kinds: meshOrDestinationKind,
      at,
      check: (entry, field) => confViolations(entry.default, `${field}.default`),
    }),
  ]
}

function confViolations(conf: MeshCircuitBreakerConf, at: string): readonly Violation[] {
  const { connectionLimits: limits, outlierDetection: outliers } = conf
  if (limits === undefined && outliers === undefined) {
    return [{ field: at, message: "at least one of: 'connectionLimits' or 'outlierDetection' should be configured" }]
  }
  const field = `${at}.connectionLimits`
  return [
    ...positiveInteger(limits?.maxConnections, `${field}.maxConnections`),
    ...positiveInteger(limits?.maxConnectionPools, `${field}.maxConnectionPools`),
    ...positiveInteger(limits?.maxPendingRequests, `${field}.maxPendingRequests`),
    ...positiveInteger(limits?.maxRetries, `${field}.maxRetries`),
    ...positiveInteger(limits?.maxRequests, `${field}.maxRequests`),
    ...(outliers === undefined ? [] : outlierViolations(outliers, `${at}.outlierDetection`)),
  ]
}

function outlierViolations(outliers: OutlierDetection, at: string): readonly Violation[] {
  return [
    ...positiveDuration(outliers.interval, `${at}.interval`),
    ...positiveDuration(outliers.baseEjectionTime, `${at}.baseEjectionTime`),
    ...integerPercentage(outliers.maxEjectionPercent, `${at}.maxEjectionPercent`),
    ...percentage(outliers.healthyPanicThreshold, `${at}.healthyPanicThreshold`),
    ...detectorViolations(outliers.detectors, `${at}.detectors`),
  ]
}

function detectorViolations(detectors: Detectors | undefined, at: string): readonly Violation[] {
  if (detectors === undefined) return [{ field: at, message: mustBeDefined }]
  const { totalFailures, gatewayFailures, localOriginFailures, successRate, failurePercentage } = detectors
  if ([totalFailures, gatewayFailures, localOriginFailures, successRate, failurePercentage].every((item) => item === undefined)) {
    const names = 'totalFailures, gatewayFailures, localOriginFailures, successRate, failurePercentage'
    return [{ field: at, message: `must have at least one defined: ${names}` }]
  }
  return [
    ...positiveInteger(totalFailures?.consecutive, `${at}.totalFailures.consecutive`),
    ...positiveInteger(gatewayFailures?.consecutive, `${at}.gatewayFailures.consecutive`),
    ...positiveInteger(localOriginFailures?.consecutive, `${at}.localOriginFailures.consecutive`),
    ...positiveInteger(successRate?.minimumHosts, `${at}.successRate.minimumHosts`),
    ...positiveInteger(successRate?.requestVolume, `${at}.successRate.requestVolume`),
    ...factorViolations(successRate?.standardDeviationFactor, `${at}.successRate.standardDeviationFactor`),
    ...positiveInteger(failurePercentage?.minimumHosts, `${at}.failurePercentage.minimumHosts`),
    ...positiveInteger(failurePercentage?.requestVolume, `${at}.failurePercentage.requestVolume`),
    ...integerPercentage(failurePercentage?.threshold, `${at}.failurePercentage.threshold`),
  ]
}

function factorViolations(factor: number | string | undefined, field: string): readonly Violation[] {
  if (factor === undefined) return []
  const number = decimalOf(factor)
  if (number === undefined) return [{ field, message: 'invalid number' }]
  return number > 0 ? [] : [{ field, message: 'must be greater than 0' }]
}
