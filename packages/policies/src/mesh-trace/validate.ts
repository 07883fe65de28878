// Rules of MeshTrace that its schema cannot say (contract/policies.md section 3.13).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '@weft/resources'
import { backendResourceRefViolations } from '../backend-ref.ts'
import { topLevelViolations } from '../target-ref.ts'
import { mustBeDefined, mustNotBeEmpty, percentage } from '../value-rules.ts'
import type { MeshTraceSpec, TraceConf } from './resource.ts'

type Backend = NonNullable<TraceConf['backends']>[number]
type Tag = NonNullable<TraceConf['tags']>[number]

export function validateMeshTrace(spec: MeshTraceSpec, { at }: ValidationContext): readonly Violation[] {
  const { backends, sampling, tags } = spec.default
  const field = `${at}.default`
  // one section of a dataplane may be traced on its own, so a section name is allowed without rules
  const violations: Violation[] = [...topLevelViolations(spec.targetRef, true, at)]
  if (backends === undefined) violations.push({ field: `${field}.backends`, message: mustBeDefined })
  else if (backends.length > 1) violations.push({ field: `${field}.backends`, message: 'must have zero or one backend defined' })
  else for (const backend of backends) violations.push(...backendViolations(backend, `${field}.backends[0]`))
  return [
    ...violations,
    ...percentage(sampling?.client, `${field}.sampling.client`),
    ...percentage(sampling?.random, `${field}.sampling.random`),
    ...percentage(sampling?.overall, `${field}.sampling.overall`),
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

function datadogViolations(text: string, field: string): readonly Violation[] {
  if (text === '') return [{ field, message: mustNotBeEmpty }]
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined) return [{ field, message: 'must be a valid url' }]
  const violations: Violation[] = []
  if (url.protocol !== 'http:') violations.push({ field, message: 'scheme must be http' })
  // a URL hides its scheme's own port, so the port is looked for in the text
  const port = /^[a-z]+:\/\/[^/?#]*:(\d+)(?:[/?#]|$)/.exec(text)?.[1]
  if (port === undefined || Number(port) < 1 || Number(port) > 65535) violations.push({ field, message: 'port must be a valid (1-65535)' })
  if (url.username !== '' || url.password !== '') violations.push({ field, message: 'must not contain user and password' })
  if (url.pathname !== '/' || /\/$/.test(text)) violations.push({ field, message: 'must not contain path' })
  if (url.search !== '') violations.push({ field, message: 'must not contain query' })
  if (url.hash !== '') violations.push({ field, message: 'must not contain fragment' })
  return violations
}

function tagViolations(tag: Tag, at: string): readonly Violation[] {
  const violations: Violation[] = tag.name === '' ? [{ field: `${at}.name`, message: mustNotBeEmpty }] : []
  if ((tag.literal === undefined) === (tag.header === undefined)) {
    violations.push({ field: at, message: 'tag must have only one type defined: header, literal' })
  }
  if (tag.header?.name === '') violations.push({ field: `${at}.header.name`, message: mustNotBeEmpty })
  return violations
}
