// Envoy's access loggers for the backends of a policy (contract/policies.md section 3.1).
import { type Mutable, packed } from '@weft/envoy'
import { isObject } from '@weft/foundation/json'
import { canonicalJson } from '@weft/foundation/schema'
import { codec, type Messages } from '@weft/proto'
import { interpolate, interpolateJson, type LogValues } from './formats.ts'
import type { AccessLogBackend, AccessLogFormat } from './resource.ts'

export type AccessLog = Mutable<Messages['envoy.config.accesslog.v3.AccessLog']>
export type AccessLogFilter = Messages['envoy.config.accesslog.v3.AccessLogFilter']
type Format = Messages['envoy.config.core.v3.SubstitutionFormatString']
type Struct = Messages['google.protobuf.Struct']
type AnyValue = Messages['opentelemetry.proto.common.v1.AnyValue']
type OpenTelemetry = NonNullable<AccessLogBackend['openTelemetry']>

/** A collector as loggers see it: called over gRPC, or over HTTP at `url`. */
export interface LogCollector {
  readonly cluster: string
  readonly url?: string
}

const exportTimeoutSeconds = 10

/** What loggers depend on besides the backend. */
export interface LoggerInput {
  readonly values: LogValues
  /** Where a backend names none. */
  readonly defaultFormat: string
  /** Pipe of the launcher that sends lines on to TCP servers. */
  readonly socket: string
  /** The collector of each backendRef, by `refKey`; without an entry it does not exist. */
  readonly collectors: Readonly<Record<string, LogCollector>>
  readonly filter?: AccessLogFilter
}

/** Text that stands for a backendRef. */
export function refKey({ backendRef }: OpenTelemetry): string {
  return canonicalJson(backendRef?.labels ?? {})
}

/** One logger for each backend, in their order. Backends whose collector does not exist have none. */
export function accessLogs(backends: readonly AccessLogBackend[], input: LoggerInput): AccessLog[] {
  return backends.flatMap((backend) => {
    const log = accessLog(backend, input)
    if (log === undefined) return []
    // the filter is built by this package and never edited; Mutable only lifts readonly
    return input.filter === undefined ? [log] : [{ ...log, filter: input.filter as NonNullable<AccessLog['filter']> }]
  })
}

function accessLog(backend: AccessLogBackend, input: LoggerInput): AccessLog | undefined {
  switch (backend.type) {
    case 'File':
      return backend.file && fileLog(backend.file.path, fileFormat(backend.file.format, input))
    case 'Tcp':
      return backend.tcp && fileLog(input.socket, tcpFormat(backend.tcp, input))
    case 'OpenTelemetry':
      return backend.openTelemetry && openTelemetryLog(backend.openTelemetry, input)
  }
}

function fileLog(path: string, logFormat: Format): AccessLog {
  return {
    name: 'envoy.access_loggers.file',
    typedConfig: packed('envoy.extensions.access_loggers.file.v3.FileAccessLog', { path, logFormat }),
  }
}

function fileFormat(format: AccessLogFormat | undefined, input: LoggerInput): Format {
  if (format?.type === 'Json') return { jsonFormat: jsonFields(format, input), ...omitEmpty(format) }
  return { textFormatSource: { inlineString: lineOf(format, input) }, ...omitEmpty(format) }
}

/** The launcher takes objects of an address and a message, one on a line. */
function tcpFormat({ address, format }: NonNullable<AccessLogBackend['tcp']>, input: LoggerInput): Format {
  const message = format?.type === 'Json' ? { structValue: jsonFields(format, input) } : { stringValue: lineOf(format, input) }
  return { jsonFormat: { fields: { address: { stringValue: address }, message } }, ...omitEmpty(format) }
}

function lineOf(format: AccessLogFormat | undefined, { defaultFormat, values }: LoggerInput): string {
  return `${interpolate(format?.plain ?? defaultFormat, values)}\n`
}

function omitEmpty(format: AccessLogFormat | undefined): { readonly omitEmptyValues?: true } {
  return format?.omitEmptyValues === true ? { omitEmptyValues: true } : {}
}

function jsonFields(format: AccessLogFormat, { values }: LoggerInput): Struct {
  const texts = Object.fromEntries((format.json ?? []).map(({ key, value }) => [key, interpolate(value, values)]))
  const fields: Record<string, { readonly stringValue: string }> = Object.create(null)
  for (const key of Object.keys(texts).sort()) fields[key] = { stringValue: texts[key] ?? '' }
  return { fields }
}

function openTelemetryLog(backend: OpenTelemetry, input: LoggerInput): AccessLog | undefined {
  const collector = input.collectors[refKey(backend)]
  if (collector === undefined) return undefined
  const { cluster, url: uri } = collector
  const { values } = input
  const attribute = (key: string, stringValue: string) => ({ key, value: { stringValue } })
  const resource = { 'kuma.mesh': values.mesh, 'kuma.zone': values.zone, 'kuma.workload': values.workloadKri }
  return {
    name: 'envoy.access_loggers.open_telemetry',
    typedConfig: packed('envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig', {
      logName: 'MeshAccessLog',
      ...(uri === undefined
        ? { grpcService: { envoyGrpc: { clusterName: cluster } } }
        : { httpService: { httpUri: { uri, cluster, timeout: { seconds: exportTimeoutSeconds } } } }),
      resourceAttributes: { values: Object.entries(resource).flatMap(([key, value]) => (value === '' ? [] : [attribute(key, value)])) },
      body: bodyOf(backend.body, input),
      attributes: { values: (backend.attributes ?? []).map(({ key, value }) => attribute(key, interpolate(value, values))) },
    }),
  }
}

/**
 * An OTLP value where the policy has one; else its JSON as text. What holds no value is as if there were none. Envoy takes texts, lists and pairs only: other
 * values are written as texts.
 */
function bodyOf(body: unknown, { defaultFormat, values }: LoggerInput): AnyValue {
  const fallback = { stringValue: interpolate(defaultFormat, values) }
  if (body === undefined) return fallback
  const { fromJson, toJson } = codec('opentelemetry.proto.common.v1.AnyValue')
  try {
    const value = fromJson(interpolateJson(body, values), { ignoreUnknown: true })
    return Object.keys(Object(toJson(value))).length === 0 ? fallback : fromJson(onlyTexts(toJson(value)))
  } catch {
    return { stringValue: interpolate(JSON.stringify(body), values) }
  }
}

function onlyTexts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(onlyTexts)
  if (!isObject(value)) return value
  for (const scalar of ['boolValue', 'intValue', 'doubleValue', 'bytesValue']) {
    if (Object.hasOwn(value, scalar)) return { stringValue: String(value[scalar]) }
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, onlyTexts(item)]))
}
