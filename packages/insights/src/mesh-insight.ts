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

/** The proxies of one mesh, counted. */
export interface ProxyTally {
  readonly isEmpty: boolean
  /** A Dataplane with the DataplaneInsight of its name. */
  add(dataplane: Resource, insight: Resource | undefined): void
  /** One that was added exactly so. */
  remove(dataplane: Resource, insight: Resource | undefined): void
  /** The spec of the mesh's insight, with the number of resources of each mesh-scoped kind; counts of zero are left out, as the wire does. */
  spec(totals: ReadonlyMap<string, number>): Readonly<Record<string, unknown>>
}

export function noProxies(): Counts {
  return { total: 0, online: 0, offline: 0, partiallyDegraded: 0 }
}

/** `by` -1 takes one out. */
export function addProxy(counts: Counts, status: ProxyStatus, by = 1): void {
  counts.total += by
  counts[status] += by
}

/** Counts nothing yet. */
export function createProxyTally(): ProxyTally {
  const all = noProxies()
  const byType = { standard: noProxies(), gateway: noProxies(), gatewayDelegated: noProxies() }
  const [kumaDp, envoy, issued, supported] = [createGroups(), createGroups(), createGroups(), createGroups()]
  const count = (dataplane: Resource, insight: Resource | undefined, by: 1 | -1): void => {
    const status = proxyStatus(dataplane, insight)
    addProxy(all, status, by)
    if (isGateway(dataplane)) {
      addProxy(byType.gateway, status, by)
      addProxy(byType.gatewayDelegated, status, by)
    } else addProxy(byType.standard, status, by)
    const version = child(subscriptionsOf(insight?.spec).at(-1), 'version')
    kumaDp.count(textField(child(version, 'kumaDp'), 'version') || 'unknown', status, by)
    envoy.count(textField(child(version, 'envoy'), 'version') || 'unknown', status, by)
    const mtls = child(insight?.spec, 'mTLS')
    const issuedBackend = textField(mtls, 'issuedBackend')
    if (issuedBackend !== '') issued.count(issuedBackend, status, by)
    for (const backend of textsField(mtls, 'supportedBackends')) supported.count(backend, status, by)
  }
  return {
    get isEmpty() {
      return all.total === 0
    },
    add: (dataplane, insight) => count(dataplane, insight, 1),
    remove: (dataplane, insight) => count(dataplane, insight, -1),
    spec: (totals) => ({
      dataplanes: compact(all),
      dpVersions: { kumaDp: kumaDp.compact(), envoy: envoy.compact() },
      mTLS: { issuedBackends: issued.compact(), supportedBackends: supported.compact() },
      dataplanesByType: {
        standard: compact(byType.standard),
        gateway: compact(byType.gateway),
        gatewayDelegated: compact(byType.gatewayDelegated),
      },
      resources: Object.fromEntries(
        [...totals]
          .filter(([, total]) => total > 0)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([type, total]) => [type, { total }]),
      ),
    }),
  }
}

/** Counts by a text of the proxies. */
interface Groups {
  count(key: string, status: ProxyStatus, by: 1 | -1): void
  compact(): Readonly<Record<string, unknown>>
}

function createGroups(): Groups {
  const groups = new Map<string, Counts>()
  return {
    count: (key, status, by) => {
      const counts = groups.get(key) ?? noProxies()
      addProxy(counts, status, by)
      if (counts.total === 0) groups.delete(key)
      else groups.set(key, counts)
    },
    compact: () => Object.fromEntries([...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, counts]) => [key, compact(counts)])),
  }
}

function compact(counts: Counts): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
}
