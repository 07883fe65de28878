// MeshTrafficPermission: who may call. A proxy with an identity denies everything that no rule allows (contract/policies.md section 3.14).
import { listField } from '@weft/foundation/json'
import { type FilterChainDraft, type ListenerDraft } from '@weft/envoy'
import { type InboundRule, isEmptyMatch, type Match, parseMatch } from '@weft/policy'
import { kriText } from '@weft/resources'
import type { PolicyPlugin } from '../plugin.ts'
import { httpRbac, networkRbac, networkRbacName, type PermissionRule } from './rbac.ts'

/** Permission rules of one section, weakest policy first. */
export interface TrafficPermissionConf {
  readonly deny: readonly PermissionRule[]
  /** Allowed, including what is allowed but reported as to be denied. */
  readonly allow: readonly PermissionRule[]
  readonly shadowDeny: readonly PermissionRule[]
}

/** Puts an RBAC filter first in every chain that terminates TLS. */
export const meshTrafficPermissionPlugin: PolicyPlugin<TrafficPermissionConf, undefined, TrafficPermissionConf> = {
  type: 'MeshTrafficPermission',
  order: 1100,
  inboundConf: ({ rules }) => permissionConf(rules),
  zoneConf: ({ rules }) => permissionConf(rules),
  inbound({ identity, listener }, conf) {
    if (identity === undefined) return
    secure(listener, conf)
    if (usesSni(conf)) listener.tlsInspector = true
  },
  zoneListener({ identity, kind, listener }, conf) {
    // A zone ingress does not terminate TLS: the destination's own inbound decides.
    if (identity !== undefined && kind === 'ZoneEgress') secure(listener, conf)
  },
}

/** Reads the lists of every rule. A match that cannot be understood denies when it was to deny and grants nothing when it was to allow. */
export function permissionConf(rules: readonly InboundRule[]): TrafficPermissionConf {
  const deny: PermissionRule[] = []
  const allow: PermissionRule[] = []
  const shadowDeny: PermissionRule[] = []
  for (const rule of rules) {
    const name = kriText('mtp', rule.policy)
    const denied = matchesOf(rule.conf, 'deny')
    if (denied.matches.length > 0 || denied.all) deny.push({ name, ...denied })
    const shadow = matchesOf(rule.conf, 'allowWithShadowDeny')
    const allowed = [...matchesOf(rule.conf, 'allow').matches, ...shadow.matches]
    if (allowed.length > 0) allow.push({ name, matches: allowed, all: false })
    if (shadow.matches.length > 0) shadowDeny.push({ name, matches: shadow.matches, all: false })
  }
  return { deny, allow, shadowDeny }
}

function matchesOf(
  conf: unknown,
  list: 'deny' | 'allow' | 'allowWithShadowDeny',
): { readonly matches: readonly Match[]; readonly all: boolean } {
  const matches: Match[] = []
  let all = false
  for (const value of listField(conf, list)) {
    const match = parseMatch(value)
    if (match === undefined || isEmptyMatch(match)) all = true
    else matches.push(match)
  }
  return { matches, all }
}

function usesSni(conf: TrafficPermissionConf): boolean {
  return [...conf.deny, ...conf.allow].some((rule) => rule.matches.some((match) => match.sni !== undefined))
}

function secure(listener: ListenerDraft, conf: TrafficPermissionConf): void {
  for (const chain of listener.chains) {
    if (chain.tls === undefined) continue
    chain.networkFilters = chain.networkFilters.filter((filter) => filter.name !== networkRbacName)
    addRbac(chain, listener.name, conf)
  }
}

function addRbac(chain: FilterChainDraft, listener: string, conf: TrafficPermissionConf): void {
  if (chain.terminal.kind === 'http') {
    chain.terminal.filters = [httpRbac(conf), ...chain.terminal.filters.filter((filter) => filter.slot !== 'rbac')]
  } else chain.networkFilters.unshift(networkRbac(conf, `${listener.replaceAll(/[^A-Za-z0-9_-]/g, '_')}.`))
}
