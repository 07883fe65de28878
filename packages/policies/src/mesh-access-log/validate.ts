// Rules of MeshAccessLog that its schema cannot say (contract/policies.md section 3.1).
import type { Violation } from '@weft/foundation/errors'
import { isIpOrDnsName, type ValidationContext } from '@weft/resources'
import { backendResourceRefViolations } from '../backend-ref.ts'
import { anyOutboundKind, exclusiveEntries, needsEntries, toViolations } from '../entries.ts'
import { matchesViolations } from '../match.ts'
import { topLevelViolations } from '../target-ref.ts'
import { isFilePath, mustBeDefined, mustNotBeEmpty } from '../value-rules.ts'
import type { AccessLogBackend, AccessLogConf, AccessLogFormat, MeshAccessLogSpec } from './resource.ts'

const reservedName = "must not use the reserved OpenTelemetry prefix 'otel.'"

export function validateMeshAccessLog(spec: MeshAccessLogSpec, { at }: ValidationContext): readonly Violation[] {
  return [
    ...topLevelViolations(spec.targetRef, (spec.rules ?? []).length > 0, at),
    ...exclusiveEntries(spec.to, spec.rules, { field: at, message: "'to' must be empty when 'rules' is defined" }),
    ...needsEntries(spec.to, spec.rules, at),
    ...toViolations(spec.to, { kinds: anyOutboundKind, at, check: (entry, field) => confViolations(entry.default, `${field}.default`) }),
    ...(spec.rules ?? []).flatMap((rule, index) => {
      const field = `${at}.rules[${index}]`
      return [...matchesViolations(rule.matches, `${field}.matches`, true), ...confViolations(rule.default, `${field}.default`)]
    }),
  ]
}

function confViolations(conf: AccessLogConf, at: string): readonly Violation[] {
  if (conf.backends === undefined) return [{ field: `${at}.backends`, message: mustBeDefined }]
  return conf.backends.flatMap((backend, index) => backendViolations(backend, `${at}.backends[${index}]`))
}

function backendViolations(backend: AccessLogBackend, at: string): readonly Violation[] {
  switch (backend.type) {
    case 'Tcp': {
      const { tcp } = backend
      if (tcp === undefined) return [{ field: `${at}.tcp`, message: mustBeDefined }]
      const address = isHostPort(tcp.address) ? [] : [{ field: `${at}.tcp.address`, message: 'tcp backend requires valid address' }]
      return [...formatViolations(tcp.format, `${at}.tcp.format`), ...address]
    }
    case 'File': {
      const { file } = backend
      if (file === undefined) return [{ field: `${at}.file`, message: mustBeDefined }]
      const path = isFilePath(file.path) ? [] : [{ field: `${at}.file.path`, message: 'file backend requires a valid path' }]
      return [...formatViolations(file.format, `${at}.file.format`), ...path]
    }
    case 'OpenTelemetry': {
      const { openTelemetry } = backend
      if (openTelemetry === undefined) return [{ field: `${at}.openTelemetry`, message: mustBeDefined }]
      const { backendRef, attributes = [] } = openTelemetry
      return [
        ...backendResourceRefViolations(backendRef, `${at}.openTelemetry.backendRef`),
        ...attributes.flatMap(({ key }, index) =>
          key.startsWith('otel.') ? [{ field: `${at}.openTelemetry.attributes[${index}].key`, message: reservedName }] : [],
        ),
      ]
    }
  }
}

/** A URL, `host:port`, or a bare host with a dot. */
function isHostPort(text: string): boolean {
  const found = /^(?:[a-z]+:\/\/)?(\[[0-9a-fA-F:.]+\]|[^:/\s]+)(?::(\d{1,5}))?(?:\/\S*)?$/.exec(text)
  const host = found?.[1]?.replace(/^\[|\]$/g, '')
  if (host === undefined || !isIpOrDnsName(host)) return false
  const port = found?.[2]
  return port === undefined ? host.includes('.') : Number(port) >= 1 && Number(port) <= 65535
}

function formatViolations(format: AccessLogFormat | undefined, at: string): readonly Violation[] {
  if (format === undefined) return []
  const name = format.type === 'Plain' ? 'plain' : 'json'
  const value = format[name]
  if (value === undefined) return [{ field: `${at}.${name}`, message: mustBeDefined }]
  if (value.length === 0) return [{ field: `${at}.${name}`, message: mustNotBeEmpty }]
  if (format.type === 'Plain') return []
  return (format.json ?? []).flatMap(({ key, value: text }, index) => {
    const field = `${at}.json[${index}]`
    const empty = [
      ...(key === '' ? [{ field: `${field}.key`, message: 'key cannot be empty' }] : []),
      ...(text === '' ? [{ field: `${field}.value`, message: 'value cannot be empty' }] : []),
    ]
    return isJsonMember(key, text) ? empty : [...empty, { field, message: 'is not a valid JSON object' }]
  })
}

/** Both texts go between quotation marks as they are. */
function isJsonMember(key: string, value: string): boolean {
  try {
    return typeof JSON.parse(`{"${key}":"${value}"}`) === 'object'
  } catch {
    return false
  }
}
