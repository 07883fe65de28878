// Policies with a single `default` for the whole proxy: all that select it, merged (contract/policies.md section 1.5 ProxyConf).
import { field } from '@weft/foundation/json'
import type { Resource } from '@weft/resources'
import { type MergeSpec, mergeConf } from './merge.ts'

/** The merged `spec.default` of the policies, weakest first; undefined when there is none. */
export function proxyConf(policies: readonly Resource[], spec: MergeSpec = {}): Readonly<Record<string, unknown>> | undefined {
  return mergeConf(
    policies.map((policy) => field(policy.spec, 'default')),
    spec,
  )
}
