// Rules of MeshLoadBalancingStrategy that its schema cannot say (contract/policies.md section 3.8).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '@weft/resources'
import { anyOutboundKind, toViolations } from '../entries.ts'
import { topLevelViolations } from '../target-ref.ts'
import { decimalOf, mustBeDefined, mustNotBeEmpty } from '../value-rules.ts'
import type { LoadBalancingConf, MeshLoadBalancingStrategySpec } from './resource.ts'

type Locality = NonNullable<LoadBalancingConf['localityAwareness']>
type HashPolicy = NonNullable<LoadBalancingConf['hashPolicies']>[number]

const onlyHashing = 'field is not allowed when targetRef.kind is MeshHTTPRoute, only hashPolicies is supported'
const localOnly = 'must not be set: MeshService traffic is local'

export function validateMeshLoadBalancingStrategy(spec: MeshLoadBalancingStrategySpec, { at }: ValidationContext): readonly Violation[] {
  return [
    ...topLevelViolations(spec.targetRef, false, at),
    ...toViolations(spec.to, {
      kinds: anyOutboundKind,
      at,
      check: (entry, field) => confViolations(entry.default, entry.targetRef.kind, `${field}.default`),
    }),
  ]
}

function confViolations(conf: LoadBalancingConf, kind: string, at: string): readonly Violation[] {
  const violations: Violation[] = []
  if (kind === 'MeshHTTPRoute') {
    for (const name of ['localityAwareness', 'loadBalancer'] as const) {
      if (conf[name] !== undefined) violations.push({ field: `${at}.${name}`, message: onlyHashing })
    }
  }
  const { localityAwareness: locality, loadBalancer } = conf
  if (locality !== undefined) {
    violations.push(...affinityViolations(locality, `${at}.localityAwareness.localZone.affinityTags`))
    const crossZone = `${at}.localityAwareness.crossZone`
    if (kind === 'MeshService' && locality.crossZone !== undefined) violations.push({ field: crossZone, message: localOnly })
    else violations.push(...failoverViolations(locality.crossZone, crossZone))
  }
  const bias = loadBalancer?.leastRequest?.activeRequestBias
  if (bias !== undefined) violations.push(...biasViolations(bias, `${at}.loadBalancer.leastRequest.activeRequestBias`))
  const ring = loadBalancer?.ringHash
  if (ring?.minRingSize !== undefined && ring.maxRingSize !== undefined && ring.minRingSize > ring.maxRingSize) {
    violations.push({ field: `${at}.loadBalancer.ringHash.minRingSize`, message: 'must not be greater than maxRingSize' })
  }
  return [...violations, ...(conf.hashPolicies ?? []).flatMap((item, index) => hashViolations(item, `${at}.hashPolicies[${index}]`))]
}

function affinityViolations(locality: Locality, at: string): readonly Violation[] {
  const tags = locality.localZone?.affinityTags ?? []
  const weighted = tags.filter((tag) => tag.weight !== undefined).length
  const violations: Violation[] =
    weighted > 0 && weighted < tags.length ? [{ field: at, message: 'all or none affinity tags should have weight' }] : []
  for (const [index, tag] of tags.entries()) {
    if (tag.key === '') violations.push({ field: `${at}[${index}].key`, message: mustNotBeEmpty })
    if (tag.weight === 0) violations.push({ field: `${at}[${index}].weight`, message: 'must be greater than 0' })
  }
  return violations
}

function failoverViolations(crossZone: Locality['crossZone'], at: string): readonly Violation[] {
  const violations: Violation[] = []
  for (const [index, { from, to }] of (crossZone?.failover ?? []).entries()) {
    const field = `${at}.failover[${index}]`
    if (from?.zones.length === 0) violations.push({ field: `${field}.from.zones`, message: mustNotBeEmpty })
    from?.zones.forEach((zone, position) => {
      if (zone === '') violations.push({ field: `${field}.from.zones[${position}]`, message: mustNotBeEmpty })
    })
    const needsZones = to.type === 'Only' || to.type === 'AnyExcept'
    const count = (to.zones ?? []).length
    if (needsZones && count === 0) violations.push({ field: `${field}.to.zones`, message: `must not be empty when type is ${to.type}` })
    if (!needsZones && count > 0) violations.push({ field: `${field}.to.zones`, message: `must be empty when type is ${to.type}` })
  }
  const threshold = crossZone?.failoverThreshold?.percentage
  if (threshold !== undefined) {
    const field = `${at}.failoverThreshold.percentage`
    const number = decimalOf(threshold)
    if (number === undefined) violations.push({ field, message: 'string must be a valid number' })
    else if (number < 0 || number > 100) violations.push({ field, message: 'must be in inclusive range [0.0, 100.0]' })
    else if (number === 0) violations.push({ field, message: 'must be greater than 0' })
  }
  return violations
}

function biasViolations(bias: number | string, field: string): readonly Violation[] {
  const number = decimalOf(bias)
  if (number === undefined) return [{ field, message: 'string must be a valid number' }]
  return number >= 0 ? [] : [{ field, message: 'must be greater or equal then: 0' }]
}

const hashParts = {
  Header: 'header',
  Cookie: 'cookie',
  Connection: 'connection',
  QueryParameter: 'queryParameter',
  FilterState: 'filterState',
} as const

function hashViolations(policy: HashPolicy, at: string): readonly Violation[] {
  const part = hashParts[policy.type]
  if (policy[part] === undefined) return [{ field: `${at}.${part}`, message: mustBeDefined }]
  const path = policy.type === 'Cookie' ? policy.cookie?.path : undefined
  return path !== undefined && !path.startsWith('/') ? [{ field: `${at}.cookie.path`, message: 'must be an absolute path' }] : []
}
