// Rules of MeshHealthCheck that its schema cannot say (contract/policies.md section 3.4).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '@weft/resources'
import { meshOrDestinationKind, toViolations } from '../entries.ts'
import { topLevelViolations } from '../target-ref.ts'
import { integerPercentage, isFilePath, mustBeDefined, positiveDuration, statusCode } from '../value-rules.ts'
import type { HealthCheckConf, MeshHealthCheckSpec } from './resource.ts'

export function validateMeshHealthCheck(spec: MeshHealthCheckSpec, { at }: ValidationContext): readonly Violation[] {
  return [
    ...topLevelViolations(spec.targetRef, false, at),
    ...toViolations(spec.to, {
      kinds: meshOrDestinationKind,
      at,
      check: (entry, field) => confViolations(entry.default, `${field}.default`),
    }),
  ]
}

function confViolations(conf: HealthCheckConf, at: string): readonly Violation[] {
  const durations = ['interval', 'unhealthyInterval', 'timeout', 'initialJitter', 'intervalJitter', 'noTrafficInterval'] as const
  const violations: Violation[] = durations.flatMap((name) => positiveDuration(conf[name], `${at}.${name}`))
  for (const name of ['unhealthyThreshold', 'healthyThreshold'] as const) {
    const value = conf[name]
    if (value !== undefined && value <= 0) violations.push({ field: `${at}.${name}`, message: 'must be greater than zero when defined' })
  }
  violations.push(...integerPercentage(conf.intervalJitterPercent, `${at}.intervalJitterPercent`))
  if (conf.eventLogPath !== undefined && !isFilePath(conf.eventLogPath)) {
    violations.push({ field: `${at}.eventLogPath`, message: 'must be a valid path when defined' })
  }
  if (conf.tcp === undefined && conf.http === undefined && conf.grpc === undefined) {
    violations.push({ field: at, message: 'must have at least one defined: http, tcp, grpc' })
  }
  if (conf.http?.path === '') violations.push({ field: `${at}.http.path`, message: mustBeDefined })
  for (const [index, status] of (conf.http?.expectedStatuses ?? []).entries()) {
    violations.push(...statusCode(status, `${at}.http.expectedStatuses[${index}]`))
  }
  return violations
}
