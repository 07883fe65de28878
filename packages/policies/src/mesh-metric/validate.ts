// Rules of MeshMetric that its schema cannot say (contract/policies.md section 3.15).
import type { Violation } from '@weft/foundation/errors'
import { isRegex, type ValidationContext } from '@weft/resources'
import { backendResourceRefViolations } from '../backend-ref.ts'
import { topLevelViolations } from '../target-ref.ts'
import { mustBeDefined, portNumber, positiveDuration } from '../value-rules.ts'
import type { MeshMetricSpec, MetricConf } from './resource.ts'

type Profiles = NonNullable<NonNullable<MetricConf['sidecar']>['profiles']>
type Backend = NonNullable<MetricConf['backends']>[number]

export function validateMeshMetric(spec: MeshMetricSpec, { at }: ValidationContext): readonly Violation[] {
  const { sidecar, applications, backends } = spec.default
  const field = `${at}.default`
  return [
    ...topLevelViolations(spec.targetRef, false, at),
    ...regexViolations(sidecar?.profiles?.include, `${field}.sidecar.profiles.include`),
    ...regexViolations(sidecar?.profiles?.exclude, `${field}.sidecar.profiles.exclude`),
    ...(applications ?? []).flatMap((item, index) => portNumber(item.port, `${field}.applications[${index}].port`)),
    ...(backends ?? []).flatMap((item, index) => backendViolations(item, `${field}.backends[${index}]`)),
  ]
}

function regexViolations(list: Profiles['include'], at: string): readonly Violation[] {
  return (list ?? []).flatMap((item, index) =>
    item.type === 'Regex' && !isRegex(item.match) ? [{ field: `${at}[${index}].match`, message: 'invalid regex' }] : [],
  )
}

function backendViolations(backend: Backend, at: string): readonly Violation[] {
  if (backend.type === 'Prometheus') {
    if (backend.prometheus === undefined) return [{ field: `${at}.prometheus`, message: mustBeDefined }]
    return portNumber(backend.prometheus.port, `${at}.prometheus.port`)
  }
  if (backend.openTelemetry === undefined) return [{ field: `${at}.openTelemetry`, message: mustBeDefined }]
  return [
    ...backendResourceRefViolations(backend.openTelemetry.backendRef, `${at}.openTelemetry.backendRef`),
    ...positiveDuration(backend.openTelemetry.refreshInterval, `${at}.openTelemetry.refreshInterval`),
  ]
}
