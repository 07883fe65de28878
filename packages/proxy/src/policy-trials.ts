// What to do when Envoy refuses a resource: take back, one after the other, the changes of policies since the proxy last accepted everything,
// newest first, until it accepts. The one found stays as it was, or out, for that proxy until it changes again. Invariant: a policy that guards who
// may connect is never taken back; then, and when no policy is to blame, the proxy keeps the resource it has.
import type { PolicySet, ProxyFacts } from '@weft/facts'
import { sortPolicies } from '@weft/policy'
import { nameKey, type Resource } from '@weft/resources'
import type { ProxySnapshot, XdsType } from '@weft/xds'
import { guards } from './apply-policies.ts'

/** A change of a policy that one proxy does not have. */
export interface PolicyRejection {
  /** As it is stored. */
  readonly policy: Resource
  /** What the proxy has of it: its last accepted version; undefined when it never had any. */
  readonly instead: Resource | undefined
  /** Resources that Envoy refused with it. */
  readonly resources: readonly string[]
  /** Envoy's words. */
  readonly message: string
}

/** Resources that Envoy refused, by its own words. */
export interface Refusal {
  readonly type: XdsType
  readonly names: readonly string[]
  readonly message: string
}

/** What a proxy is known to run. */
export interface RunningView {
  /** Whether it runs the present content of a name; undefined when there is none. */
  runs(type: XdsType, name: string): boolean | undefined
  /** It runs everything it should. */
  readonly settled: boolean
}

/** Trials of all proxies. */
export interface PolicyTrials {
  /** The facts without what is left out at the moment; the given object when nothing is. */
  apply(facts: ProxyFacts): ProxyFacts
  /**
   * After every build: true when the snapshot still holds a refused version, because what was left out has no part in it. The proxy must then
   * be built again at once.
   */
  isUnchanged(key: string, snapshot: ProxySnapshot): boolean
  /** Envoy refused. True when the proxy is to be built again. `versionOf` gives the refused versions. */
  refused(key: string, refusal: Refusal, versionOf: (name: string) => string | undefined): boolean
  /** Envoy accepted something, or had nothing to accept. True when the proxy is to be built again. */
  accepted(key: string, proxy: RunningView): boolean
  rejections(key: string): readonly PolicyRejection[]
  forget(key: string): void
}

/** More suspects than this are not tried: the proxy keeps what it has. */
const maxSuspects = 64

interface Failing {
  readonly type: XdsType
  readonly name: string
  readonly version: string | undefined
}

/**
 * Where a trial is. `searching`: each suspect alone, then the newest two, three, and so on. `admitting`: several together were to blame; each but
 * the one that made the difference is let in again, and taken back where Envoy refuses it still.
 */
type TrialPhase =
  | { readonly kind: 'searching'; readonly step: number }
  | { readonly kind: 'admitting'; readonly out: readonly Resource[]; readonly candidates: readonly Resource[] }

interface Trial {
  /** Newest first. */
  readonly suspects: readonly Resource[]
  phase: TrialPhase
  failing: Failing[]
  readonly message: string
}

/** A set of policies, and what was run instead of some of them. */
interface Accepted {
  readonly policies: PolicySet
  readonly instead: ReadonlyMap<string, Resource | undefined>
}

interface ProxyState {
  policies: PolicySet | undefined
  /** Under what everything was accepted the last time; undefined before that ever happened. */
  good: Accepted | undefined
  trial: Trial | undefined
  /** Policy set for which no culprit was found. */
  hopeless: PolicySet | undefined
  readonly out: Map<string, PolicyRejection>
}

const none: readonly never[] = []

