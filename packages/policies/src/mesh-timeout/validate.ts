// Rules of MeshTimeout that its schema cannot say (contract/policies.md section 3.12).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '@weft/resources'
import { anyOutboundKind, exclusiveEntries, needsEntries, toViolations } from '../entries.ts'
import { type Match, matchesViolations } from '../match.ts'
import { topLevelViolations } from '../target-ref.ts'
import { nonNegativeDuration, positiveDuration } from '../value-rules.ts'
import type { MeshTimeoutConf, MeshTimeoutSpec } from './resource.ts'

const notBySource = "can't be specified when matches contain spiffeID because this field cannot be conditioned on source identity"

export function validateMeshTimeout(spec: MeshTimeoutSpec, { at }: ValidationContext): readonly Violation[] {
  return [
    ...topLevelViolations(spec.targetRef, (spec.rules ?? []).length > 0, at),
    ...exclusiveEntries(spec.to, spec.rules, { field: at, message: "fields 'to' must be empty when 'rules' is defined" }),
    ...needsEntries(spec.to, spec.rules, at),
    ...toViolations(spec.to, { kinds: anyOutboundKind, at, check: (entry, field) => confViolations(entry.default, `${field}.default`) }),
    ...(spec.rules ?? []).flatMap((rule, index) => {
      const field = `${at}.rules[${index}]`
      return [
        ...matchesViolations(rule.matches, `${field}.matches`),
        ...bySourceViolations(rule.matches, rule.default, `${field}.default`),
        ...confViolations(rule.default, `${field}.default`),
      ]
    }),
  ]
}

/** A connection's timeouts start before its client is known. */
function bySourceViolations(matches: readonly Match[] | undefined, conf: MeshTimeoutConf, at: string): readonly Violation[] {
  if (!(matches ?? []).some((match) => match.spiffeID !== undefined)) return []
  const { http } = conf
  const given: readonly (readonly [string, string | undefined])[] = [
    ['connectionTimeout', conf.connectionTimeout],
    ['idleTimeout', conf.idleTimeout],
    ['http.requestHeadersTimeout', http?.requestHeadersTimeout],
    ['http.maxStreamDuration', http?.maxStreamDuration],
    ['http.maxConnectionDuration', http?.maxConnectionDuration],
  ]
  return given.filter(([, value]) => value !== undefined).map(([name]) => ({ field: `${at}.${name}`, message: notBySource }))
}

function confViolations(conf: MeshTimeoutConf, at: string): readonly Violation[] {
  const { connectionTimeout, idleTimeout, http } = conf
  if (connectionTimeout === undefined && idleTimeout === undefined && http === undefined) {
    return [{ field: at, message: 'at least one timeout should be configured' }]
  }
  const violations = [
    ...positiveDuration(connectionTimeout, `${at}.connectionTimeout`),
    ...nonNegativeDuration(idleTimeout, `${at}.idleTimeout`),
  ]
  if (http === undefined) return violations
  const { requestTimeout, streamIdleTimeout, maxStreamDuration, maxConnectionDuration, requestHeadersTimeout } = http
  if ([requestTimeout, streamIdleTimeout, maxStreamDuration, maxConnectionDuration].every((value) => value === undefined)) {
    violations.push({ field: `${at}.http`, message: 'at least one timeout in this section should be configured' })
  }
  return [
    ...violations,
    ...nonNegativeDuration(requestTimeout, `${at}.http.requestTimeout`),
    ...nonNegativeDuration(streamIdleTimeout, `${at}.http.streamIdleTimeout`),
    ...nonNegativeDuration(maxStreamDuration, `${at}.http.maxStreamDuration`),
    ...nonNegativeDuration(maxConnectionDuration, `${at}.http.maxConnectionDuration`),
    ...nonNegativeDuration(requestHeadersTimeout, `${at}.http.requestHeadersTimeout`),
  ]
}
