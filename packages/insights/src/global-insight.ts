// Totals of everything a control plane holds, for the overview page (contract/rest-cli-gui.md section 6.6).
import { field } from '@weft/foundation/json'
import type { Resource } from '@weft/resources'
import type { Store } from '@weft/store'
import { addProxy, noProxies } from './mesh-insight.ts'
import { isGateway, isZoneOnline, proxyStatus } from './proxy-status.ts'

export interface CountedKind {
  readonly type: string
  readonly scope: 'Mesh' | 'Global'
  readonly isPolicy: boolean
}

/** The body of GlobalInsight; every key is present, zeroes included. */
export function globalInsight(
  store: Pick<Store, 'list' | 'get'>,
  kinds: readonly CountedKind[],
  createdAt: string,
): Readonly<Record<string, unknown>> {
  const standard = noProxies()
  const gatewayDelegated = noProxies()
  for (const dataplane of store.list('Dataplane')) {
    addProxy(
      isGateway(dataplane) ? gatewayDelegated : standard,
      proxyStatus(dataplane, store.get({ ...keyOf(dataplane), type: 'DataplaneInsight' })),
    )
  }
  const internal = noProxies()
  for (const service of store.list('MeshService')) addProxy(internal, field(service.spec, 'state') === 'Available' ? 'online' : 'offline')
  const insights = store.list('ZoneInsight')
  const online = insights.filter((insight) => isZoneOnline(store.get({ type: 'Zone', mesh: '', name: insight.name }), insight)).length
  const totals = kinds.map(({ type, isPolicy }) => ({ type, isPolicy, total: store.list(type).length }))
  return {
    createdAt,
    dataplanes: { standard, gatewayDelegated },
    meshes: { total: store.list('Mesh').length },
    policies: { total: totals.reduce((sum, kind) => sum + (kind.isPolicy ? kind.total : 0), 0) },
    resources: Object.fromEntries(totals.map(({ type, total }) => [type, { total }])),
    services: { internal, external: { total: store.list('MeshExternalService').length }, gatewayDelegated: noProxies() },
    zones: {
      controlPlanes: { online, total: insights.length },
      zoneIngresses: { online: 0, total: 0 },
      zoneEgresses: { online: 0, total: 0 },
    },
  }
}

function keyOf(resource: Resource): { readonly mesh: string; readonly name: string } {
  return { mesh: resource.mesh, name: resource.name }
}
