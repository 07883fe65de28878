// What went wrong while one proxy was built. A problem concerns one resource; everything else of the proxy was built.
import type { XdsType } from '@weft/xds'

/** One failing resource, or one policy that had no effect on it. */
export interface BuildProblem {
  /** `mesh/name` of the proxy. */
  readonly proxy: string
  readonly type: XdsType
  /** Envoy name of the resource. */
  readonly resource: string
  /** The policy type at fault; undefined when the resource itself could not be built and its last good content stays. */
  readonly policy: string | undefined
  readonly message: string
}

/** A problem of a resource, before it is known which proxies it concerns. */
export type ResourceProblem = Omit<BuildProblem, 'proxy'>
