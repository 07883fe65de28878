// What the permission rules of an inbound say about one caller, in words of this process: the same order as the filter they become
// (contract/policies.md section 3.14).
import { isObject } from '@weft/foundation/json'
import type { Match } from '@weft/policy'
import type { TrafficPermissionConf } from './envoy.ts'
import type { PermissionRule } from './rbac.ts'

/** Who calls, as the inbound sees it over mTLS. */
export interface Caller {
  readonly spiffeId: string
  readonly sni: string | undefined
}

export interface PermissionVerdict {
  readonly allowed: boolean
  /** KRI of the policy that decided; undefined when no rule mentions the caller, which denies. */
  readonly by: string | undefined
  /** KRI of the policy that would deny the call and only reports it. */
  readonly shadowDeniedBy: string | undefined
}

/** The verdict of an inbound's conf for MeshTrafficPermission; anything that is no such conf holds no rules. */
export function permissionVerdict(conf: unknown, caller: Caller): PermissionVerdict {
  const rules = isConf(conf) ? conf : { deny: [], allow: [], shadowDeny: [] }
  const denied = rules.deny.find((rule) => covers(rule, caller))
  const shadowDeniedBy = rules.shadowDeny.find((rule) => covers(rule, caller))?.name
  if (denied) return { allowed: false, by: denied.name, shadowDeniedBy }
  const allowed = rules.allow.find((rule) => covers(rule, caller))
  return { allowed: allowed !== undefined, by: allowed?.name, shadowDeniedBy }
}

function covers(rule: PermissionRule, caller: Caller): boolean {
  return rule.all || rule.matches.some((match) => holds(match, caller))
}

function holds({ spiffeID, sni }: Match, caller: Caller): boolean {
  if (sni !== undefined && sni.value !== caller.sni) return false
  if (spiffeID === undefined) return true
  return spiffeID.type === 'Exact' ? spiffeID.value === caller.spiffeId : caller.spiffeId.startsWith(spiffeID.value)
}

function isConf(conf: unknown): conf is TrafficPermissionConf {
  return isObject(conf) && Array.isArray(conf['deny']) && Array.isArray(conf['allow']) && Array.isArray(conf['shadowDeny'])
}
