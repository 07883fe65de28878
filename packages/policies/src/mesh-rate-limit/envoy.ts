// MeshRateLimit: token buckets for requests and connections, kept by each proxy for itself (contract/policies.md section 3.10).
import { appendAction, durationMs, type FilterChainDraft, type HttpDraft, packed, typed, uintValue } from '@weft/envoy'
import { field, isObject } from '@weft/foundation/json'
import { catchAllConf, type InboundRule, type Match, mergeConf } from '@weft/policy'
import { matchedRules, repeatRoutes } from '../matched-rules.ts'
import type { PolicyPlugin } from '../plugin.ts'
import { type Limits, limitsOf, type RequestLimit } from './conf.ts'

/** The limit of requests of callers with this identity; absent when they have none, whatever holds for all others. */
export interface CallerLimit {
  readonly match: Match
  readonly requests?: RequestLimit
}

/** Limits of an inbound. */
export interface InboundLimits {
  readonly all: Limits
  /** Most specific first. */
  readonly callers: readonly CallerLimit[]
}

/** Limits of a zone listener. */
export interface ZoneLimits extends InboundLimits {
  /** For chains of a server name, instead of `all`. */
  readonly bySni: Readonly<Record<string, Limits>>
}

const httpFilterName = 'envoy.filters.http.local_ratelimit'
const httpFilterType = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit'
/** The peers' name of the filter, which their dashboards select on. */
const networkFilterName = 'envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit'
const httpStatPrefix = 'rate_limit'
const stateKeys = { spiffeId: 'kuma.mesh_rate_limit.match.spiffe_id', sni: 'kuma.mesh_rate_limit.match.sni' }

/** Limits inbounds and zone listeners by `rules`, outbounds by `to`. */
export const meshRateLimitPlugin: PolicyPlugin<InboundLimits | undefined, Limits | undefined, ZoneLimits | undefined> = {
  type: 'MeshRateLimit',
  order: 900,
  inboundConf: ({ rules }) => (rules.length === 0 ? undefined : inboundLimits(rules)),
  outboundConf: ({ rule }) => (rule === undefined ? undefined : limitsOf(rule.conf)),
  zoneConf: ({ rules }) => (rules.length === 0 ? undefined : { ...inboundLimits(rules), bySni: limitsBySni(rules) }),
  inbound({ listener, identity }, conf) {
    if (conf === undefined) return
    for (const chain of listener.chains) limitChain(chain, conf.all, conf.callers)
    // Only the inspector tells what name a client asked for.
    if (identity !== undefined && conf.callers.some((caller) => caller.match.sni !== undefined)) listener.tlsInspector = true
  },
  outboundListener({ listener }, conf) {
    if (conf === undefined) return
    for (const chain of listener.chains) limitChain(chain, conf, [])
  },
  zoneListener({ listener }, conf) {
    if (conf === undefined) return
    for (const chain of listener.chains) {
      const sni = chain.match?.serverNames?.find((name) => Object.hasOwn(conf.bySni, name))
      limitChain(chain, (sni === undefined ? undefined : conf.bySni[sni]) ?? conf.all, conf.callers)
    }
  },
}

function inboundLimits(rules: readonly InboundRule[]): InboundLimits {
  const common = catchAllConf(rules)
  const callers = matchedRules(rules.filter((rule) => setsRequests(rule.conf))).map(({ match, confs }): CallerLimit => {
    const { requests } = limitsOf(mergeConf(common === undefined ? confs : [common, ...confs]))
    return requests === undefined ? { match } : { match, requests }
  })
  return { all: limitsOf(common), callers }
}

function limitsBySni(rules: readonly InboundRule[]): Readonly<Record<string, Limits>> {
  const common = catchAllConf(rules)
  const named = new Map<string, unknown[]>()
  for (const { match, conf } of rules) {
    if (match?.sni === undefined || match.spiffeID !== undefined) continue
    named.set(match.sni.value, [...(named.get(match.sni.value) ?? []), conf])
  }
  return Object.fromEntries([...named].map(([sni, confs]) => [sni, limitsOf(mergeConf(common === undefined ? confs : [common, ...confs]))]))
}

/** A rule that says nothing about requests changes nothing for its callers: connections are counted before a caller is known. */
function setsRequests(conf: unknown): boolean {
  return isObject(field(field(conf, 'local'), 'http'))
}

function limitChain(chain: FilterChainDraft, { requests, connections }: Limits, callers: readonly CallerLimit[]): void {
  if (connections !== undefined) {
    chain.networkFilters.unshift({
      name: networkFilterName,
      config: typed('envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit', {
        statPrefix: 'tcp_rate_limit',
        tokenBucket: bucket(connections),
      }),
    })
  }
  const limited = callers.some((caller) => caller.requests !== undefined)
  if (requests === undefined && !limited) return
  const { terminal } = chain
  if (terminal.kind === 'http') {
    terminal.filters.push({ slot: 'rate-limit', name: httpFilterName, config: typed(httpFilterType, { statPrefix: httpStatPrefix }) })
    for (const host of terminal.virtualHosts) for (const route of host.routes) limitRoute(route, requests)
  }
  repeatRoutes(chain, callers, { keys: stateKeys, edit: (route, caller) => limitRoute(route, caller.requests) })
}

type Route = HttpDraft['virtualHosts'][number]['routes'][number]

function limitRoute(route: Route, limit: RequestLimit | undefined): void {
  const { [httpFilterName]: _, ...others } = route.typedPerFilterConfig ?? {}
  route.typedPerFilterConfig = limit === undefined ? others : { ...others, [httpFilterName]: packed(httpFilterType, limitMessage(limit)) }
}

const always = (runtimeKey: string) => ({ defaultValue: { numerator: 100 }, runtimeKey })

function limitMessage(limit: RequestLimit) {
  return {
    statPrefix: httpStatPrefix,
    ...(limit.status === undefined ? {} : { status: { code: limit.status } }),
    tokenBucket: bucket(limit),
    filterEnabled: always('local_rate_limit_enabled'),
    filterEnforced: always('local_rate_limit_enforced'),
    responseHeadersToAdd: limit.headers.map(({ name, value, append }) => ({
      header: { key: name, value },
      appendAction: append ? appendAction.APPEND_IF_EXISTS_OR_ADD : appendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    })),
  }
}

function bucket({ count, intervalMs }: { readonly count: number; readonly intervalMs: number }) {
  return { maxTokens: count, tokensPerFill: uintValue(count), fillInterval: durationMs(intervalMs) }
}