/** No trials yet. */
export function createPolicyTrials(): PolicyTrials {
  const states = new Map<string, ProxyState>()
  /** Versions of policies that were found to be refused by some proxy: the first to be suspected by the others. */
  const culprits = new Map<string, number>()
  const filtered = new WeakMap<PolicySet, Map<string, PolicySet>>()

  const stateOf = (key: string): ProxyState => {
    const found = states.get(key) ?? { policies: undefined, good: undefined, trial: undefined, hopeless: undefined, out: new Map() }
    states.set(key, found)
    return found
  }
  const takenBack = ({ out, trial, good }: ProxyState): ReadonlyMap<string, Resource | undefined> =>
    new Map([
      ...[...out].map(([key, { instead }]): [string, Resource | undefined] => [key, instead]),
      ...(trial ? leftOutAt(trial) : []).map((policy): [string, Resource | undefined] => [keyOf(policy), acceptedOf(good, policy)]),
    ])
  /** Envoy still refuses: the next attempt. False when there is nothing to try and nothing to build. */
  const refusedAgain = (state: ProxyState): boolean => {
    const { trial } = state
    if (!trial) return false
    const { phase } = trial
    if (phase.kind === 'admitting') {
      trial.phase = { ...phase, candidates: phase.candidates.slice(1) }
      return true
    }
    trial.phase = { kind: 'searching', step: phase.step + 1 }
    if (leftOutAt(trial).length > 0) return true
    state.trial = undefined
    state.hopeless = state.policies
    return true
  }
  /** Envoy accepts the attempt. True when another one is to follow. */
  const acceptedNow = (state: ProxyState, trial: Trial): boolean => {
    const out = leftOutAt(trial)
    if (trial.phase.kind === 'searching' && out.length > 1) {
      trial.phase = { kind: 'admitting', out, candidates: out.slice(0, -1) }
      return true
    }
    if (trial.phase.kind === 'admitting' && trial.phase.candidates.length > 0) {
      trial.phase = { kind: 'admitting', out, candidates: trial.phase.candidates.slice(1) }
      return trial.phase.candidates.length > 0 || finish(state, trial)
    }
    return finish(state, trial)
  }
  const finish = (state: ProxyState, trial: Trial): false => {
    state.trial = undefined
    const resources = trial.failing.map(({ name }) => name)
    for (const policy of leftOutAt(trial)) {
      state.out.set(keyOf(policy), { policy, instead: acceptedOf(state.good, policy), resources, message: trial.message })
      culprits.set(keyOf(policy), policy.version)
    }
    return false
  }
  const suspectsOf = (state: ProxyState): readonly Resource[] => {
    const all = [...(state.policies?.byType ?? [])].flatMap(([type, list]) => (guards.has(type) ? [] : list))
    const changed = all.filter((policy) => !state.out.has(keyOf(policy)) && acceptedOf(state.good, policy)?.version !== policy.version)
    const isKnown = (policy: Resource): number => Number(culprits.get(keyOf(policy)) === policy.version)
    return changed.toSorted((a, b) => isKnown(b) - isKnown(a) || compare(b.modificationTime, a.modificationTime)).slice(0, maxSuspects)
  }

  return {
    apply: (facts) => {
      const known = states.get(facts.key)
      if (!known) {
        stateOf(facts.key).policies = facts.policies
        return facts
      }
      if (known.policies !== facts.policies) {
        known.policies = facts.policies
        known.trial = undefined
        dropChanged(known)
      }
      // most proxies refuse nothing
      if (known.out.size === 0 && !known.trial) return facts
      const changes = takenBack(known)
      return changes.size === 0 ? facts : { ...facts, policies: policiesWithout(filtered, facts.policies, changes) }
    },
    isUnchanged: (key, snapshot) => {
      const state = states.get(key)
      if (!state?.trial) return false
      const isStill = ({ type, name, version }: Failing): boolean =>
        version !== undefined && snapshot[type].get(name)?.current?.version === version
      return state.trial.failing.some(isStill) && refusedAgain(state)
    },
    refused: (key, { type, names, message }, versionOf) => {
      const state = stateOf(key)
      if (state.policies !== undefined && state.hopeless === state.policies) return false
      const failing = names.map((name): Failing => ({ type, name, version: versionOf(name) }))
      if (state.trial) {
        state.trial.failing = merged(state.trial.failing, failing)
        return refusedAgain(state)
      }
      const suspects = suspectsOf(state)
      if (suspects.length === 0) return false
      state.trial = { suspects, phase: { kind: 'searching', step: 0 }, failing, message }
      return true
    },
    accepted: (key, proxy) => {
      const state = states.get(key)
      if (!state) return false
      const { trial } = state
      const isAgain = trial?.failing.every(({ type, name }) => proxy.runs(type, name) !== false) === true && acceptedNow(state, trial)
      if (!state.trial && state.policies !== undefined && state.good?.policies !== state.policies && proxy.settled)
        state.good = { policies: state.policies, instead: new Map([...state.out].map(([name, { instead }]) => [name, instead])) }
      return isAgain
    },
    rejections: (key) => {
      const out = states.get(key)?.out
      return out === undefined || out.size === 0 ? none : [...out.values()]
    },
    forget: (key) => {
      states.delete(key)
    },
  }
}

/** What a trial takes back now; empty when it is through. */
function leftOutAt({ suspects, phase }: Trial): readonly Resource[] {
  if (phase.kind === 'admitting') return phase.out.filter((policy) => policy !== phase.candidates[0])
  const alone = suspects[phase.step]
  if (alone !== undefined) return [alone]
  const together = phase.step - suspects.length + 2
  return together <= suspects.length && suspects.length > 1 ? suspects.slice(0, together) : []
}

/** A policy that was changed or is gone is not held against its former self. */
function dropChanged({ out, policies }: ProxyState): void {
  for (const [key, { policy }] of out) {
    const now = policies?.byType.get(policy.type)?.find((each) => keyOf(each) === key)
    if (now?.version !== policy.version) out.delete(key)
  }
}

/** The version of a policy that was accepted, if one was. */
function acceptedOf(good: Accepted | undefined, policy: Resource): Resource | undefined {
  const key = keyOf(policy)
  if (good?.instead.has(key)) return good.instead.get(key)
  return good?.policies.byType.get(policy.type)?.find((each) => keyOf(each) === key)
}

/** Sets made here are never interned: negative ids keep them apart from those of the graph. */
let lastId = -1_000_000

/** Proxies with the same set and the same changes taken back share the result. */
function policiesWithout(
  filtered: WeakMap<PolicySet, Map<string, PolicySet>>,
  policies: PolicySet,
  changes: ReadonlyMap<string, Resource | undefined>,
): PolicySet {
  const text = [...changes]
    .map(([key, instead]) => `${key}@${instead?.version ?? ''}`)
    .toSorted()
    .join(' ')
  const known = filtered.get(policies) ?? new Map<string, PolicySet>()
  filtered.set(policies, known)
  const made = known.get(text) ?? {
    id: --lastId,
    byType: new Map(
      [...policies.byType].flatMap(([type, list]): [string, readonly Resource[]][] => {
        if (!list.some((policy) => changes.has(keyOf(policy)))) return [[type, list]]
        const kept = list.flatMap((policy) => (changes.has(keyOf(policy)) ? (changes.get(keyOf(policy)) ?? []) : policy))
        return kept.length === 0 ? [] : [[type, sortPolicies(kept)]]
      }),
    ),
  }
  known.set(text, made)
  return made
}

/** Later versions of a resource take the place of earlier ones. */
function merged(before: readonly Failing[], now: readonly Failing[]): Failing[] {
  const isNow = (each: Failing): boolean => now.some(({ type, name }) => type === each.type && name === each.name)
  return [...before.filter((each) => !isNow(each)), ...now]
}

function keyOf(policy: Resource): string {
  return `${policy.type} ${nameKey(policy)}`
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}
