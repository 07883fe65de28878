// Inbound rules: what the `rules` lists of the policies of one kind say for one section of a proxy (contract/policies.md sections 1.4, 1.5).
import { field, listField, textField } from '@weft/foundation/json'
import type { Resource } from '@weft/resources'
import { selectsSection } from './match-policies.ts'
import { type MergeSpec, mergeConf } from './merge.ts'
import { comparePolicyNames, comparePolicyRank, type Entry } from './order.ts'
import { type Match } from './target-ref.ts'

/** One rule. Rules are not merged with each other: each kind decides how it combines them. */
export interface InboundRule {
  /** Undefined for a rule that holds for all traffic. */
  readonly match: Match | undefined
  readonly conf: Readonly<Record<string, unknown>>
  readonly policy: Resource
  /** Position in the policy's `rules`. */
  readonly index: number
}

/** The rules for one section (inbound or zone listener), in evaluation order: matches first, most specific first; else weakest first. */
export function inboundRules(policies: readonly Resource[], section: string): readonly InboundRule[] {
  const entries: Entry[] = []
  for (const policy of policies) {
    if (!selectsSection(policy, section)) continue
    listField(policy.spec, 'rules').forEach((item, index) => entries.push({ policy, index, item }))
  }
  const rules: InboundRule[] = []
  for (const { policy, index, item } of entries.toSorted(
    (a, b) => comparePolicyRank(a.policy, b.policy) || comparePolicyNames(a.policy, b.policy),
  )) {
    const conf = mergeConf([field(item, 'default')])
    if (conf === undefined) continue
    const matches = listField(item, 'matches')
    if (matches.length === 0) rules.push({ match: undefined, conf, policy, index })
    for (const value of matches) {
      const match = parseMatch(value)
      if (match !== undefined) rules.push({ match: isEmptyMatch(match) ? undefined : match, conf, policy, index })
    }
  }
  return rules.toSorted(
    (a, b) =>
      Number(b.match?.spiffeID !== undefined) - Number(a.match?.spiffeID !== undefined) ||
      spiffeRank(b.match) - spiffeRank(a.match) ||
      Number(b.match?.sni !== undefined) - Number(a.match?.sni !== undefined),
  )
}

/** The conf for traffic that no match singles out: the catch-all rules merged; undefined when there is none. */
export function catchAllConf(rules: readonly InboundRule[], spec: MergeSpec = {}): Readonly<Record<string, unknown>> | undefined {
  return mergeConf(
    rules.filter((rule) => rule.match === undefined).map((rule) => rule.conf),
    spec,
  )
}

/** Reads a match; undefined when a part of it cannot be understood (guessing would widen what it matches). An empty match is valid. */
export function parseMatch(value: unknown): Match | undefined {
  const spiffe = field(value, 'spiffeID')
  const sni = field(value, 'sni')
  if (typeof value !== 'object' || value === null) return undefined
  const spiffeType = textField(spiffe, 'type')
  const spiffeValue = textField(spiffe, 'value')
  const sniValue = textField(sni, 'value')
  if (present(spiffe) && ((spiffeType !== 'Exact' && spiffeType !== 'Prefix') || spiffeValue === '')) return undefined
  if (present(sni) && (field(sni, 'type') !== 'Exact' || sniValue === '')) return undefined
  return {
    ...((spiffeType === 'Exact' || spiffeType === 'Prefix') && spiffeValue !== ''
      ? { spiffeID: { type: spiffeType, value: spiffeValue } }
      : {}),
    ...(sniValue === '' ? {} : { sni: { type: 'Exact' as const, value: sniValue } }),
  }
}

/** True for a match without any condition. */
export function isEmptyMatch(match: Match): boolean {
  return match.spiffeID === undefined && match.sni === undefined
}

function spiffeRank(match: Match | undefined): number {
  return match?.spiffeID === undefined ? 0 : match.spiffeID.type === 'Exact' ? 2 : 1
}

function present(value: unknown): boolean {
  return value !== undefined && value !== null
}
