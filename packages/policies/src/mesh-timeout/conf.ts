// Effective conf of MeshTimeout in milliseconds. Absent values mean what the effect says they mean (contract/policies.md section 3.12).
import { field } from '@weft/foundation/json'
import { durationField } from '../conf-values.ts'

/** Timeouts as far as policies name them, in milliseconds; 0 switches a timeout off. */
export interface TimeoutConf {
  readonly connectMs?: number
  readonly idleMs?: number
  readonly requestMs?: number
  readonly streamIdleMs?: number
  readonly maxStreamMs?: number
  readonly maxConnectionMs?: number
  readonly requestHeadersMs?: number
}

/** What applies where the conf says nothing (contract/policies.md section 2). */
export const timeoutDefaults = {
  connectMs: 5_000,
  idleMs: 3_600_000,
  requestMs: 15_000,
  streamIdleMs: 1_800_000,
  maxStreamMs: 0,
  maxConnectionMs: 0,
  requestHeadersMs: 0,
} as const satisfies Required<TimeoutConf>

/** Reads a merged conf; missing and malformed durations are left out. */
export function timeoutConf(conf: unknown): TimeoutConf {
  const http = field(conf, 'http')
  return definedOnly({
    connectMs: durationField(conf, 'connectionTimeout'),
    idleMs: durationField(conf, 'idleTimeout'),
    requestMs: durationField(http, 'requestTimeout'),
    streamIdleMs: durationField(http, 'streamIdleTimeout'),
    maxStreamMs: durationField(http, 'maxStreamDuration'),
    maxConnectionMs: durationField(http, 'maxConnectionDuration'),
    requestHeadersMs: durationField(http, 'requestHeadersTimeout'),
  })
}

/** A conf of these values, without those that are undefined. */
export function definedOnly(values: { readonly [K in keyof TimeoutConf]?: number | undefined }): TimeoutConf {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}
