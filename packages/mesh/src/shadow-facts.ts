// What a proxy's facts would be if policies labelled as shadow were in effect: for previews, computed when asked and never part of the graph, so that
// a shadow policy cannot touch what is served (contract/policies.md section 1.3).
import type { PolicySet, ProxyFacts } from '@weft/facts'
import type { Collection } from '@weft/graph'
import { isShadow, matchPolicies } from '@weft/policy'
import type { Resource } from '@weft/resources'
import type { DataplaneFact } from './dataplanes.ts'
import { policyView } from './policy-sets.ts'

interface PolicyKind {
  readonly type: string
  readonly resources: Collection<Resource>
}

/** Sets made here are never interned: negative ids keep them apart from those of the graph. */
let lastId = 0

/** The facts with the policies in shadow that select the proxy; the given object when there is none. */
export function withShadowPolicies(facts: ProxyFacts, dataplane: DataplaneFact, kinds: readonly PolicyKind[]): ProxyFacts {
  const view = policyView(dataplane)
  const byType = new Map<string, readonly Resource[]>()
  let hasShadow = false
  for (const { type, resources } of kinds) {
    const served = facts.policies.byType.get(type)
    const ofMesh = [...resources.entries()].map(([, policy]) => policy).filter((policy) => policy.mesh === facts.mesh)
    const matched = ofMesh.some(isShadow) ? matchPolicies(ofMesh, view, { shadow: true }) : (served ?? [])
    if (matched.some(isShadow)) {
      hasShadow = true
      byType.set(type, matched)
    } else if (served) byType.set(type, served)
  }
  if (!hasShadow) return facts
  const policies: PolicySet = { id: --lastId, byType }
  return { ...facts, policies }
}
