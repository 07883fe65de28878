// Routes of an outbound, computed from MeshHTTPRoute and MeshTCPRoute and independent of any proxy. Plain JSON.
import type { DestinationFact, DestinationKind } from '@weft/facts'

/** A cluster that traffic may go to. */
export interface BackendModel {
  /** Envoy name of the cluster; undefined for the outbound's own cluster, whose name the outbound decides. */
  readonly name: string | undefined
  readonly kind: DestinationKind
}

/** A backend with its share. */
export interface SplitModel {
  readonly backend: BackendModel
  readonly weight: number
}

/** A cluster that routes need besides the outbound's own. */
export interface ExtraDestination {
  /** Envoy name of its cluster and load assignment. */
  readonly name: string
  readonly destination: DestinationFact
}

/** A match of the path. */
export type PathMatch = { readonly type: 'Exact' | 'PathPrefix' | 'RegularExpression'; readonly value: string }
/** A match of a header. */
export type HeaderMatch = {
  readonly type: 'Exact' | 'Present' | 'RegularExpression' | 'Absent' | 'Prefix'
  readonly name: string
  readonly value: string
}
/** A match of a query parameter. */
export type QueryMatch = { readonly type: 'Exact' | 'RegularExpression'; readonly name: string; readonly value: string }

/** A match of a route; all parts must hold. */
export interface HttpMatch {
  readonly path: PathMatch | undefined
  readonly method: string | undefined
  readonly headers: readonly HeaderMatch[]
  readonly queryParams: readonly QueryMatch[]
}

/** A header with its value. */
export interface HeaderValue {
  readonly name: string
  readonly value: string
}

/** Changes of headers. */
export interface HeaderModifier {
  readonly set: readonly HeaderValue[]
  readonly add: readonly HeaderValue[]
  readonly remove: readonly string[]
}

/** A new path, or a new prefix of it. */
export type PathRewrite = { readonly type: 'ReplaceFullPath' | 'ReplacePrefixMatch'; readonly value: string }

/** What happens to a request besides choosing its backend. */
export type RouteFilter =
  | { readonly type: 'RequestHeaderModifier' | 'ResponseHeaderModifier'; readonly modifier: HeaderModifier }
  | {
      readonly type: 'RequestRedirect'
      readonly scheme: 'http' | 'https' | undefined
      readonly hostname: string | undefined
      readonly port: number | undefined
      readonly path: PathRewrite | undefined
      readonly statusCode: 301 | 302 | 303 | 307 | 308
    }
  | { readonly type: 'URLRewrite'; readonly hostname: string | undefined; readonly path: PathRewrite | undefined }
  | { readonly type: 'RequestMirror'; readonly percentage: number | undefined; readonly backend: BackendModel }

/** One match of an outbound with what happens to it. */
export interface RouteModel {
  /** Envoy's route name: KRI of the policy with `rule_<n>`, or the content name of the matches. */
  readonly name: string
  readonly match: HttpMatch
  /** Backends that exist, in the order of the policy. */
  readonly splits: readonly SplitModel[]
  /** Weight of the references that lead nowhere, and of all. Requests in that share are answered 500. */
  readonly unresolvedWeight: number
  readonly totalWeight: number
  readonly filters: readonly RouteFilter[]
}
