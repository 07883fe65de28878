// MeshFaultInjection: one fault filter for each fault of each rule; a matcher makes it skip callers that the rule does not name
// (contract/policies.md section 3.3).
import { durationMs, type FilterChainDraft, type HttpFilterDraft, packed, typed } from '@weft/envoy'
import type { InboundRule, Match } from '@weft/policy'
import type { Messages } from '@weft/proto'
import { kriText } from '@weft/resources'
import { fractionalPercent } from '../fraction.ts'
import { matchPredicate } from '../match-predicate.ts'
import type { PolicyPlugin } from '../plugin.ts'
import { type Fault, faultsOf } from './conf.ts'

/** Faults for the callers of one rule. */
export interface FaultRule {
  /** KRI of the policy: the name of its filters. */
  readonly policy: string
  /** Undefined: for all callers. */
  readonly match?: Match
  readonly faults: readonly Fault[]
}

type Rules = readonly FaultRule[] | undefined

/** Puts faults into inbounds and zone listeners by `rules`, into outbounds by `to`. */
export const meshFaultInjectionPlugin: PolicyPlugin<Rules, Rules, Rules> = {
  type: 'MeshFaultInjection',
  order: 800,
  inboundConf: ({ rules }) => faultRules(rules),
  zoneConf: ({ rules }) => faultRules(rules),
  outboundConf: ({ rule }) => {
    const strongest = rule?.entries.at(-1)
    const faults = faultsOf(rule?.conf)
    return strongest === undefined || faults.length === 0 ? undefined : [{ policy: kriText('mfi', strongest.policy), faults }]
  },
  inbound({ listener, identity }, rules) {
    addFaults(listener.chains, rules)
    // Only the inspector tells what name a client asked for.
    if (identity !== undefined && (rules ?? []).some((rule) => rule.match?.sni !== undefined)) listener.tlsInspector = true
  },
  outboundListener: ({ listener }, rules) => addFaults(listener.chains, rules),
  zoneListener: ({ listener }, rules) => addFaults(listener.chains, rules),
}

function faultRules(rules: readonly InboundRule[]): Rules {
  const found = rules.flatMap(({ match, conf, policy }): FaultRule[] => {
    const faults = faultsOf(conf)
    if (faults.length === 0) return []
    return [{ policy: kriText('mfi', policy), ...(match === undefined ? {} : { match }), faults }]
  })
  return found.length === 0 ? undefined : found
}

function addFaults(chains: readonly FilterChainDraft[], rules: Rules): void {
  for (const { terminal, match } of chains) {
    if (terminal.kind !== 'http') continue
    for (const rule of rules ?? []) {
      if (!canReach(match?.serverNames, rule.match)) continue
      for (const fault of rule.faults) terminal.filters.push(faultFilter(rule, fault))
    }
  }
}

/** A chain for some server names is never reached by a caller that asked for another one. */
function canReach(serverNames: readonly string[] | undefined, match: Match | undefined): boolean {
  return match?.sni === undefined || serverNames === undefined || serverNames.length === 0 || serverNames.includes(match.sni.value)
}

function faultFilter(rule: FaultRule, fault: Fault): HttpFilterDraft {
  return {
    slot: 'fault',
    name: rule.policy,
    config: typed('envoy.extensions.common.matching.v3.ExtensionWithMatcher', {
      xdsMatcher: rule.match === undefined ? {} : skipUnless(rule.match),
      extensionConfig: {
        name: 'envoy.filters.http.fault',
        typedConfig: packed('envoy.extensions.filters.http.fault.v3.HTTPFault', httpFault(fault)),
      },
    }),
  }
}

function skipUnless(match: Match): Messages['xds.type.matcher.v3.Matcher'] {
  const skip = { name: 'skip', typedConfig: packed('envoy.extensions.filters.common.matcher.action.v3.SkipFilter', {}) }
  return { matcherList: { matchers: [{ predicate: { notMatcher: matchPredicate(match) }, onMatch: { action: skip } }] } }
}

function httpFault({ abort, delay, bandwidth }: Fault): Messages['envoy.extensions.filters.http.fault.v3.HTTPFault'] {
  return {
    ...(delay === undefined ? {} : { delay: { fixedDelay: durationMs(delay.delayMs), percentage: fractionalPercent(delay.percent) } }),
    ...(abort === undefined ? {} : { abort: { httpStatus: abort.status, percentage: fractionalPercent(abort.percent) } }),
    ...(bandwidth === undefined
      ? {}
      : { responseRateLimit: { fixedLimit: { limitKbps: bandwidth.kbps }, percentage: fractionalPercent(bandwidth.percent) } }),
  }
}
