// Inbound rules for callers singled out by SPIFFE id: every HTTP route is repeated for them with a condition on filter state, most specific
// caller first (contract/policies.md sections 3.10 and 3.12).
import type { FilterChainDraft, HttpDraft } from '@weft/envoy'
import { typed } from '@weft/envoy'
import type { InboundRule, Match } from '@weft/policy'

/** A caller that rules single out, with the confs that hold for it, broadest first. */
export interface MatchedRule {
  readonly match: Match
  readonly confs: readonly Readonly<Record<string, unknown>>[]
}

/** Where a policy keeps what its routes compare: its own keys, so that policies do not meet. */
export interface FilterStateKeys {
  readonly spiffeId: string
  readonly sni: string
}

type Route = HttpDraft['virtualHosts'][number]['routes'][number]

/** One entry per distinct match with a SPIFFE id, most specific first; each has the confs of all rules that cover it. Rules without an id are left out. */
export function matchedRules(rules: readonly InboundRule[]): readonly MatchedRule[] {
  const singled = rules.filter((rule): rule is InboundRule & { readonly match: Match } => rule.match?.spiffeID !== undefined)
  const byText = new Map<string, Match>()
  for (const { match } of singled) byText.set(textOf(match), match)
  const broadFirst = singled.toSorted((a, b) => specificity(a.match) - specificity(b.match))
  return [...byText.values()]
    .toSorted((a, b) => specificity(b) - specificity(a))
    .map((match) => ({ match, confs: broadFirst.filter((rule) => covers(rule.match, match)).map((rule) => rule.conf) }))
}

/**
 * Repeats every route of an HTTP chain for each match, before the route itself, and lets `edit` change the copies. The filter that keeps what they
 * compare comes first in the chain; chains without routes have it too, as the peers write it.
 */
export function repeatRoutes<M extends { readonly match: Match }>(
  chain: FilterChainDraft,
  matched: readonly M[],
  { keys, edit }: { readonly keys: FilterStateKeys; readonly edit: (route: Route, rule: M) => void },
): void {
  if (matched.length === 0) return
  for (const host of chain.terminal.kind === 'http' ? chain.terminal.virtualHosts : []) {
    host.routes = host.routes.flatMap((route) => [
      ...matched.map((rule) => {
        const copy = structuredClone(route)
        copy.match = { ...copy.match, filterState: [...(copy.match?.filterState ?? []), ...conditions(rule.match, keys)] }
        edit(copy, rule)
        return copy
      }),
      route,
    ])
  }
  const usesSni = matched.some((rule) => rule.match.sni !== undefined)
  const values = [value(keys.spiffeId, '%DOWNSTREAM_PEER_URI_SAN%'), ...(usesSni ? [value(keys.sni, '%REQUESTED_SERVER_NAME%')] : [])]
  chain.networkFilters.unshift({
    name: 'envoy.filters.network.set_filter_state',
    config: typed('envoy.extensions.filters.network.set_filter_state.v3.Config', { onDownstreamTlsHandshake: values }),
  })
}

function conditions(match: Match, keys: FilterStateKeys) {
  const { spiffeID, sni } = match
  const id =
    spiffeID === undefined
      ? []
      : [{ key: keys.spiffeId, stringMatch: spiffeID.type === 'Exact' ? { exact: spiffeID.value } : { prefix: spiffeID.value } }]
  return sni === undefined ? id : [...id, { key: keys.sni, stringMatch: { exact: sni.value } }]
}

function value(objectKey: string, format: string) {
  return {
    objectKey,
    factoryKey: 'envoy.string',
    formatString: { textFormatSource: { inlineString: format } },
    readOnly: true,
    skipIfEmpty: true,
  }
}

function covers(broad: Match, narrow: Match): boolean {
  if (broad.sni !== undefined && broad.sni.value !== narrow.sni?.value) return false
  if (broad.spiffeID === undefined || narrow.spiffeID === undefined) return broad.spiffeID === undefined
  const { type, value: id } = broad.spiffeID
  return type === 'Exact' ? narrow.spiffeID.type === 'Exact' && narrow.spiffeID.value === id : narrow.spiffeID.value.startsWith(id)
}

/** Exact ids above all prefixes, longer prefixes above shorter ones, a server name above none. */
function specificity({ spiffeID, sni }: Match): number {
  const id = spiffeID === undefined ? 0 : spiffeID.type === 'Exact' ? Number.MAX_SAFE_INTEGER / 4 : spiffeID.value.length
  return id * 2 + (sni === undefined ? 0 : 1)
}

function textOf({ spiffeID, sni }: Match): string {
  return JSON.stringify([spiffeID?.type, spiffeID?.value, sni?.value])
}
