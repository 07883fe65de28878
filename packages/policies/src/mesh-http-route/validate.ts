// Rules of MeshHTTPRoute that its schema cannot say (contract/policies.md section 3.5).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '@weft/resources'
import { isIP } from 'node:net'
import { backendRefViolations, destinationKinds } from '../backend-ref.ts'
import { toViolations } from '../entries.ts'
import { headerMatchViolations, regexViolations } from '../headers.ts'
import { topLevelViolations } from '../target-ref.ts'
import { mustBeDefined, mustNotBeDefined, percentage } from '../value-rules.ts'
import type { HttpRouteFilter, HttpRouteMatch, HttpRouteRule, MeshHttpRouteSpec } from './resource.ts'

type HeaderModifier = NonNullable<HttpRouteFilter['requestHeaderModifier']>
type PathRewrite = NonNullable<NonNullable<HttpRouteFilter['urlRewrite']>['path']>

const trailingSlash = 'does not need a trailing slash because only a `/`-separated prefix or an entire path is matched'

export function validateMeshHttpRoute(spec: MeshHttpRouteSpec, { at }: ValidationContext): readonly Violation[] {
  return [
    ...topLevelViolations(spec.targetRef, false, at),
    ...toViolations(spec.to, {
      kinds: destinationKinds,
      at,
      check: (entry, field) => [
        ...entry.rules.flatMap((rule, index) => ruleViolations(rule, `${field}.rules[${index}]`)),
        ...((entry.hostnames ?? []).length > 0 ? [{ field: `${field}.hostnames`, message: mustNotBeDefined }] : []),
      ],
    }),
  ]
}

function ruleViolations(rule: HttpRouteRule, at: string): readonly Violation[] {
  const { filters, backendRefs } = rule.default
  return [
    ...rule.matches.flatMap((match, index) => matchViolations(match, `${at}.matches[${index}]`)),
    ...(filters ?? []).flatMap((filter, index) => filterViolations(filter, rule.matches, `${at}.default.filters[${index}]`)),
    ...(backendRefs ?? []).flatMap((ref, index) => backendRefViolations(ref, `${at}.default.backendRefs[${index}]`)),
  ]
}

function matchViolations(match: HttpRouteMatch, at: string): readonly Violation[] {
  const violations: Violation[] = []
  const { path } = match
  if (path !== undefined && path.type !== 'RegularExpression') {
    const field = `${at}.path.value`
    if (path.type === 'PathPrefix' && path.value !== '/' && path.value.endsWith('/')) violations.push({ field, message: trailingSlash })
    if (!path.value.startsWith('/')) violations.push({ field, message: 'must be an absolute path' })
  }
  if (path?.type === 'RegularExpression') violations.push(...regexViolations(path.value, `${at}.path.value`))
  const names = new Set<string>()
  for (const [index, { name, type, value }] of (match.queryParams ?? []).entries()) {
    if (type === 'RegularExpression') violations.push(...regexViolations(value, `${at}.queryParams[${index}].value`))
    if (names.has(name)) violations.push({ field: `${at}.queryParams[${index}].name`, message: `multiple entries for name ${name}` })
    names.add(name)
  }
  return [...violations, ...headerMatchViolations(match.headers, `${at}.headers`)]
}

function filterViolations(filter: HttpRouteFilter, matches: readonly HttpRouteMatch[], at: string): readonly Violation[] {
  switch (filter.type) {
    case 'RequestHeaderModifier':
      return modifierViolations(filter.requestHeaderModifier, `${at}.requestHeaderModifier`)
    case 'ResponseHeaderModifier':
      return modifierViolations(filter.responseHeaderModifier, `${at}.responseHeaderModifier`)
    case 'RequestRedirect': {
      const field = `${at}.requestRedirect`
      const redirect = filter.requestRedirect
      if (redirect === undefined) return [{ field, message: mustBeDefined }]
      return [...rewriteViolations(redirect.path, matches, `${field}.path`), ...hostnameViolations(redirect.hostname, `${field}.hostname`)]
    }
    case 'URLRewrite': {
      const field = `${at}.urlRewrite`
      const rewrite = filter.urlRewrite
      if (rewrite === undefined) return [{ field, message: mustBeDefined }]
      return [
        ...rewriteViolations(rewrite.path, matches, `${field}.path`),
        ...hostnameViolations(rewrite.hostname, `${field}.hostname`),
        ...backendHostnameViolations(rewrite, `${field}.hostToBackendHostname`),
      ]
    }
    case 'RequestMirror': {
      const field = `${at}.requestMirror`
      const mirror = filter.requestMirror
      if (mirror === undefined) return [{ field, message: mustBeDefined }]
      return [...percentage(mirror.percentage, `${field}.percentage`), ...backendRefViolations(mirror.backendRef, `${field}.backendRef`)]
    }
  }
}

function modifierViolations(modifier: HeaderModifier | undefined, at: string): readonly Violation[] {
  if (modifier === undefined) return [{ field: at, message: mustBeDefined }]
  const { set, add, remove } = modifier
  if (set === undefined && add === undefined && remove === undefined) {
    return [{ field: at, message: 'must have at least one defined: set, add, remove' }]
  }
  const named = [
    ...(set ?? []).map((item, index) => [item.name, `set[${index}]`] as const),
    ...(add ?? []).map((item, index) => [item.name, `add[${index}]`] as const),
    ...(remove ?? []).map((name, index) => [name, `remove[${index}]`] as const),
  ]
  const seen = new Set<string>()
  const violations: Violation[] = []
  for (const [name, place] of named) {
    if (seen.has(name)) violations.push({ field: `${at}.${place}.name`, message: 'duplicate header name' })
    seen.add(name)
  }
  return violations
}

function rewriteViolations(path: PathRewrite | undefined, matches: readonly HttpRouteMatch[], at: string): readonly Violation[] {
  if (path === undefined) return []
  const field = path.type === 'ReplaceFullPath' ? 'replaceFullPath' : 'replacePrefixMatch'
  const violations: Violation[] = path[field] === undefined ? [{ field: `${at}.${field}`, message: mustBeDefined }] : []
  if (path.replacePrefixMatch !== undefined && matches.some((match) => match.path?.type !== 'PathPrefix')) {
    violations.push({ field: `${at}.replacePrefixMatch`, message: 'can only appear if all matches match a path prefix' })
  }
  return violations
}

function backendHostnameViolations(rewrite: NonNullable<HttpRouteFilter['urlRewrite']>, field: string): readonly Violation[] {
  if (rewrite.hostToBackendHostname !== true) return []
  const unsupported = { field, message: 'must not be set' }
  return rewrite.hostname === undefined ? [unsupported] : [unsupported, { field, message: 'cannot be set together with hostname' }]
}

function hostnameViolations(hostname: string | undefined, field: string): readonly Violation[] {
  return hostname !== undefined && isIP(hostname) !== 0 ? [{ field, message: 'cannot be an IP address' }] : []
}
