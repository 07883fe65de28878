// Effective conf of MeshHealthCheck, read totally (contract/policies.md section 3.4).
import type { Protocol } from '@weft/facts'
import { field, isObject, listField, textField, textsField } from '@weft/foundation/json'
import { boolField, durationField, uintField } from '../conf-values.ts'

/** A header of a check's request. */
export interface CheckHeader {
  readonly name: string
  readonly value: string
  readonly append: boolean
}

/** How an endpoint is asked. */
export type Probe =
  | { readonly kind: 'tcp'; readonly send?: string; readonly receive: readonly string[] }
  | {
      readonly kind: 'http'
      readonly path: string
      readonly statuses: readonly number[]
      readonly headers: readonly CheckHeader[]
      readonly http2: boolean
    }
  | { readonly kind: 'grpc'; readonly serviceName?: string; readonly authority?: string }

/** When it is asked, and what the answers mean. */
export interface Timing {
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly unhealthyThreshold: number
  readonly healthyThreshold: number
  readonly initialJitterMs?: number
  readonly intervalJitterMs?: number
  readonly intervalJitterPercent?: number
  readonly noTrafficIntervalMs?: number
  readonly unhealthyIntervalMs?: number
  readonly eventLogPath?: string
  readonly alwaysLogFailures?: boolean
  readonly reuseConnection?: boolean
}

/** Checks of one destination. */
export interface HealthCheckConf {
  readonly failTrafficOnPanic?: boolean
  /** Undefined: the protocol has no check. */
  readonly check?: { readonly timing: Timing; readonly probe: Probe }
}

const defaults = { intervalMs: 60_000, timeoutMs: 15_000, unhealthyThreshold: 5, healthyThreshold: 1, path: '/' } as const

/** What a merged conf means for a destination that speaks this protocol. */
export function healthCheckConf(conf: unknown, protocol: Protocol): HealthCheckConf {
  const probe = probeOf(conf, protocol)
  const failTrafficOnPanic = boolField(conf, 'failTrafficOnPanic')
  return {
    ...(failTrafficOnPanic === undefined ? {} : { failTrafficOnPanic }),
    ...(probe === undefined ? {} : { check: { timing: timingOf(conf), probe } }),
  }
}

/** The protocol's own check, or the TCP one when the own is explicitly switched off. */
function probeOf(conf: unknown, protocol: Protocol): Probe | undefined {
  const tcp = field(conf, 'tcp')
  const own = protocol === 'tcp' ? undefined : field(conf, protocol === 'grpc' ? 'grpc' : 'http')
  if (protocol === 'tcp' || (isObject(own) && isOff(own))) return isObject(tcp) && !isOff(tcp) ? tcpProbe(tcp) : undefined
  if (!isObject(own)) return undefined
  return protocol === 'grpc' ? grpcProbe(own) : httpProbe(own, protocol === 'http2')
}

function isOff(check: unknown): boolean {
  return boolField(check, 'disabled') === true
}

function tcpProbe(tcp: unknown): Probe {
  const send = textField(tcp, 'send')
  return { kind: 'tcp', ...(send === '' ? {} : { send }), receive: textsField(tcp, 'receive') }
}

function httpProbe(http: unknown, http2: boolean): Probe {
  const headers = field(http, 'requestHeadersToAdd')
  return {
    kind: 'http',
    path: textField(http, 'path') || defaults.path,
    statuses: listField(http, 'expectedStatuses').flatMap((status) =>
      typeof status === 'number' && status >= 100 && status < 600 ? [status] : [],
    ),
    headers: [...headersOf(listField(headers, 'add'), true), ...headersOf(listField(headers, 'set'), false)],
    http2,
  }
}

/** A list of values in one text is one header for each of them. */
function headersOf(list: readonly unknown[], append: boolean): readonly CheckHeader[] {
  return list.flatMap((header) =>
    textField(header, 'value')
      .split(',')
      .map((value) => ({ name: textField(header, 'name'), value, append })),
  )
}

function grpcProbe(grpc: unknown): Probe {
  const serviceName = textField(grpc, 'serviceName')
  const authority = textField(grpc, 'authority')
  return { kind: 'grpc', ...(serviceName === '' ? {} : { serviceName }), ...(authority === '' ? {} : { authority }) }
}

function timingOf(conf: unknown): Timing {
  const optional = {
    initialJitterMs: durationField(conf, 'initialJitter'),
    intervalJitterMs: durationField(conf, 'intervalJitter'),
    intervalJitterPercent: uintField(conf, 'intervalJitterPercent'),
    noTrafficIntervalMs: durationField(conf, 'noTrafficInterval') || undefined,
    unhealthyIntervalMs: durationField(conf, 'unhealthyInterval') || undefined,
    eventLogPath: textField(conf, 'eventLogPath') || undefined,
    alwaysLogFailures: boolField(conf, 'alwaysLogHealthCheckFailures'),
    reuseConnection: boolField(conf, 'reuseConnection'),
  }
  return {
    // Envoy refuses 0
    intervalMs: durationField(conf, 'interval') || defaults.intervalMs,
    timeoutMs: durationField(conf, 'timeout') || defaults.timeoutMs,
    unhealthyThreshold: uintField(conf, 'unhealthyThreshold') ?? defaults.unhealthyThreshold,
    healthyThreshold: uintField(conf, 'healthyThreshold') ?? defaults.healthyThreshold,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  }
}
