// MeshTimeout: timeouts of clusters, routes and TCP proxies. It acts without any policy too, with the defaults of the mesh
// (contract/policies.md sections 3.12 and 4).
import { type ClusterDraft, durationMs, type FilterChainDraft, type HttpDraft, type ListenerDraft } from '@weft/envoy'
import type { Protocol } from '@weft/facts'
import { catchAllConf, type InboundRule, type Match, mergeConf } from '@weft/policy'
import { matchedRules, repeatRoutes } from '../matched-rules.ts'
import type { InboundScope, PolicyPlugin } from '../plugin.ts'
import { definedOnly, type TimeoutConf, timeoutConf, timeoutDefaults } from './conf.ts'

/** Timeouts of a destination. */
export interface OutboundTimeouts {
  readonly service: TimeoutConf
  /** By route name: only routes that a policy names. */
  readonly routes: Readonly<Record<string, TimeoutConf>>
}

/** Request timeouts of callers with this identity. */
export interface CallerTimeouts {
  readonly match: Match
  readonly conf: TimeoutConf
}

/** Timeouts of an inbound. */
export interface InboundTimeouts {
  /** For all traffic; absent when there are rules but none for all traffic, and then what the inbound was built with stays. */
  readonly all?: TimeoutConf
  /** Most specific first. */
  readonly callers: readonly CallerTimeouts[]
}

/** Timeouts of a zone listener. */
export interface ZoneTimeouts extends InboundTimeouts {
  /** For chains of a server name, after `all`: what they do not say falls back to the defaults, except the idle stream time. */
  readonly bySni: Readonly<Record<string, TimeoutConf>>
}

const stateKeys = { spiffeId: 'kuma.mesh_timeout.match.spiffe_id', sni: 'kuma.mesh_timeout.match.sni' }

/** Edits clusters, routes, connection managers and TCP proxies of inbounds, outbounds and zone listeners. */
export const meshTimeoutPlugin: PolicyPlugin<InboundTimeouts, OutboundTimeouts, ZoneTimeouts | undefined> = {
  type: 'MeshTimeout',
  order: 1000,
  inboundConf: inboundTimeouts,
  outboundConf: ({ rule, routeRules }) => ({
    service: timeoutConf(rule?.conf),
    routes: Object.fromEntries([...routeRules].map(([name, routeRule]) => [name, timeoutConf(routeRule.conf)])),
  }),
  zoneConf: zoneTimeouts,
  inbound({ listener, cluster, protocol }, conf) {
    if (conf.all !== undefined) {
      setClusterTimeouts(cluster, conf.all, protocol)
      setListenerTimeouts(listener, conf.all)
    }
    for (const chain of listener.chains) setCallerTimeouts(chain, conf.callers)
  },
  outboundCluster: ({ cluster, destination }, conf) => setClusterTimeouts(cluster, conf.service, destination.protocol),
  clusterConf: ({ service: { connectMs, idleMs, maxStreamMs, maxConnectionMs } }) => ({
    service: definedOnly({ connectMs, idleMs, maxStreamMs, maxConnectionMs }),
    routes: {},
  }),
  listenerConf: ({ service: { idleMs, requestHeadersMs, ...service }, routes }) => ({
    service: definedOnly({ idleMs, requestHeadersMs, ...ofRoutes(service) }),
    routes: Object.fromEntries(Object.entries(routes).map(([name, own]) => [name, definedOnly(ofRoutes(own))])),
  }),
  outboundListener({ listener }, conf) {
    setListenerTimeouts(listener, conf.service)
    for (const route of routesOf(listener)) {
      const own = route.name === undefined || !Object.hasOwn(conf.routes, route.name) ? undefined : conf.routes[route.name]
      if (own !== undefined && route.route) setRouteTimeouts(route.route, own)
    }
  },
  zoneListener({ listener }, conf) {
    if (conf === undefined) return
    for (const chain of listener.chains) {
      if (conf.all !== undefined) setChainTimeouts(chain, conf.all)
      const sni = chain.match?.serverNames?.find((name) => Object.hasOwn(conf.bySni, name))
      const named = sni === undefined ? undefined : conf.bySni[sni]
      if (named !== undefined) setChainTimeouts(chain, named)
      setCallerTimeouts(chain, conf.callers)
    }
  },
}

/** What routes have of a conf. */
function ofRoutes({ requestMs, streamIdleMs }: TimeoutConf): { readonly [K in 'requestMs' | 'streamIdleMs']: number | undefined } {
  return { requestMs, streamIdleMs }
}

