// Rules of MeshTrace that its schema cannot say (contract/policies.md section 3.13).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '@weft/resources'
import { backendResourceRefViolations } from '../backend-ref.ts'
import { topLevelViolations } from '../target-ref.ts'
import { decimalOf, mustBeDefined, mustNotBeEmpty } from '../value-rules.ts'
import type { MeshTraceSpec, TraceConf } from './resource.ts'

type Backend = NonNullable<TraceConf['backends']>[number]
type Tag = NonNullable<TraceConf['tags']>[number]

export function validateMeshTrace(spec: MeshTraceSpec, { at }: ValidationContext): readonly Violation[] {
  const { backends, sampling, tags } = spec.default
  const field = `${at}.default`
  const violations: Violation[] = [...topLevelViolations(spec.targetRef, false, at)]
  if (backends === undefined) violations.push({ field: `${field}.backends`, message: mustBeDefined })
  else for (const backend of backends) violations.push(...backendViolations(backend, `${field}.backends[0]`))
  return [
    ...violations,
    ...(['client', 'random', 'overall'] as const).flatMap((name) => shareViolations(sampling?.[name], `${field}.sampling.${name}`)),
    ...(tags ?? []).flatMap((tag, index) => tagViolations(tag, `${field}.tags[${index}]`)),
  ]
}

function backendViolations(backend: Backend, at: string): readonly Violation[] {
  switch (backend.type) {
    case 'Zipkin': {
      if (backend.zipkin === undefined) return [{ field: `${at}.zipkin`, message: mustBeDefined }]
      const { url } = backend.zipkin
      if (url === '') return [{ field: `${at}.zipkin.url`, message: mustNotBeEmpty }]
      return URL.canParse(url) ? [] : [{ field: `${at}.zipkin.url`, message: 'must be a valid url' }]
    }
    case 'Datadog': {
      if (backend.datadog === undefined) return [{ field: `${at}.datadog`, message: mustBeDefined }]
      return datadogViolations(backend.datadog.url, `${at}.datadog.url`)
    }
    case 'OpenTelemetry':
      if (backend.openTelemetry === undefined) return [{ field: `${at}.openTelemetry`, message: mustBeDefined }]
      return backendResourceRefViolations(backend.openTelemetry.backendRef, `${at}.openTelemetry.backendRef`)
  }
}

/** Only a host and a port: the tracer adds the rest. */
function datadogViolations(text: string, field: string): readonly Violation[] {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) return [{ field, message: 'must be a valid url' }]
  const unwanted = (isSet: boolean, what: string): readonly Violation[] =>
    isSet ? [{ field, message: `${what} must not be defined` }] : []
  // the parsed URL hides its scheme's own port and a path of one slash, so the text is looked at
  const [, authority, rest = ''] = /^[a-z]+:\/\/([^/?#]*)(.*)$/i.exec(text) ?? []
  const port = /:(\d+)$/.exec(authority ?? '')?.[1]
  return [
    ...(url.protocol === 'http:' ? [] : [{ field, message: 'scheme must be http' }]),
    ...portViolations(port, field),
    ...unwanted(authority === undefined, 'opaque'),
    ...unwanted(url.username !== '' || url.password !== '', 'user'),
    ...unwanted(rest.startsWith('/'), 'path'),
    ...unwanted(url.search !== '', 'query'),
    ...unwanted(url.hash !== '', 'fragment'),
  ]
}

function portViolations(port: string | undefined, field: string): readonly Violation[] {
  if (port === undefined) return [{ field, message: 'port must be defined' }]
  return Number(port) >= 1 && Number(port) <= 65535 ? [] : [{ field, message: 'port must be a valid (1-65535)' }]
}

function shareViolations(share: number | string | undefined, field: string): readonly Violation[] {
  if (share === undefined) return []
  const number = decimalOf(share)
  if (number === undefined) return [{ field, message: 'string is not a number' }]
  return number >= 0 && number <= 100 ? [] : [{ field, message: 'must be between 0 and 100' }]
}

function tagViolations(tag: Tag, at: string): readonly Violation[] {
  const violations: Violation[] = tag.name === '' ? [{ field: `${at}.name`, message: mustNotBeEmpty }] : []
  if ((tag.literal === undefined) === (tag.header === undefined)) {
    violations.push({ field: at, message: 'tag must have only one type defined: header, literal' })
  }
  if (tag.header?.name === '') violations.push({ field: `${at}.header.name`, message: mustNotBeEmpty })
  return violations
}
