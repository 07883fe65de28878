// Rules of MeshRateLimit that its schema cannot say (contract/policies.md section 3.10).
import type { Violation } from '@weft/foundation/errors'
import { parseDuration } from '@weft/foundation/time'
import type { ValidationContext } from '@weft/resources'
import { exclusiveEntries, needsEntries, toViolations } from '../entries.ts'
import { matchesViolations } from '../match.ts'
import { topLevelViolations } from '../target-ref.ts'
import { mustBeDefined, mustNotBeDefined } from '../value-rules.ts'
import { answerStatus } from './conf.ts'
import type { MeshRateLimitSpec, RateLimitConf } from './resource.ts'

const notBySource = "can't be specified when matches contain spiffeID because this field cannot be conditioned on source identity"
const shortestIntervalMs = 50

export function validateMeshRateLimit(spec: MeshRateLimitSpec, { at }: ValidationContext): readonly Violation[] {
  const to = spec.to ?? []
  const rules = spec.rules ?? []
  const wholeMesh = (spec.targetRef?.kind ?? 'Mesh') === 'Mesh'
  return [
    ...topLevelViolations(spec.targetRef, rules.length > 0, at),
    ...exclusiveEntries(to, rules, { field: at, message: "field 'to' must be empty when 'rules' is defined" }),
    ...needsEntries(to, rules, at),
    ...(wholeMesh && rules.length > 0 ? [{ field: `${at}.rules`, message: mustNotBeDefined }] : []),
    ...(!wholeMesh && to.length > 0 ? [{ field: `${at}.to`, message: mustNotBeDefined }] : []),
    ...toViolations(wholeMesh ? to : [], {
      kinds: ['Mesh'],
      at,
      check: (entry, field) => confViolations(entry.default, `${field}.default`),
    }),
    ...(wholeMesh ? [] : rules).flatMap((rule, index) => {
      const field = `${at}.rules[${index}]`
      const bySource = (rule.matches ?? []).some((match) => match.spiffeID !== undefined)
      return [
        ...matchesViolations(rule.matches, `${field}.matches`),
        ...(bySource && rule.default.local?.tcp !== undefined ? [{ field: `${field}.default.local.tcp`, message: notBySource }] : []),
        ...confViolations(rule.default, `${field}.default`),
      ]
    }),
  ]
}

function confViolations(conf: RateLimitConf, at: string): readonly Violation[] {
  const field = `${at}.local`
  const { local } = conf
  if (local === undefined) return [{ field, message: mustBeDefined }]
  const { http, tcp } = local
  const violations: Violation[] = []
  if (http === undefined && tcp === undefined) violations.push({ field, message: 'must have at least one defined: tcp, http' })
  if (http !== undefined) {
    if (Object.keys(http).length === 0) {
      violations.push({ field: `${field}.http`, message: 'must have at least one defined: disabled, requestRate, onRateLimit' })
    }
    violations.push(...rateViolations(http.requestRate, `${field}.http.requestRate`))
    const status = http.onRateLimit?.status
    if (status === 0) violations.push({ field: `${field}.http.onRateLimit.status`, message: 'must be greater than 0' })
    else if (status !== undefined && answerStatus(status) === undefined)
      violations.push({ field: `${field}.http.onRateLimit.status`, message: 'must be a registered HTTP status: proxies refuse others' })
  }
  if (tcp !== undefined) {
    if (Object.keys(tcp).length === 0) {
      violations.push({ field: `${field}.tcp`, message: 'must have at least one defined: disabled, connectionRate' })
    }
    violations.push(...rateViolations(tcp.connectionRate, `${field}.tcp.connectionRate`))
  }
  return violations
}

function rateViolations(rate: { readonly num: number; readonly interval: string } | undefined, at: string): readonly Violation[] {
  if (rate === undefined) return []
  const violations: Violation[] = []
  if (rate.num === 0) violations.push({ field: `${at}.num`, message: 'must be greater than 0' })
  if ((parseDuration(rate.interval) ?? 0) <= shortestIntervalMs) {
    violations.push({ field: `${at}.interval`, message: `must be greater than: ${shortestIntervalMs}ms` })
  }
  return violations
}
