// Rules of MeshRetry that its schema cannot say (contract/policies.md section 3.11).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '@weft/resources'
import { STATUS_CODES } from 'node:http'
import { anyOutboundKind, toViolations } from '../entries.ts'
import { regexViolations } from '../headers.ts'
import { topLevelViolations } from '../target-ref.ts'
import { mustBeDefined, mustNotBeEmpty, nonNegativeDuration, positiveDuration } from '../value-rules.ts'
import type { MeshRetryConf, MeshRetrySpec } from './resource.ts'

type HttpConf = NonNullable<MeshRetryConf['http']>
type GrpcConf = NonNullable<MeshRetryConf['grpc']>

const methods = ['Connect', 'Delete', 'Get', 'Head', 'Options', 'Patch', 'Post', 'Put', 'Trace'].map((name) => `HttpMethod${name}`)
const retryOn: ReadonlySet<string> = new Set([
  '5xx',
  'GatewayError',
  'Reset',
  'Retriable4xx',
  'ConnectFailure',
  'EnvoyRatelimited',
  'RefusedStream',
  'Http3PostConnectFailure',
  ...methods,
])

export function validateMeshRetry(spec: MeshRetrySpec, { at }: ValidationContext): readonly Violation[] {
  return [
    ...topLevelViolations(spec.targetRef, false, at),
    ...toViolations(spec.to, { kinds: anyOutboundKind, at, check: (entry, field) => confViolations(entry.default, `${field}.default`) }),
  ]
}

function confViolations({ tcp, http, grpc }: MeshRetryConf, at: string): readonly Violation[] {
  if (tcp === undefined && http === undefined && grpc === undefined) {
    return [{ field: at, message: "at least one of the 'tcp', 'http', 'grpc' must be specified" }]
  }
  return [
    ...(tcp === undefined ? [] : tcpViolations(tcp.maxConnectAttempt, `${at}.tcp`)),
    ...(http === undefined ? [] : httpViolations(http, `${at}.http`)),
    ...(grpc === undefined ? [] : grpcViolations(grpc, `${at}.grpc`)),
  ]
}

function tcpViolations(attempts: number | undefined, at: string): readonly Violation[] {
  if (attempts === undefined) return [{ field: at, message: mustNotBeEmpty }]
  return attempts > 0 ? [] : [{ field: `${at}.maxConnectAttempt`, message: 'must be greater than 0' }]
}

function httpViolations(http: HttpConf, at: string): readonly Violation[] {
  if (Object.keys(http).every((key) => key === 'hostSelectionMaxAttempts')) return [{ field: at, message: mustNotBeEmpty }]
  return [
    ...nonNegativeDuration(http.perTryTimeout, `${at}.perTryTimeout`),
    ...backOffViolations(http.backOff, `${at}.backOff`),
    ...rateLimitedViolations(http.rateLimitedBackOff, `${at}.rateLimitedBackOff`),
    ...(http.retryOn ?? []).flatMap((item, index) =>
      retryOn.has(item) || (/^\d{3}$/.test(item) && Object.hasOwn(STATUS_CODES, item))
        ? []
        : [{ field: `${at}.retryOn[${index}]`, message: `unknown item '${item}'` }],
    ),
    ...expressionViolations(http.retriableResponseHeaders, `${at}.retriableResponseHeaders`),
    ...expressionViolations(http.retriableRequestHeaders, `${at}.retriableRequestHeaders`),
    ...hostSelectionViolations(http.hostSelection, `${at}.hostSelection`),
  ]
}

/** A value beside `Present` or `Absent` is taken, as the peers do, and means nothing. */
function expressionViolations(list: HttpConf['retriableRequestHeaders'], at: string): readonly Violation[] {
  return (list ?? []).flatMap(({ type, value = '' }, index) =>
    type === 'RegularExpression' ? regexViolations(value, `${at}[${index}].value`) : [],
  )
}

function hostSelectionViolations(list: HttpConf['hostSelection'], at: string): readonly Violation[] {
  const violations: Violation[] = []
  let priorities = 0
  for (const [index, item] of (list ?? []).entries()) {
    const field = `${at}[${index}]`
    if (item.predicate === 'OmitHostsWithTags' && item.tags === undefined)
      violations.push({ field: `${field}.tags`, message: mustBeDefined })
    if (item.predicate !== 'OmitPreviousPriorities') continue
    priorities += 1
    if (priorities > 1) violations.push({ field: `${field}.predicate`, message: `${item.predicate} must only be specified once` })
    if (item.updateFrequency <= 0) {
      violations.push({ field: `${field}.updateFrequency`, message: 'must be defined and greater than zero' })
    }
  }
  return violations
}

function grpcViolations(grpc: GrpcConf, at: string): readonly Violation[] {
  if (Object.keys(grpc).length === 0) return [{ field: at, message: mustNotBeEmpty }]
  return [
    ...nonNegativeDuration(grpc.perTryTimeout, `${at}.perTryTimeout`),
    ...backOffViolations(grpc.backOff, `${at}.backOff`),
    ...rateLimitedViolations(grpc.rateLimitedBackOff, `${at}.rateLimitedBackOff`),
  ]
}

function backOffViolations(backOff: HttpConf['backOff'], at: string): readonly Violation[] {
  if (backOff === undefined) return []
  if (backOff.baseInterval === undefined && backOff.maxInterval === undefined) return [{ field: at, message: mustNotBeEmpty }]
  return [...positiveDuration(backOff.baseInterval, `${at}.baseInterval`), ...positiveDuration(backOff.maxInterval, `${at}.maxInterval`)]
}

function rateLimitedViolations(backOff: HttpConf['rateLimitedBackOff'], at: string): readonly Violation[] {
  if (backOff === undefined) return []
  return [
    ...positiveDuration(backOff.maxInterval, `${at}.maxInterval`).map(({ field }) => ({
      field,
      message: 'must be defined and greater than zero',
    })),
    ...(backOff.resetHeaders === undefined ? [{ field: `${at}.resetHeaders`, message: mustBeDefined }] : []),
  ]
}
