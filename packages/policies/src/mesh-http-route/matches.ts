// Matches of a route as Envoy evaluates them.
import type { HttpDraft } from '@weft/envoy'
import { isRegex } from '@weft/resources'
import { headerMatcher } from '../header-match.ts'
import type { HttpMatch, PathMatch } from '../route-model.ts'

type RouteMatch = NonNullable<HttpDraft['virtualHosts'][number]['routes'][number]['match']>

/** A match of a route in Envoy. */
export interface EnvoyMatch {
  readonly match: RouteMatch
  /** True when the match is Envoy's prefix and not the exact path, which decides how prefixes are rewritten. */
  readonly byPrefix: boolean
}

/**
 * One match, or two for a prefix: a prefix ends at a path separator, so `/a` holds for `/a` and `/a/b` but not for `/ab`. None for a regular
 * expression that Envoy cannot compile: such a match takes no request, while Envoy would refuse all routes of the proxy.
 */
export function envoyMatches(match: HttpMatch): readonly EnvoyMatch[] {
  if (!regexes(match).every(isRegex)) return []
  const headers = [
    ...(match.method === undefined ? [] : [{ name: ':method', stringMatch: { exact: match.method } }]),
    ...match.headers.map(headerMatcher),
  ]
  const queryParameters = match.queryParams.map(({ type, name, value }) => ({
    name,
    stringMatch: type === 'Exact' ? { exact: value } : { safeRegex: { regex: value } },
  }))
  return paths(match.path).map(({ path, byPrefix }) => ({
    byPrefix,
    match: { ...path, ...(headers.length > 0 ? { headers } : {}), ...(queryParameters.length > 0 ? { queryParameters } : {}) },
  }))
}

function regexes({ path, headers, queryParams }: HttpMatch): readonly string[] {
  return [...(path === undefined ? [] : [path]), ...headers, ...queryParams].flatMap(({ type, value }) =>
    type === 'RegularExpression' ? [value] : [],
  )
}

function paths(path: PathMatch | undefined): readonly { readonly path: RouteMatch; readonly byPrefix: boolean }[] {
  if (path === undefined) return [{ path: { prefix: '/' }, byPrefix: true }]
  switch (path.type) {
    case 'Exact':
      return [{ path: { path: path.value }, byPrefix: false }]
    case 'RegularExpression':
      return [{ path: { safeRegex: { regex: path.value } }, byPrefix: false }]
    case 'PathPrefix': {
      const trimmed = path.value.endsWith('/') ? path.value.slice(0, -1) : path.value
      if (trimmed === '') return [{ path: { prefix: '/' }, byPrefix: true }]
      return [
        { path: { path: trimmed }, byPrefix: false },
        { path: { prefix: `${trimmed}/` }, byPrefix: true },
      ]
    }
  }
}
