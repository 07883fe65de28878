// What the outbounds of a proxy come to, made once for all proxies with the same list of outbounds, the same policies and the same ways to reach
// them: the cells of clusters, load assignments and listeners. A proxy whose part in them shows (its labels, its place, its name) gets its own.
import type { DestinationFact, OutboundFact, PolicySet, ProxyFacts } from '@weft/facts'
import { effectiveOutbound, effectiveProxy, type OutboundConf, plugins } from '@weft/policies'
import type { DestinationLookup } from '@weft/policy'
import type { ResourceCell } from '@weft/xds'
import { clientTagsOf, placementOf, sharesOf, showsClient } from './client.ts'
import type { ProxyTraits } from './features.ts'
import type { OutboundAddress } from './generators/outbound.ts'
import type { LoadAssignments } from './load-assignments.ts'
import { ownerOf } from './owner.ts'
import type { ResourceProblem } from './problem.ts'
import type { SharedOutbounds, SharedResource } from './shared-outbounds.ts'
import { type Cells, sameCells } from './snapshot-cells.ts'

/** What outbounds come to. Immutable. */
export interface OutboundGroup {
  readonly clusters: Cells
  readonly endpoints: Cells
  readonly listeners: Cells
  /** Could not be built: the proxy keeps its last good content. */
  readonly missing: readonly { readonly type: 'cluster' | 'listener'; readonly name: string }[]
  /** Confs of outbounds for which policies may have resources of their own. */
  readonly confs: readonly OutboundConf[]
  /** Clusters behind host names, whether or not they could be built. */
  readonly named: NamedClusters
  readonly problems: readonly ResourceProblem[]
}

/** Names, and a text that is equal for equal ones. */
export interface NamedClusters {
  readonly names: readonly string[]
  readonly text: string
}

export function namedClusters(names: readonly string[]): NamedClusters {
  return { names, text: names.join() }
}

export interface OutboundGroups {
  of(facts: ProxyFacts, traits: ProxyTraits, lookup: DestinationLookup): OutboundGroup
}

interface Remembered {
  /** What of a proxy counts besides its outbounds and policies. */
  readonly way: string
  lookup: DestinationLookup
  group: OutboundGroup
}

/** Few sets of policies have tables, and those die with them: a table for each list costs the collector more than building does. */
type ByList = WeakMap<readonly OutboundFact[], Remembered[]>

