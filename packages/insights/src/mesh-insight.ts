// MeshInsight and the global totals: counts over Dataplanes and everything else of a mesh (contract/rest-cli-gui.md sections 6.5, 6.6).
import { textField, textsField } from '@weft/foundation/json'
import type { Resource } from '@weft/resources'
import { child } from './json.ts'
import { isGateway, type ProxyStatus, proxyStatus } from './proxy-status.ts'
import { subscriptionsOf } from './subscriptions.ts'

/** Counts of proxies by status. */
export interface ProxyCounts {
  readonly total: number
  readonly online: number
  readonly offline: number
  readonly partiallyDegraded: number
}

type Counts = { -readonly [K in keyof ProxyCounts]: number }

export interface MeshInsightInput {
  readonly dataplanes: readonly Resource[]
  /** The DataplaneInsight of a Dataplane. */
  insightOf(dataplane: Resource): Resource | undefined
  /** Number of resources of each mesh-scoped kind. */
  readonly totals: ReadonlyMap<string, number>
}

export function noProxies(): Counts {
  return { total: 0, online: 0, offline: 0, partiallyDegraded: 0 }
}

export function addProxy(counts: Counts, status: ProxyStatus): void {
  counts.total += 1
  counts[status] += 1
}

/** The spec of a mesh's insight; counts of zero are left out, as the wire does. */
export function meshInsightSpec(input: MeshInsightInput): Readonly<Record<string, unknown>> {
  const all = noProxies()
  const byType = { standard: noProxies(), gateway: noProxies(), gatewayDelegated: noProxies() }
  const kumaDp = new Map<string, Counts>()
  const envoy = new Map<string, Counts>()
  const issued = new Map<string, Counts>()
  const supported = new Map<string, Counts>()
  for (const dataplane of input.dataplanes) {
    const insight = input.insightOf(dataplane)
    const status = proxyStatus(dataplane, insight)
    addProxy(all, status)
    if (isGateway(dataplane)) {
      addProxy(byType.gateway, status)
      addProxy(byType.gatewayDelegated, status)
    } else addProxy(byType.standard, status)
    const version = child(subscriptionsOf(insight?.spec).at(-1), 'version')
    addProxy(countsOf(kumaDp, textField(child(version, 'kumaDp'), 'version') || 'unknown'), status)
    addProxy(countsOf(envoy, textField(child(version, 'envoy'), 'version') || 'unknown'), status)
    const mtls = child(insight?.spec, 'mTLS')
    const issuedBackend = textField(mtls, 'issuedBackend')
    if (issuedBackend !== '') addProxy(countsOf(issued, issuedBackend), status)
    for (const backend of textsField(mtls, 'supportedBackends')) addProxy(countsOf(supported, backend), status)
  }
  return {
    dataplanes: compact(all),
    dpVersions: { kumaDp: compactAll(kumaDp), envoy: compactAll(envoy) },
    mTLS: { issuedBackends: compactAll(issued), supportedBackends: compactAll(supported) },
    dataplanesByType: {
      standard: compact(byType.standard),
      gateway: compact(byType.gateway),
      gatewayDelegated: compact(byType.gatewayDelegated),
    },
    resources: Object.fromEntries(
      [...input.totals]
        .filter(([, total]) => total > 0)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([type, total]) => [type, { total }]),
    ),
  }
}

function countsOf(map: Map<string, Counts>, key: string): Counts {
  const found = map.get(key) ?? noProxies()
  map.set(key, found)
  return found
}

function compact(counts: Counts): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
}

function compactAll(map: ReadonlyMap<string, Counts>): Readonly<Record<string, unknown>> {
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, counts]) => [key, compact(counts)]))
}
