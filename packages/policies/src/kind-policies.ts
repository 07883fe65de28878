// What the policies of one kind say about destinations. Sets that agree on a kind share the object, and every conf is computed once for all
// destinations that the same entries are relevant for, so the cost grows with what differs and not with proxies times services.
import type { DestinationFact } from '@weft/facts'
import { messageOf } from '@weft/foundation/errors'
import { canonicalJson } from '@weft/foundation/schema'
import { directRule, mergedRule, type OutboundRule, portTarget, relevantEntries, routeTarget, type ToEntry, toEntries } from '@weft/policy'
import type { Resource } from '@weft/resources'
import { createIdentityNumbers, createInterner } from './interner.ts'
import type { Routing } from './outbound-routing.ts'
import type { PolicyPlugin } from './plugin.ts'

/** The policies of one kind in a set that concern destinations. */
export interface KindPolicies {
  readonly plugin: PolicyPlugin
  readonly policies: readonly Resource[]
  /** Their `to` items, weakest first. */
  readonly entries: readonly ToEntry[]
  /** What they say about a destination with this routing; never throws. Equal content is the identical object. */
  outcome(destination: DestinationFact, routing: Routing): Outcome
}

/** A conf, or a part of one; equal content is the identical object. */
export interface ConfPiece {
  /** Undefined: no opinion. */
  readonly conf: unknown
}

/** The conf of one kind, or why there is none, with what its two effects read of it. */
export interface Outcome extends ConfPiece {
  readonly problem: string | undefined
  readonly cluster: ConfPiece
  readonly listener: ConfPiece
}

type Outcomes = Map<string, Outcome>

const intern = createInterner<Outcome>()
const identityOf = createIdentityNumbers()
const internPiece = createInterner<ConfPiece>()
const nothing: ConfPiece = { conf: undefined }
const silent: Outcome = { conf: undefined, problem: undefined, cluster: nothing, listener: nothing }

/** The policies of a plugin's kind, weakest first. */
export function kindPolicies(plugin: PolicyPlugin, policies: readonly Resource[]): KindPolicies {
  const entries = toEntries(policies)
  const namesDestinations = entries.some((entry) => entry.ref.kind !== 'Mesh')
  const plain: Outcomes = new Map()
  const routed = new WeakMap<Routing, Outcomes>()
  const outcome = (destination: DestinationFact, routing: Routing): Outcome => {
    const relevant = namesDestinations ? relevantEntries(entries, portTarget(destination)) : entries
    let known = plain
    if (routing.routePolicies.size > 0) {
      known = routed.get(routing) ?? new Map()
      routed.set(routing, known)
    }
    const key = `${destination.kind} ${destination.protocol}${namesDestinations ? ` ${relevant.map(identityOf).join(' ')}` : ''}`
    let found = known.get(key)
    if (found === undefined) {
      found = compute({ plugin, policies, entries }, { destination, routing, relevant })
      known.set(key, found)
    }
    return found
  }
  return { plugin, policies, entries, outcome }
}

interface At {
  readonly destination: DestinationFact
  readonly routing: Routing
  readonly relevant: readonly ToEntry[]
}

function compute({ plugin, policies, entries }: Omit<KindPolicies, 'outcome'>, { destination, routing, relevant }: At): Outcome {
  try {
    const { kind, protocol } = destination
    const routeRules = routeRulesOf(entries, routing.routePolicies)
    const conf = plugin.outboundConf?.({ policies, destination: { kind, protocol }, rule: mergedRule(relevant), routeRules })
    if (conf === undefined) return silent
    const cluster = plugin.outboundCluster && pieceOf(plugin.clusterConf ? plugin.clusterConf(conf) : conf)
    const listener = plugin.outboundListener && pieceOf(plugin.listenerConf ? plugin.listenerConf(conf) : conf)
    const outcome = { conf, problem: undefined, cluster: cluster ?? nothing, listener: listener ?? nothing }
    return intern(`${plugin.type} ${canonicalJson(conf)}`, outcome)
  } catch (error) {
    const problem = messageOf(error)
    return intern(`! ${problem}`, { ...silent, problem })
  }
}

function pieceOf(conf: unknown): ConfPiece {
  return conf === undefined ? nothing : internPiece(canonicalJson(conf), { conf })
}

/** For each route name, the rule of the route policy itself. */
function routeRulesOf(entries: readonly ToEntry[], routes: ReadonlyMap<string, Resource>): ReadonlyMap<string, OutboundRule> {
  const rules = new Map<string, OutboundRule>()
  for (const [name, policy] of routes) {
    const rule = directRule(entries, routeTarget(policy))
    if (rule !== undefined) rules.set(name, rule)
  }
  return rules
}
