// Rules of MeshAccessLog that its schema cannot say (contract/policies.md section 3.1).
import type { Violation } from '@weft/foundation/errors'
import { isIpOrDnsName, type ValidationContext } from '@weft/resources'
import { backendResourceRefViolations } from '../backend-ref.ts'
import { anyOutboundKind, exclusiveEntries, needsEntries, toViolations } from '../entries.ts'
import { matchesViolations } from '../match.ts'
import { topLevelViolations } from '../target-ref.ts'
import { mustBeDefined } from '../value-rules.ts'
import type { AccessLogBackend, AccessLogConf, AccessLogFormat, MeshAccessLogSpec } from './resource.ts'

const attributeName = /^[a-z](?:[a-z0-9]|[._][a-z0-9])*$/

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
      // a control character would end up in a file name nobody can remove by typing it
      const path = /^[^\p{Cc}]+$/u.test(file.path) ? [] : [{ field: `${at}.file.path`, message: 'file backend requires a valid path' }]
      return [...formatViolations(file.format, `${at}.file.format`), ...path]
    }
    case 'OpenTelemetry': {
      const { openTelemetry } = backend
      if (openTelemetry === undefined) return [{ field: `${at}.openTelemetry`, message: mustBeDefined }]
      return [
        ...backendResourceRefViolations(openTelemetry.backendRef, `${at}.openTelemetry.backendRef`),
        ...(openTelemetry.attributes ?? []).flatMap(({ key }, index) => attributeViolations(key, `${at}.openTelemetry.attributes[${index}].key`)),
      ]
    }
  }
}

/** `host:port`, a bare host with a dot, or an address. */
function isHostPort(text: string): boolean {
  const found = /^(?:[a-z]+:\/\/)?(\[[0-9a-fA-F:.]+\]|[^:/\s]+)(?::(\d{1,5}))?$/.exec(text)
  const host = found?.[1]?.replace(/^\[|\]$/g, '')
  if (host === undefined || !isIpOrDnsName(host)) return false
  const port = found?.[2]
  return port === undefined ? host.includes('.') : Number(port) >= 1 && Number(port) <= 65535
}

function formatViolations(format: AccessLogFormat | undefined, at: string): readonly Violation[] {
  if (format === undefined) return []
  if (format.type === 'Plain') return format.plain ? [] : [{ field: `${at}.plain`, message: mustBeDefined }]
  if (format.json === undefined || format.json.length === 0) return [{ field: `${at}.json`, message: mustBeDefined }]
  return format.json.flatMap(({ key, value }, index) => [
    ...(key === '' ? [{ field: `${at}.json[${index}].key`, message: 'key cannot be empty' }] : []),
    ...(value === '' ? [{ field: `${at}.json[${index}].value`, message: 'value cannot be empty' }] : []),
  ])
}

function attributeViolations(key: string, field: string): readonly Violation[] {
  if (key === '') return [{ field, message: mustBeDefined }]
  if (key.includes('%')) {
    return [{ field, message: 'must be a static OpenTelemetry attribute name; placeholders are only supported in values' }]
  }
  if (key.startsWith('otel.')) return [{ field, message: "must not use the reserved OpenTelemetry prefix 'otel.'" }]
  if (attributeName.test(key)) return []
  const rule = "must start with a lowercase letter, use only lowercase letters, digits, '.' or '_', avoid consecutive delimiters, and end with a letter or digit"
  return [{ field, message: rule }]
}
