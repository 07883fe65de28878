// MeshAccessLog: logs of connections and requests, and where they go (contract/policies.md section 3.1).
import type { ClusterDraft, FilterChainDraft, ListenerDraft } from '@weft/envoy'
import type { TelemetryBackendFact } from '@weft/facts'
import { field } from '@weft/foundation/json'
import { isEmptyMatch, type Match, outboundRule, toEntries, resolveTelemetryBackend } from '@weft/policy'
import { directAddress, directUrl, encryptDirect, nameOf, otelDirectCluster, otelSocketCluster } from '../otel-backend.ts'
import type { InboundScope, OtelExport, OutboundScope, OwnAdditions, OwnerView, PolicyPlugin } from '../plugin.ts'
import { callerFilter } from './caller-filter.ts'
import { httpFormat, type LogValues, tcpFormat } from './formats.ts'
import { type AccessLog, accessLogs, type LogCollector, type LoggerInput, refKey } from './loggers.ts'
import type { AccessLogBackend } from './resource.ts'
import { markRoutes, notOfRoute, ofRoute, routeFilter } from './route-logs.ts'

type Backends = readonly AccessLogBackend[]

/** Logs of incoming traffic: every rule that covers a caller logs it. */
export interface InboundLogs {
  readonly rules: readonly { readonly match?: Match; readonly backends: Backends }[]
}

/** Logs of a destination, and of its routes that a policy names: those replace the destination's, also with none. */
export interface OutboundLogs {
  readonly service: Backends
  readonly routes: Readonly<Record<string, Backends>>
}

/** What the logs of an outbound say of the proxy. */
export interface LogShare extends Pick<LoggerInput, 'socket' | 'collectors'> {
  readonly values: Omit<LogValues, 'destinationService' | 'direction'>
}

/** Appends access loggers to inbounds, outbounds, the passthrough and zone listeners. */
export const meshAccessLogPlugin: PolicyPlugin<
  InboundLogs | undefined,
  OutboundLogs | undefined,
  InboundLogs | undefined,
  Backends | undefined,
  unknown,
  LogShare
> = {
  type: 'MeshAccessLog',
  order: 600,
  inboundConf: inboundLogs,
  zoneConf: inboundLogs,
  outboundConf: outboundLogs,
  proxyConf: ({ policies }) => {
    const rule = outboundRule(toEntries(policies), { kind: 'Mesh' })
    return rule && backendsOf(rule.conf)
  },
  inbound({ listener, owner, section, named, protocol }, conf) {
    if (conf === undefined) return
    const destinationService = named ? `${owner.kri}${section}` : owner.service
    const values = { ...valuesOf(owner), sourceService: 'unknown', destinationService, direction: 'INBOUND' } as const
    const defaultFormat = protocol === 'tcp' ? tcpFormat : httpFormat
    logCallers(listener, conf, { ...loggerInput(owner, allBackends({ inbounds: [conf] })), values, defaultFormat })
  },
  zoneListener({ listener, owner }, conf) {
    if (conf === undefined) return
    const values = { ...valuesOf(owner), sourceService: 'unknown', destinationService: 'unknown', direction: 'UNSPECIFIED' } as const
    logCallers(listener, conf, { ...loggerInput(owner, allBackends({ inbounds: [conf] })), values, defaultFormat: tcpFormat })
    for (const { terminal } of listener.chains) {
      // a zone proxy's connections live long: without this they would be logged only when they end
      if (terminal.kind === 'tcp') terminal.config.accessLogOptions = { flushAccessLogOnConnected: true }
    }
  },
  share: (owner, conf) => conf && { ...loggerInput(owner, allBackends({ outbounds: [conf] })), values: valuesOf(owner) },
  outboundListener({ listener, destination }, conf, share) {
    if (conf === undefined || share === undefined) return
    const values = { ...share.values, destinationService: destination.displayName, direction: 'OUTBOUND' } as const
    for (const chain of listener.chains) logOutbound(chain, conf, { ...share, values, defaultFormat: formatOf(chain) })
  },
  passthrough({ outbound, owner }, conf) {
    if (conf === undefined) return
    const values = { ...valuesOf(owner), destinationService: 'external', direction: 'OUTBOUND' } as const
    for (const { listener } of outbound) {
      for (const chain of listener.chains) {
        const input = { ...loggerInput(owner, conf), values, defaultFormat: formatOf(chain) }
        appendLogs(chain, accessLogs(conf, input))
      }
    }
  },
  own: (owner, { whole, inbounds, zoneListeners, outbounds }) =>
    collectorParts(owner, [
      ...allBackends({ inbounds: [...inbounds, ...zoneListeners].filter((conf) => conf !== undefined) }),
      ...allBackends({ outbounds: outbounds.filter((conf) => conf !== undefined) }),
      ...(owner.redirected ? (whole ?? []) : []),
    ]),
}