export function createOutboundGroups(shared: SharedOutbounds, assignments: LoadAssignments): OutboundGroups {
  const memo = new WeakMap<PolicySet, ByList>()
  /** What a list came to last, whatever the policies. */
  const latest = new WeakMap<readonly OutboundFact[], OutboundGroup>()

  const make = (
    facts: ProxyFacts,
    { bindToPort, lookup }: { readonly bindToPort: boolean; readonly lookup: DestinationLookup },
  ): { readonly group: OutboundGroup; readonly isShared: boolean } => {
    const clusters = new Map<string, ResourceCell>()
    const endpoints = new Map<string, ResourceCell>()
    const listeners = new Map<string, ResourceCell>()
    const missing: { readonly type: 'cluster' | 'listener'; readonly name: string }[] = []
    const confs = new Set<OutboundConf>()
    const named: string[] = []
    const problems: ResourceProblem[] = []
    const whole = effectiveProxy(facts.policies)
    const further = furtherAddresses(facts.outbounds)
    let isShared = true

    const keep = (type: 'cluster' | 'listener', into: Map<string, ResourceCell>, name: string, made: SharedResource): void => {
      if (made.problems.length > 0) problems.push(...made.problems)
      if (made.removed) return
      if (made.cell !== undefined) into.set(name, made.cell)
      else missing.push({ type, name })
    }
    const shows = (conf: OutboundConf): boolean => {
      const shown = showsClient(conf.byType, whole.byType)
      if (shown) isShared = false
      return shown
    }
    const known = new Set<string>()
    const addCluster = (name: string, destination: DestinationFact, conf: OutboundConf): void => {
      if (known.has(name)) return
      const isShown = shows(conf)
      const clientTags = isShown ? clientTagsOf(facts, destination, conf) : undefined
      const made = shared.cluster({ name, destination, identitySecret: facts.identity?.kri, clientTags }, conf, whole.raw)
      if (!made.removed) known.add(name)
      keep('cluster', clusters, name, made)
      endpoints.set(name, assignments.cell(destination.id, name, isShown ? placementOf(facts, conf) : undefined))
    }

    const seen = new Set<string>()
    for (const { name, destination, address, port } of facts.outbounds) {
      if (seen.has(name)) continue
      seen.add(name)
      const conf = effectiveOutbound(facts.policies, destination, lookup)
      for (const problem of conf.problems) {
        problems.push({ type: 'listener', resource: name, policy: problem.type, message: problem.message })
      }
      if (conf.listener !== 'none') {
        if (asksForOwn(conf)) confs.add(conf)
        const shares = shows(conf) ? sharesOf(ownerOf(facts), conf, whole.byType) : undefined
        const additional = further.get(name) ?? none
        const ipv6 = facts.proxy.ipv6Enabled
        const key = { name, destination, address, port, additional, bindToPort, terminal: conf.listener, ipv6, shares }
        keep('listener', listeners, name, shared.listener(key, conf, whole.raw))
      }
      if (conf.ownCluster) addCluster(name, destination, conf)
      if (destination.hostnames.length > 0 && known.has(name)) named.push(name)
      for (const extra of conf.extraDestinations) {
        addCluster(extra.name, extra.destination, effectiveOutbound(facts.policies, extra.destination, lookup))
      }
    }
    return { group: { clusters, endpoints, listeners, missing, confs: [...confs], named: namedClusters(named), problems }, isShared }
  }

  return {
    of: (facts, traits, lookup) => {
      const bindToPort = !traits.redirected || traits.bindOutbounds
      // outbounds that a Dataplane names itself are a list of its own, which to keep would be for nothing
      if (!traits.redirected) return make(facts, { bindToPort, lookup }).group
      const way = `${bindToPort ? 1 : 0}${facts.proxy.ipv6Enabled ? 1 : 0} ${facts.identity?.kri ?? ''}`
      let byList = memo.get(facts.policies)
      if (byList === undefined) memo.set(facts.policies, (byList = new WeakMap()))
      const remembered = byList.get(facts.outbounds)
      const known = remembered?.find((each) => each.way === way)
      if (known?.lookup === lookup) return known.group
      const { group: made, isShared } = make(facts, { bindToPort, lookup })
      if (!isShared) return made
      const group = settled(latest.get(facts.outbounds), made)
      latest.set(facts.outbounds, group)
      if (known !== undefined) {
        known.lookup = lookup
        // a change of destinations elsewhere leaves what these outbounds come to as it was
        if (!sameGroup(known.group, group)) known.group = group
        return known.group
      }
      if (remembered === undefined) byList.set(facts.outbounds, [{ way, lookup, group }])
      else remembered.push({ way, lookup, group })
      return group
    },
  }
}

const none: readonly never[] = []

/** The addresses of outbounds after the first of the same name: all of them are one listener. */
function furtherAddresses(outbounds: readonly OutboundFact[]): ReadonlyMap<string, readonly OutboundAddress[]> {
  const seen = new Set<string>()
  const further = new Map<string, OutboundAddress[]>()
  for (const { name, address, port } of outbounds) {
    if (!seen.has(name)) {
      seen.add(name)
      continue
    }
    const list = further.get(name)
    if (list === undefined) further.set(name, [{ address, port }])
    else list.push({ address, port })
  }
  return further
}

const ownPlugins = plugins.filter((plugin) => plugin.own !== undefined)

/** Whether some policy has resources of its own because of this outbound. */
function asksForOwn({ byType }: OutboundConf): boolean {
  return ownPlugins.some((plugin) => byType[plugin.type] !== undefined)
}

/** A group with the maps of an earlier one where they hold the same cells: an edit of a cluster's field leaves those of listeners and endpoints. */
function settled(before: OutboundGroup | undefined, made: OutboundGroup): OutboundGroup {
  if (before === undefined) return made
  return {
    ...made,
    clusters: sameCells(before.clusters, made.clusters) ? before.clusters : made.clusters,
    endpoints: sameCells(before.endpoints, made.endpoints) ? before.endpoints : made.endpoints,
    listeners: sameCells(before.listeners, made.listeners) ? before.listeners : made.listeners,
  }
}

function sameGroup(a: OutboundGroup, b: OutboundGroup): boolean {
  return (
    a.missing.length + b.missing.length + a.problems.length + b.problems.length === 0 &&
    sameCells(a.clusters, b.clusters) &&
    sameCells(a.endpoints, b.endpoints) &&
    sameCells(a.listeners, b.listeners) &&
    a.named.text === b.named.text &&
    a.confs.length === b.confs.length &&
    a.confs.every((conf, index) => conf === b.confs[index])
  )
}
