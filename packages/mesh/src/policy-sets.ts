// The policies that select each proxy. An edit that no proxy can tell ends before any is looked at. Policies are found by the label they select with, so
// that an edit touches only proxies it can concern, then interned: proxies selected by the same policies hold the same object.
import type { PolicySet, ProxyMetadata } from '@weft/facts'
import type { Collection, Graph } from '@weft/graph'
import { policySelects, type ProxyView, sameForProxies, sortPolicies, topLevelRef } from '@weft/policy'
import { keyText, labelKeys, type Resource } from '@weft/resources'
import type { DataplaneFact } from './dataplanes.ts'

export interface PolicyInputs {
  readonly proxies: Collection<ProxyMetadata>
  readonly dataplanes: Collection<DataplaneFact>
  /** Policy kinds and their resources. */
  readonly kinds: readonly { readonly type: string; readonly resources: Collection<Resource> }[]
}

/** By dataplane key. */
export function derivePolicySets(graph: Graph, inputs: PolicyInputs): Collection<PolicySet> {
  const { dataplanes, kinds } = inputs
  const views = graph.map({ name: 'policyViews', from: inputs.proxies, reads: [dataplanes] }, (scope, _, key): MatchView | undefined => {
    const dataplane = scope.get(dataplanes, key)
    if (!dataplane) return undefined
    const view = policyView(dataplane)
    return { view, selectors: selectorsOf(dataplane.mesh, view) }
  })
  const keyed = kinds.map(({ type, resources }) =>
    graph.derive({ name: `policies.${type}`, from: resources, equal: sameForProxies }, (_, policy) => [[keyText(policy), policy] as const]),
  )
  const policies = graph.union('policies', keyed)
  const bySelector = graph.index('policiesBySelector', policies, (policy) => selectorOf(policy))
  const intern = createInterning()
  const sets = graph.map({ name: 'policySets', from: views, reads: [bySelector], equal: Object.is }, (scope, { view, selectors }) => {
    const candidates = new Map<string, Resource[]>()
    const add = (policy: Resource): void => {
      const list = candidates.get(policy.type)
      if (list) list.push(policy)
      else candidates.set(policy.type, [policy])
    }
    selectors.forEach((selector) => scope.lookup(bySelector, selector).forEach(add))
    const lists: [string, readonly Resource[]][] = []
    kinds.forEach(({ type }) => {
      const found = candidates.get(type)
      const matched = found && intern.list(found.filter((policy) => policySelects(policy, view)))
      if (matched) lists.push([type, matched])
    })
    return intern.set(lists)
  })
  sets.onCommit((changes) => {
    for (const { before, after } of changes) {
      if (after) intern.hold(after)
      if (before) intern.release(before)
    }
  })
  return sets
}

interface MatchView {
  readonly view: ProxyView
  /** Index keys under which policies that may select the proxy are found. */
  readonly selectors: readonly string[]
}

/** Labels that select so many proxies that another one of the selector should find the policy. */
const commonLabels: ReadonlySet<string> = new Set([labelKeys.mesh, labelKeys.zone, labelKeys.env, labelKeys.origin])

/** Where a policy is found: under one label pair of its targetRef, or under the whole mesh. A policy that cannot be understood is nowhere. */
function selectorOf(policy: Resource): readonly string[] {
  const ref = topLevelRef(policy)
  if (!ref) return []
  const pairs = ref.kind === 'Dataplane' ? Object.entries(ref.labels ?? {}) : []
  const [key, text] = pairs.find(([name]) => !commonLabels.has(name)) ?? pairs[0] ?? []
  return [key === undefined ? `${policy.mesh}/` : `${policy.mesh}/${key}=${text ?? ''}`]
}

/** All places where policies for a proxy can be. The display name counts as a label. */
function selectorsOf(mesh: string, view: ProxyView): readonly string[] {
  const pairs = Object.entries({ ...view.labels, [labelKeys.displayName]: view.displayName })
  return [`${mesh}/`, ...pairs.map(([key, text]) => `${mesh}/${key}=${text}`)]
}

/** What policy selection sees of a dataplane. */
export function policyView(dataplane: DataplaneFact): ProxyView {
  return {
    labels: dataplane.labels,
    displayName: dataplane.displayName,
    sections: [...dataplane.inbounds.map((inbound) => inbound.section), ...dataplane.zoneListeners.map((listener) => listener.section)],
    gateway: dataplane.gateway,
  }
}

interface Interning {
  /** Policies of one kind, weakest first; undefined when there are none. */
  list(policies: readonly Resource[]): readonly Resource[] | undefined
  set(lists: readonly [string, readonly Resource[]][]): PolicySet
  hold(set: PolicySet): void
  release(set: PolicySet): void
}

/** Gives equal content the same object. Sets are forgotten when no proxy holds them; their ids are never used again. */
function createInterning(): Interning {
  const ids = new WeakMap<object, number>()
  let lastId = 0
  const idOf = (value: object): number => {
    let id = ids.get(value)
    if (id === undefined) {
      id = ++lastId
      ids.set(value, id)
    }
    return id
  }
  const lists = new Map<string, WeakRef<readonly Resource[]>>()
  const gone = new FinalizationRegistry<string>((key) => {
    if (lists.get(key)?.deref() === undefined) lists.delete(key)
  })
  const remember = (key: string, list: readonly Resource[]): void => {
    if (lists.get(key)?.deref() === list) return
    lists.set(key, new WeakRef(list))
    gone.register(list, key)
  }
  const sets = new Map<string, { readonly set: PolicySet; holders: number }>()
  const keys = new WeakMap<PolicySet, string>()
  return {
    list: (policies) => {
      if (policies.length === 0) return undefined
      // proxies mostly find the same policies in the same order: only the first one has to sort them
      const found = policies.map(idOf).join(',')
      const known = lists.get(found)?.deref()
      if (known) return known
      const sorted = sortPolicies(policies)
      const key = sorted.map(idOf).join(',')
      const list = lists.get(key)?.deref() ?? sorted
      remember(key, list)
      if (found !== key) remember(found, list)
      return list
    },
    set: (matched) => {
      const key = matched.map(([, list]) => idOf(list)).join(',')
      const known = sets.get(key)
      if (known) return known.set
      const set: PolicySet = { id: ++lastId, byType: new Map(matched) }
      sets.set(key, { set, holders: 0 })
      keys.set(set, key)
      return set
    },
    hold: (set) => {
      const entry = sets.get(keys.get(set) ?? '')
      if (entry) entry.holders++
    },
    release: (set) => {
      const key = keys.get(set) ?? ''
      const entry = sets.get(key)
      if (entry && --entry.holders <= 0) sets.delete(key)
    },
  }
}
