// How a kind's `to` items read for inspection where they are more than a `default` (contract/rest-cli-gui.md sections 6.7 and 6.8).
import type { MergeSpec, OutboundRule } from '@weft/policy'
import type { Resource } from '@weft/resources'

/** One route of a merged rule. */
export interface RouteView {
  /** The policy that names the route; absent where routes have no identity of their own. */
  readonly policy: Resource | undefined
  /** As the policy wrote them; null where a route takes everything. */
  readonly matches: unknown
  readonly conf: unknown
}

/** Of kinds whose `to` items hold rules of their own. */
export interface OutboundShape {
  readonly merge?: MergeSpec
  /** The conf of one `to` item. */
  confOf(item: unknown): unknown
  /** The routes that a merged rule adds up to, strongest policy first. */
  routesOf(rule: OutboundRule): readonly RouteView[]
}
