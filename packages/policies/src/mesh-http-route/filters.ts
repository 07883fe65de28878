// Filters of a route: what happens to a request besides choosing its backend (contract/policies.md section 3.5).
import { appendAction, type HttpDraft } from '@weft/envoy'
import type { HeaderModifier, HeaderValue, PathRewrite, RouteFilter } from '../route-model.ts'
import { fractionalPercent } from '../fraction.ts'

type Route = HttpDraft['virtualHosts'][number]['routes'][number]
type Redirect = NonNullable<Route['redirect']>
type RegexRewrite = NonNullable<Redirect['regexRewrite']>

const responseCodes = { 301: 0, 302: 1, 303: 2, 307: 3, 308: 4 } as const

/** What filters need to know about the route besides its model. */
export interface FilterScope {
  readonly byPrefix: boolean
  readonly ownCluster: string
}

/** Applies the filters in their order to a route that forwards. */
export function applyFilters(route: Route, filters: readonly RouteFilter[], scope: FilterScope): void {
  for (const filter of filters) {
    switch (filter.type) {
      case 'RequestHeaderModifier':
        route.requestHeadersToAdd = [...(route.requestHeadersToAdd ?? []), ...headerOptions(filter.modifier)]
        route.requestHeadersToRemove = [...(route.requestHeadersToRemove ?? []), ...filter.modifier.remove]
        break
      case 'ResponseHeaderModifier':
        route.responseHeadersToAdd = [...(route.responseHeadersToAdd ?? []), ...headerOptions(filter.modifier)]
        route.responseHeadersToRemove = [...(route.responseHeadersToRemove ?? []), ...filter.modifier.remove]
        break
      case 'RequestRedirect':
        delete route.route
        route.redirect = redirectOf(filter, scope.byPrefix)
        break
      case 'URLRewrite':
        if (route.route) rewrite(route.route, filter, scope.byPrefix)
        break
      case 'RequestMirror':
        if (route.route) mirror(route.route, filter, scope.ownCluster)
        break
    }
  }
}

/** Headers to set come before headers to add. */
function headerOptions(modifier: HeaderModifier) {
  const option = (header: HeaderValue) => ({ header: { key: header.name, value: header.value } })
  return [
    ...modifier.set.map((header) => ({ ...option(header), appendAction: appendAction.OVERWRITE_IF_EXISTS_OR_ADD })),
    ...modifier.add.map(option),
  ]
}

function redirectOf(filter: RouteFilter & { readonly type: 'RequestRedirect' }, byPrefix: boolean): Redirect {
  return {
    ...(filter.scheme === undefined ? {} : { schemeRedirect: filter.scheme }),
    ...(filter.hostname === undefined ? {} : { hostRedirect: filter.hostname }),
    ...(filter.port === undefined ? {} : { portRedirect: filter.port }),
    ...pathChange(filter.path, byPrefix),
    responseCode: responseCodes[filter.statusCode],
  }
}

function rewrite(action: NonNullable<Route['route']>, filter: RouteFilter & { readonly type: 'URLRewrite' }, byPrefix: boolean): void {
  if (filter.hostname !== undefined) {
    delete action.autoHostRewrite
    action.hostRewriteLiteral = filter.hostname
  }
  Object.assign(action, pathChange(filter.path, byPrefix))
}

function mirror(action: NonNullable<Route['route']>, filter: RouteFilter & { readonly type: 'RequestMirror' }, ownCluster: string): void {
  action.requestMirrorPolicies = [
    ...(action.requestMirrorPolicies ?? []),
    {
      cluster: filter.backend.name ?? ownCluster,
      ...(filter.percentage === undefined ? {} : { runtimeFraction: { defaultValue: fractionalPercent(filter.percentage) } }),
    },
  ]
}

/**
 * A new path. A prefix match ends in a slash, and so does what takes its place: `/v1/x` with `/v1` replaced by `/v2` is `/v2/x`
 * (contract/policies.md section 6 hazard 5 describes the peers' different result).
 */
function pathChange(
  path: PathRewrite | undefined,
  byPrefix: boolean,
): { readonly prefixRewrite?: string; readonly regexRewrite?: RegexRewrite } {
  if (path === undefined) return {}
  if (path.type === 'ReplacePrefixMatch' && byPrefix) return { prefixRewrite: path.value.endsWith('/') ? path.value : `${path.value}/` }
  const whole = path.type === 'ReplacePrefixMatch' && path.value === '' ? '/' : path.value
  return { regexRewrite: { pattern: { regex: '.*' }, substitution: whole.replaceAll('\\', '\\\\') } }
}
