export {
  type BackendRef,
  backendRefHash,
  type DestinationLookup,
  destinationLookup,
  parseBackendRef,
  type ResolvedBackend,
  resolveBackendRef,
} from './backend-ref.ts'
export { catchAllConf, type InboundRule, inboundRules, isEmptyMatch, parseMatch } from './inbound-rules.ts'
export {
  isShadow,
  type MatchOptions,
  matchPolicies,
  type ProxyView,
  policySelects,
  selectsSection,
  type UnselectedReason,
  unselectedReason,
} from './match-policies.ts'
export { type KeyedList, type MergeSpec, mergeConf } from './merge.ts'
export { comparePolicyNames, comparePolicyRank, type Entry, type PolicyRole, roleOf, sortPolicies, sortToEntries } from './order.ts'
export { type FieldOrigin, fieldOrigins } from './field-origins.ts'
export {
  type DestinationTarget,
  directRule,
  isRelevant,
  mergedRule,
  type OutboundRule,
  type OutboundTarget,
  outboundRule,
  outboundRules,
  portTarget,
  relevantEntries,
  type ResourceRule,
  routeTarget,
  type ToEntry,
  toEntries,
} from './outbound-rules.ts'
export { proxyConf } from './proxy-conf.ts'
export { sameForProxies } from './same-policy.ts'
export { computeRole, type RoleResult } from './role.ts'
export { backendRefLabels, resolveTelemetryBackend } from './telemetry-backend.ts'
export {
  kindWeight,
  labelsMatch,
  type Match,
  parseTargetRef,
  type TargetKind,
  type TargetRef,
  topLevelRef,
} from './target-ref.ts'
