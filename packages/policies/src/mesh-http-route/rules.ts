// Rules of MeshHTTPRoute read from stored confs. A match or filter that cannot be understood is left out alone (contract/policies.md section 3.5).
import { field, isObject, listField, textField } from '@weft/foundation/json'
import { decimalField, uintField } from '../conf-values.ts'
import { readHeaderMatch } from '../header-match.ts'
import type {
  BackendModel,
  HeaderModifier,
  HeaderValue,
  HttpMatch,
  PathMatch,
  PathRewrite,
  QueryMatch,
  RouteFilter,
} from '../route-model.ts'

const statusCodes = [301, 302, 303, 307, 308] as const

/** Reads one match; undefined when some part of it is unknown: leaving the part out would catch more requests than meant. */
export function readHttpMatch(value: unknown): HttpMatch | undefined {
  if (!isObject(value)) return undefined
  const rawPath = field(value, 'path')
  const path = readPath(rawPath)
  if (rawPath !== undefined && rawPath !== null && path === undefined) return undefined
  const headers = listField(value, 'headers').map(readHeaderMatch)
  const queryParams = listField(value, 'queryParams').map(readQuery)
  if (headers.includes(undefined) || queryParams.includes(undefined)) return undefined
  return {
    path,
    method: textField(value, 'method') || undefined,
    headers: headers.filter((header) => header !== undefined),
    queryParams: uniqueNames(queryParams.filter((query) => query !== undefined)),
  }
}

/** Sort order of matches: the most specific first (contract/policies.md section 3.5 "Ordering"). Zero leaves the order of the policies. */
export function compareHttpMatches(a: HttpMatch, b: HttpMatch): number {
  return (
    Number(b.path !== undefined) - Number(a.path !== undefined) ||
    pathRank(a.path) - pathRank(b.path) ||
    (a.path?.type === 'Exact' ? 0 : (b.path?.value.length ?? 0) - (a.path?.value.length ?? 0)) ||
    Number(b.method !== undefined) - Number(a.method !== undefined) ||
    b.headers.length - a.headers.length ||
    b.queryParams.length - a.queryParams.length
  )
}

/** True for a match that holds for every request and says nothing else. */
export function isCatchAll(match: HttpMatch): boolean {
  return (
    match.path?.type === 'PathPrefix' &&
    match.path.value === '/' &&
    match.method === undefined &&
    match.headers.length === 0 &&
    match.queryParams.length === 0
  )
}

/** Reads the filters of a rule. `backendOf` resolves a mirror's backend; a mirror without one is left out. */
export function readFilters(conf: unknown, backendOf: (ref: unknown) => BackendModel | undefined): readonly RouteFilter[] {
  return listField(conf, 'filters').flatMap((filter): RouteFilter | readonly RouteFilter[] => {
    switch (field(filter, 'type')) {
      case 'RequestHeaderModifier':
        return { type: 'RequestHeaderModifier', modifier: readModifier(field(filter, 'requestHeaderModifier')) }
      case 'ResponseHeaderModifier':
        return { type: 'ResponseHeaderModifier', modifier: readModifier(field(filter, 'responseHeaderModifier')) }
      case 'RequestRedirect':
        return readRedirect(field(filter, 'requestRedirect'))
      case 'URLRewrite': {
        const rewrite = field(filter, 'urlRewrite')
        return { type: 'URLRewrite', hostname: textField(rewrite, 'hostname') || undefined, path: readRewrite(field(rewrite, 'path')) }
      }
      case 'RequestMirror': {
        const mirror = field(filter, 'requestMirror')
        const backend = backendOf(field(mirror, 'backendRef'))
        return backend === undefined ? [] : { type: 'RequestMirror', percentage: decimalField(mirror, 'percentage'), backend }
      }
      default:
        return []
    }
  })
}

function readPath(value: unknown): PathMatch | undefined {
  const type = field(value, 'type')
  const text = textField(value, 'value')
  if (text === '' || (type !== 'Exact' && type !== 'PathPrefix' && type !== 'RegularExpression')) return undefined
  return { type, value: text }
}

function readQuery(value: unknown): QueryMatch | undefined {
  const type = field(value, 'type')
  const name = textField(value, 'name')
  if (name === '' || (type !== 'Exact' && type !== 'RegularExpression')) return undefined
  return { type, name, value: textField(value, 'value') }
}

/** Of several matches for one parameter the first counts. */
function uniqueNames(queries: readonly QueryMatch[]): readonly QueryMatch[] {
  const seen = new Set<string>()
  return queries.filter((query) => !seen.has(query.name) && seen.add(query.name))
}

function pathRank(path: PathMatch | undefined): number {
  return path?.type === 'Exact' ? 0 : path?.type === 'PathPrefix' ? 1 : 2
}

function readModifier(value: unknown): HeaderModifier {
  return {
    set: headerValues(value, 'set'),
    add: headerValues(value, 'add'),
    remove: listField(value, 'remove').filter((name): name is string => typeof name === 'string' && isModifiable(name)),
  }
}

function headerValues(value: unknown, list: 'set' | 'add'): readonly HeaderValue[] {
  return listField(value, list).flatMap((item) => {
    const name = textField(item, 'name')
    const text = textField(item, 'value')
    return !isModifiable(name) || hasLineBreak(text) ? [] : [{ name, value: headerFormat(text) }]
  })
}

/** Envoy refuses a listener that changes the host or a pseudo header. */
function isModifiable(name: string): boolean {
  return name !== '' && !name.startsWith(':') && name.toLowerCase() !== 'host' && !hasLineBreak(name)
}

function hasLineBreak(text: string): boolean {
  return /[\0\r\n]/.test(text)
}

/** Header values may hold Envoy's `%COMMAND%`; a percent sign that is none of one is text, which Envoy wants doubled. */
function headerFormat(text: string): string {
  const rest = text.replaceAll(/%%|%[A-Z][A-Z0-9_]*(?:\([^)]*\))?(?::\d+)?%/g, '')
  return rest.includes('%') ? text.replaceAll('%', '%%') : text
}

function readRedirect(value: unknown): RouteFilter {
  const scheme = field(value, 'scheme')
  const code = field(value, 'statusCode')
  return {
    type: 'RequestRedirect',
    scheme: scheme === 'http' || scheme === 'https' ? scheme : undefined,
    hostname: textField(value, 'hostname') || undefined,
    port: portOf(uintField(value, 'port')),
    path: readRewrite(field(value, 'path')),
    statusCode: statusCodes.find((known) => known === code) ?? 302,
  }
}

function portOf(port: number | undefined): number | undefined {
  return port !== undefined && port > 0 && port <= 65_535 ? port : undefined
}

function readRewrite(value: unknown): PathRewrite | undefined {
  const type = field(value, 'type')
  const full = field(value, 'replaceFullPath')
  const prefix = field(value, 'replacePrefixMatch')
  if (type === 'ReplaceFullPath' && typeof full === 'string') return { type, value: full }
  return type === 'ReplacePrefixMatch' && typeof prefix === 'string' ? { type, value: prefix } : undefined
}
