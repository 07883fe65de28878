// Constructors of routes. Policies edit them afterwards.
import type { Messages } from '@weft/proto'
import type { Mutable } from './drafts.ts'
import { appendAction } from './enums.ts'
import { boolValue, durationSeconds } from './values.ts'

type Route = Messages['envoy.config.route.v3.Route']
type RouteAction = Messages['envoy.config.route.v3.RouteAction']

/** Name of the route for everything: base64 of the SHA-256 of its match list (contract/dataplane.md section 8.2). */
export const defaultRouteName = '9Zuf5Tg79OuZcQITwBbQykxAk2u4fRKrwYn3//AL4Yo='

export interface RouteToInput {
  readonly name?: string
  readonly prefix: string
  readonly cluster: string
  readonly prefixRewrite?: string
  /** Absent: Envoy's default; 0: none. */
  readonly timeoutSeconds?: number
  /** The upstream's own host name replaces the caller's. */
  readonly autoHostRewrite?: boolean
}

/** A route from a path prefix to one cluster. */
export function routeTo(input: RouteToInput): Mutable<Route> {
  const action: Mutable<RouteAction> = { cluster: input.cluster }
  if (input.prefixRewrite !== undefined) action.prefixRewrite = input.prefixRewrite
  if (input.timeoutSeconds !== undefined) action.timeout = durationSeconds(input.timeoutSeconds)
  if (input.autoHostRewrite === true) action.autoHostRewrite = boolValue(true)
  const route: Mutable<Route> = { match: { prefix: input.prefix }, route: action }
  if (input.name !== undefined) route.name = input.name
  return route
}

export interface DirectRouteInput {
  readonly name: string
  readonly path: string
  /** The request must carry this header with exactly this value. */
  readonly header?: { readonly name: string; readonly exact: string }
  readonly status: number
  readonly body?: string
  readonly responseHeader?: { readonly name: string; readonly value: string }
}

/** A route that answers by itself. */
export function directRoute(input: DirectRouteInput): Mutable<Route> {
  const route: Mutable<Route> = {
    name: input.name,
    match: { path: input.path },
    directResponse: { status: input.status },
  }
  if (input.header !== undefined) {
    route.match = { path: input.path, headers: [{ name: input.header.name, stringMatch: { exact: input.header.exact } }] }
  }
  if (input.body !== undefined) route.directResponse = { status: input.status, body: { inlineString: input.body } }
  if (input.responseHeader !== undefined) {
    route.responseHeadersToAdd = [
      { header: { key: input.responseHeader.name, value: input.responseHeader.value }, appendAction: appendAction.APPEND_IF_EXISTS_OR_ADD },
    ]
  }
  return route
}
