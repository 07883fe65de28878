// RBAC filters from permission rules, by Envoy's matcher API. The matcher never holds an empty predicate, which Envoy would refuse together
// with the whole listener (contract/policies.md section 6 hazard 3).
import { type HttpFilterDraft, type NetworkFilterDraft, packed, typed } from '@weft/envoy'
import type { Match } from '@weft/policy'
import type { Messages } from '@weft/proto'
import { anyOf, matchPredicate } from '../match-predicate.ts'

type Matcher = Messages['xds.type.matcher.v3.Matcher']
type Predicate = Messages['xds.type.matcher.v3.Matcher.MatcherList.Predicate']
type OnMatch = Messages['xds.type.matcher.v3.Matcher.OnMatch']

/** What one policy says in one list. */
export interface PermissionRule {
  /** KRI of the policy: the name that Envoy's statistics and logs show. */
  readonly name: string
  readonly matches: readonly Match[]
  /** True when it holds for all traffic. */
  readonly all: boolean
}

interface Permissions {
  readonly deny: readonly PermissionRule[]
  readonly allow: readonly PermissionRule[]
  readonly shadowDeny: readonly PermissionRule[]
}

const httpRbacName = 'envoy.filters.http.rbac'
/** Name of the filter of a TCP chain. */
export const networkRbacName = 'envoy.filters.network.rbac'
const allowAction = 0
const denyAction = 1
const defaultName = 'default'

/** The filter of an HTTP chain. */
export function httpRbac(permissions: Permissions): HttpFilterDraft {
  return { slot: 'rbac', name: httpRbacName, config: typed('envoy.extensions.filters.http.rbac.v3.RBAC', matchersOf(permissions)) }
}

/** The filter of a TCP chain. `statPrefix` ends in a dot. */
export function networkRbac(permissions: Permissions, statPrefix: string): NetworkFilterDraft {
  return {
    name: networkRbacName,
    config: typed('envoy.extensions.filters.network.rbac.v3.RBAC', { ...matchersOf(permissions), statPrefix }),
  }
}

function matchersOf({ deny, allow, shadowDeny }: Permissions): { matcher: Matcher; shadowMatcher?: Matcher } {
  const everyone = deny.find((rule) => rule.all)
  // Denials come first and all have the same effect, so one for all traffic leaves nothing to the others.
  if (everyone !== undefined) return { matcher: { onNoMatch: action(everyone.name, denyAction) } }
  const matcher = matcherOf([...deny.map((rule) => entry(rule, denyAction)), ...allow.map((rule) => entry(rule, allowAction))])
  if (shadowDeny.length === 0) return { matcher }
  return { matcher, shadowMatcher: matcherOf(shadowDeny.map((rule) => entry(rule, denyAction))) }
}

function matcherOf(matchers: readonly { readonly predicate: Predicate; readonly onMatch: OnMatch }[]): Matcher {
  const onNoMatch = action(defaultName, denyAction)
  return matchers.length === 0 ? { onNoMatch } : { matcherList: { matchers }, onNoMatch }
}

function entry(rule: PermissionRule, effect: 0 | 1): { readonly predicate: Predicate; readonly onMatch: OnMatch } {
  return { predicate: anyOf(rule.matches.map(matchPredicate)), onMatch: action(rule.name, effect) }
}

function action(name: string, effect: 0 | 1): OnMatch {
  return {
    action: {
      name: 'envoy.filters.rbac.action',
      typedConfig: packed('envoy.config.rbac.v3.Action', effect === denyAction ? { name, action: effect } : { name }),
    },
  }
}
