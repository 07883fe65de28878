// Rules of MeshFaultInjection that its schema cannot say (contract/policies.md section 3.3).
import type { Violation } from '@weft/foundation/errors'
import { parseDuration } from '@weft/foundation/time'
import type { ValidationContext } from '@weft/resources'
import { toViolations } from '../entries.ts'
import { matchesViolations } from '../match.ts'
import { topLevelViolations } from '../target-ref.ts'
import { mustNotBeDefined, nonNegativeDuration, percentage, statusCode } from '../value-rules.ts'
import { abortStatuses, bandwidthKbps } from './conf.ts'
import type { FaultInjectionConf, MeshFaultInjectionSpec } from './resource.ts'

const bandwidth = /^\d*\s?[GMk]+bps$/

export function validateMeshFaultInjection(spec: MeshFaultInjectionSpec, { at }: ValidationContext): readonly Violation[] {
  const rules = spec.rules ?? []
  const wholeMesh = (spec.targetRef?.kind ?? 'Mesh') === 'Mesh'
  const to = spec.to ?? []
  return [
    ...topLevelViolations(spec.targetRef, rules.length > 0, at),
    ...(to.length > 0 && !wholeMesh ? [{ field: `${at}.to`, message: mustNotBeDefined }] : []),
    ...toViolations(wholeMesh ? to : [], {
      kinds: ['Mesh'],
      at,
      check: (entry, field) => confViolations(entry.default, `${field}.default`),
    }),
    ...rules.flatMap((rule, index) => {
      const field = `${at}.rules[${index}]`
      return [...matchesViolations(rule.matches, `${field}.matches`), ...confViolations(rule.default, `${field}.default`)]
    }),
  ]
}

function confViolations(conf: FaultInjectionConf, at: string): readonly Violation[] {
  return (conf.http ?? []).flatMap(({ abort, delay, responseBandwidth }, index) => {
    const field = `${at}.http[${index}]`
    return [
      ...(abort === undefined ? [] : abortViolations(abort.httpStatus, `${field}.abort.httpStatus`)),
      ...percentage(abort?.percentage, `${field}.abort.percentage`),
      ...delayViolations(delay?.value, `${field}.delay.value`),
      ...percentage(delay?.percentage, `${field}.delay.percentage`),
      ...bandwidthViolations(responseBandwidth?.limit, `${field}.responseBandwidth.limit`),
      ...percentage(responseBandwidth?.percentage, `${field}.responseBandwidth.percentage`),
    ]
  })
}

/** Proxies answer with final statuses only. */
function abortViolations(status: number, field: string): readonly Violation[] {
  if (status < 100 || status >= abortStatuses.lowest) return statusCode(status, field)
  return [{ field, message: `must be a final status: proxies answer with ${abortStatuses.lowest} to ${abortStatuses.highest}` }]
}

function delayViolations(value: string | undefined, field: string): readonly Violation[] {
  if (value !== undefined && parseDuration(value) === 0)
    return [{ field, message: 'must be greater than 0: a delay of nothing is no fault' }]
  return nonNegativeDuration(value, field)
}

function bandwidthViolations(limit: string | undefined, field: string): readonly Violation[] {
  if (limit === undefined) return []
  if (limit === '') return [{ field, message: 'must be defined' }]
  if (!bandwidth.test(limit)) return [{ field, message: 'must be in kbps/Mbps/Gbps units' }]
  return bandwidthKbps(limit) === undefined ? [{ field, message: 'must be greater than 0' }] : []
}