function inboundTimeouts({ rules }: InboundScope): InboundTimeouts {
  const conf = catchAllConf(rules)
  return { ...(conf === undefined && rules.length > 0 ? {} : { all: timeoutConf(conf) }), callers: callerTimeouts(rules) }
}

function callerTimeouts(rules: readonly InboundRule[]): readonly CallerTimeouts[] {
  return matchedRules(rules).flatMap(({ match, confs }) => {
    const { requestMs, streamIdleMs } = timeoutConf(mergeConf(confs))
    if (requestMs === undefined && streamIdleMs === undefined) return []
    return { match, conf: { ...(requestMs === undefined ? {} : { requestMs }), ...(streamIdleMs === undefined ? {} : { streamIdleMs }) } }
  })
}

/** Zone listeners have no defaults of their own. Rules with nothing but a server name act on the chains of that name. */
function zoneTimeouts({ rules }: InboundScope): ZoneTimeouts | undefined {
  const all = catchAllConf(rules)
  const callers = callerTimeouts(rules)
  const named = new Map<string, unknown[]>()
  for (const { match, conf } of rules) {
    if (match?.sni === undefined || match.spiffeID !== undefined) continue
    named.set(match.sni.value, [...(named.get(match.sni.value) ?? []), conf])
  }
  if (all === undefined && callers.length === 0 && named.size === 0) return undefined
  return {
    ...(all === undefined ? {} : { all: timeoutConf(all) }),
    callers,
    bySni: Object.fromEntries([...named].map(([sni, confs]) => [sni, timeoutConf(mergeConf(confs))])),
  }
}

function setClusterTimeouts(cluster: ClusterDraft, conf: TimeoutConf, protocol: Protocol): void {
  // Envoy refuses 0.
  cluster.config.connectTimeout = durationMs(conf.connectMs || timeoutDefaults.connectMs)
  const options = cluster.httpProtocolOptions
  if (options === undefined || (protocol !== 'http' && protocol !== 'http2')) return
  options.commonHttpProtocolOptions = {
    ...options.commonHttpProtocolOptions,
    idleTimeout: durationMs(conf.idleMs ?? timeoutDefaults.idleMs),
    maxStreamDuration: durationMs(conf.maxStreamMs ?? timeoutDefaults.maxStreamMs),
    maxConnectionDuration: durationMs(conf.maxConnectionMs ?? timeoutDefaults.maxConnectionMs),
  }
}

function setListenerTimeouts(listener: ListenerDraft, conf: TimeoutConf): void {
  for (const chain of listener.chains) setChainTimeouts(chain, conf)
}

function setChainTimeouts({ terminal }: FilterChainDraft, conf: TimeoutConf): void {
  if (terminal.kind === 'tcp') {
    terminal.config.idleTimeout = durationMs(conf.idleMs ?? timeoutDefaults.idleMs)
    return
  }
  terminal.config.requestHeadersTimeout = durationMs(conf.requestHeadersMs ?? timeoutDefaults.requestHeadersMs)
  // Idle connections are the cluster's matter; here they would cut clients off.
  terminal.config.commonHttpProtocolOptions = { ...terminal.config.commonHttpProtocolOptions, idleTimeout: durationMs(0) }
  for (const host of terminal.virtualHosts) {
    for (const { route } of host.routes) if (route) setRouteTimeouts(route, conf)
  }
}

function setCallerTimeouts(chain: FilterChainDraft, callers: readonly CallerTimeouts[]): void {
  repeatRoutes(chain, callers, {
    keys: stateKeys,
    edit: ({ route }, { conf }) => {
      if (!route) return
      if (conf.requestMs !== undefined) route.timeout = durationMs(conf.requestMs)
      if (conf.streamIdleMs !== undefined) route.idleTimeout = durationMs(conf.streamIdleMs)
    },
  })
}

type RouteAction = NonNullable<HttpDraft['virtualHosts'][number]['routes'][number]['route']>

function setRouteTimeouts(route: RouteAction, conf: TimeoutConf): void {
  route.timeout = durationMs(conf.requestMs ?? timeoutDefaults.requestMs)
  if (conf.streamIdleMs !== undefined || !route.idleTimeout)
    route.idleTimeout = durationMs(conf.streamIdleMs ?? timeoutDefaults.streamIdleMs)
}

function routesOf(listener: ListenerDraft): readonly HttpDraft['virtualHosts'][number]['routes'][number][] {
  return listener.chains.flatMap((chain) =>
    chain.terminal.kind === 'http' ? chain.terminal.virtualHosts.flatMap((host) => host.routes) : [],
  )
}
