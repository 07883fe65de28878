// Effective conf of MeshRetry for one protocol, in the terms of Envoy's retry policy (contract/policies.md section 3.11).
import { field, isObject, listField, textField } from '@weft/foundation/json'
import { durationField, uintField } from '../conf-values.ts'
import { readHeaderMatch } from '../header-match.ts'
import type { HeaderMatch } from '../route-model.ts'

/** A retry policy of routes as plain JSON; absent parts are Envoy's defaults. */
export interface RetryConf {
  readonly retryOn: string
  readonly numRetries?: number
  readonly perTryTimeoutMs?: number
  readonly backOff?: { readonly baseMs: number; readonly maxMs?: number }
  readonly rateLimitedBackOff?: {
    readonly resetHeaders: readonly { readonly name: string; readonly format: 0 | 1 }[]
    readonly maxMs?: number
  }
  readonly statusCodes: readonly number[]
  readonly methods: readonly string[]
  readonly requestHeaders: readonly HeaderMatch[]
  readonly responseHeaders: readonly HeaderMatch[]
  /** Hosts that a retry leaves out: those tried already, or those with all of these tags. In the order of the policy. */
  readonly omitHosts: readonly ('tried' | { readonly tags: Readonly<Record<string, string>> })[]
  /** Attempts before priorities that were tried are left out. */
  readonly previousPriorities?: number
  readonly hostSelectionAttempts?: number
}

const httpDefault = 'gateway-error,connect-failure,refused-stream'
const grpcDefault = 'cancelled,connect-failure,gateway-error,refused-stream,reset,resource-exhausted,unavailable'
const retriableStatusCodes = 'retriable-status-codes'
/** Envoy asks for a base interval whenever a back-off is given. */
const baseIntervalMs = 25

const httpConditions: ReadonlyMap<string, string> = new Map([
  ['5xx', '5xx'],
  ['GatewayError', 'gateway-error'],
  ['Reset', 'reset'],
  ['Retriable4xx', 'retriable-4xx'],
  ['ConnectFailure', 'connect-failure'],
  ['EnvoyRatelimited', 'envoy-ratelimited'],
  ['RefusedStream', 'refused-stream'],
  ['Http3PostConnectFailure', 'http3-post-connect-failure'],
])
/** Spelled as Envoy reads them: it has no `canceled` (contract/policies.md section 6 hazard 6). */
const grpcConditions: ReadonlyMap<string, string> = new Map([
  ['Canceled', 'cancelled'],
  ['DeadlineExceeded', 'deadline-exceeded'],
  ['Internal', 'internal'],
  ['ResourceExhausted', 'resource-exhausted'],
  ['Unavailable', 'unavailable'],
])

/** Retries of HTTP; undefined when the conf has none or switches them off. */
export function httpRetryConf(http: unknown): RetryConf | undefined {
  if (!isObject(http) || uintField(http, 'numRetries') === 0) return undefined
  const conditions: string[] = []
  const statusCodes: number[] = []
  const methods: string[] = []
  for (const item of listField(http, 'retryOn')) {
    if (typeof item !== 'string') continue
    const known = httpConditions.get(item)
    if (known !== undefined) conditions.push(known)
    else if (/^[1-5]\d\d$/.test(item)) statusCodes.push(Number(item))
    else if (/^HttpMethod[A-Za-z]+$/.test(item)) methods.push(item.slice('HttpMethod'.length).toUpperCase())
  }
  const selection = listField(http, 'hostSelection')
  const chosen = conditions.length > 0 ? conditions : [httpDefault]
  const priorities = selection.find((item) => field(item, 'predicate') === 'OmitPreviousPriorities')
  return {
    ...common(http),
    retryOn: [...chosen, ...(statusCodes.length > 0 ? [retriableStatusCodes] : [])].join(','),
    statusCodes,
    methods,
    requestHeaders: headerMatches(http, 'retriableRequestHeaders'),
    responseHeaders: headerMatches(http, 'retriableResponseHeaders'),
    omitHosts: selection.flatMap((item) => {
      const predicate = field(item, 'predicate')
      return predicate === 'OmitPreviousHosts' ? 'tried' : predicate === 'OmitHostsWithTags' ? { tags: tagsOf(item) } : []
    }),
    ...(priorities === undefined ? {} : { previousPriorities: uintField(priorities, 'updateFrequency') || 2 }),
    ...optional('hostSelectionAttempts', uintField(http, 'hostSelectionMaxAttempts')),
  }
}

/** Retries of gRPC; undefined when the conf has none or switches them off. */
export function grpcRetryConf(grpc: unknown): RetryConf | undefined {
  if (!isObject(grpc) || uintField(grpc, 'numRetries') === 0) return undefined
  const conditions = listField(grpc, 'retryOn').flatMap((item) => (typeof item === 'string' ? (grpcConditions.get(item) ?? []) : []))
  return {
    ...common(grpc),
    retryOn: conditions.length > 0 ? conditions.join(',') : grpcDefault,
    statusCodes: [],
    methods: [],
    requestHeaders: [],
    responseHeaders: [],
    omitHosts: [],
  }
}

/** Connection attempts of TCP; undefined for Envoy's default of one. */
export function tcpConnectAttempts(conf: unknown): number | undefined {
  const attempts = uintField(field(conf, 'tcp'), 'maxConnectAttempt')
  return attempts === 0 ? undefined : attempts
}

function common(conf: unknown): Pick<RetryConf, 'numRetries' | 'perTryTimeoutMs' | 'backOff' | 'rateLimitedBackOff'> {
  const backOff = field(conf, 'backOff')
  const baseMs = durationField(backOff, 'baseInterval') || baseIntervalMs
  const maxMs = durationField(backOff, 'maxInterval')
  const limited = field(conf, 'rateLimitedBackOff')
  const headers = resetHeaders(limited)
  return {
    ...optional('numRetries', uintField(conf, 'numRetries')),
    ...optional('perTryTimeoutMs', durationField(conf, 'perTryTimeout')),
    // Envoy refuses a maximum below the base.
    ...(isObject(backOff) ? { backOff: { baseMs, ...optional('maxMs', maxMs === undefined ? undefined : Math.max(maxMs, baseMs)) } } : {}),
    ...(headers.length > 0
      ? { rateLimitedBackOff: { resetHeaders: headers, ...optional('maxMs', durationField(limited, 'maxInterval') || undefined) } }
      : {}),
  }
}

function resetHeaders(limited: unknown): readonly { readonly name: string; readonly format: 0 | 1 }[] {
  return listField(limited, 'resetHeaders').flatMap((header) => {
    const name = textField(header, 'name')
    return name === '' ? [] : [{ name, format: field(header, 'format') === 'UnixTimestamp' ? 1 : 0 }]
  })
}

function headerMatches(conf: unknown, name: string): readonly HeaderMatch[] {
  return listField(conf, name).flatMap((header) => readHeaderMatch(header) ?? [])
}

function tagsOf(item: unknown): Readonly<Record<string, string>> {
  const tags = field(item, 'tags')
  return isObject(tags)
    ? Object.fromEntries(Object.entries(tags).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value]] : [])))
    : {}
}

function optional<K extends string>(name: K, value: number | undefined): { readonly [P in K]?: number } {
  // one computed key of type K; the checker widens it to a string index
  return (value === undefined ? {} : { [name]: value }) as { readonly [P in K]?: number }
}