function inboundLogs({ rules }: InboundScope): InboundLogs | undefined {
  if (rules.length === 0) return undefined
  return {
    rules: rules.map(({ match, conf }) => ({
      ...(match === undefined || isEmptyMatch(match) ? {} : { match }),
      backends: backendsOf(conf),
    })),
  }
}

function outboundLogs({ rule, routeRules }: OutboundScope): OutboundLogs | undefined {
  if (rule === undefined && routeRules.size === 0) return undefined
  const routes = Object.fromEntries([...routeRules].map(([name, { conf }]) => [name, backendsOf(conf)]))
  return { service: rule === undefined ? [] : backendsOf(rule.conf), routes }
}

function backendsOf(conf: unknown): Backends {
  const backends = field(conf, 'backends')
  // stored policies passed the codec of their kind, and merging keeps its shape
  return Array.isArray(backends) ? (backends as Backends) : []
}

function allBackends(confs: { readonly inbounds?: readonly InboundLogs[]; readonly outbounds?: readonly OutboundLogs[] }): Backends {
  return [
    ...(confs.inbounds ?? []).flatMap(({ rules }) => rules.flatMap(({ backends }) => backends)),
    ...(confs.outbounds ?? []).flatMap(({ service, routes }) => [...service, ...Object.values(routes).flat()]),
  ]
}

function valuesOf({ mesh, zone, workloadKri, service, address }: OwnerView): LogShare['values'] {
  return { mesh, zone, workloadKri, sourceService: service, sourceAddress: address }
}

function loggerInput(owner: OwnerView, backends: Backends): Pick<LoggerInput, 'socket' | 'collectors'> {
  const collectors: Record<string, LogCollector> = {}
  for (const { openTelemetry } of backends) {
    if (openTelemetry === undefined) continue
    const collector = resolveTelemetryBackend(openTelemetry.backendRef, owner.telemetryBackends)
    if (collector === undefined) continue
    const isHttp = collector.protocol === 'http' && !owner.otelSockets
    collectors[refKey(openTelemetry)] = {
      cluster: clusterName(collector, owner),
      ...(isHttp ? { url: directUrl(collector, owner, 'v1/logs') } : {}),
    }
  }
  return { socket: owner.accessLogSocket, collectors }
}

/** Through the launcher a collector is known by its name, directly by its address. */
function clusterName(collector: TelemetryBackendFact, owner: OwnerView): string {
  if (owner.otelSockets) return `system_meshaccesslog_otel_${nameOf(collector.name)}`
  return `system_meshaccesslog_${nameOf(`${directAddress(collector, owner)}-${collector.port}`)}`
}

function collectorParts(owner: OwnerView, backends: Backends): OwnAdditions | undefined {
  const drafts = new Map<string, ClusterDraft>()
  const exports = new Map<string, OtelExport>()
  for (const { openTelemetry } of backends) {
    const collector = openTelemetry && resolveTelemetryBackend(openTelemetry.backendRef, owner.telemetryBackends)
    if (collector === undefined) continue
    const name = clusterName(collector, owner)
    if (drafts.has(name)) continue
    const draft = owner.otelSockets ? otelSocketCluster(name, collector, owner) : otelDirectCluster(name, collector, owner)
    if (!owner.otelSockets) encryptDirect(draft, collector, owner)
    drafts.set(name, draft)
    exports.set(name, { signal: 'logs', backend: collector })
  }
  if (drafts.size === 0) return undefined
  return {
    clusters: [...drafts.values()].map((draft) => ({ origin: 'mesh-access-log', draft })),
    exports: [...exports.values()],
  }
}

function logCallers(listener: ListenerDraft, { rules }: InboundLogs, input: LoggerInput): void {
  for (const chain of listener.chains) {
    for (const { match, backends } of rules) {
      const filter = match && callerFilter(match)
      appendLogs(chain, accessLogs(backends, filter === undefined ? input : { ...input, filter }))
    }
  }
  // without it a connection's server name is not known
  if (rules.some(({ match }) => match?.sni !== undefined)) listener.tlsInspector = true
}

function logOutbound(chain: FilterChainDraft, { service, routes }: OutboundLogs, input: LoggerInput): void {
  const { terminal } = chain
  if (terminal.kind === 'tcp') {
    appendLogs(chain, accessLogs(service, input))
    return
  }
  appendLogs(chain, accessLogs(service, { ...input, filter: notOfRoute }))
  const marked = markRoutes(terminal, routes)
  for (const [kri, backends] of marked) appendLogs(chain, accessLogs(backends, { ...input, filter: ofRoute(kri) }))
  if ([...marked.values()].some((backends) => backends.length > 0)) terminal.filters.push(routeFilter)
}

function formatOf({ terminal }: FilterChainDraft): string {
  return terminal.kind === 'tcp' ? tcpFormat : httpFormat
}

function appendLogs({ terminal }: FilterChainDraft, logs: readonly AccessLog[]): void {
  if (logs.length > 0) terminal.config.accessLog = [...(terminal.config.accessLog ?? []), ...logs]
}
