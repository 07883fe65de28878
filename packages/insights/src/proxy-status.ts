// Online, partially degraded or offline: one rule for the API, the insights and the console (contract/rest-cli-gui.md section 6.4).
import { field, listField } from '@weft/foundation/json'
import type { Resource } from '@weft/resources'
import { child } from './json.ts'
import { isOnline } from './subscriptions.ts'

export type ProxyStatus = 'online' | 'partiallyDegraded' | 'offline'

/** Standard, or a delegated gateway. */
export function isGateway(dataplane: Resource): boolean {
  return 'gateway' in child(dataplane.spec, 'networking')
}

/** Status of a proxy from its Dataplane and, when there is one, the DataplaneInsight of the same name. */
export function proxyStatus(dataplane: Resource, insight: Resource | undefined): ProxyStatus {
  if (!insight || !isOnline(insight.spec)) return 'offline'
  const networking = child(dataplane.spec, 'networking')
  if ('gateway' in networking) return 'online'
  const inbounds = listField(networking, 'inbound').filter((inbound) => field(inbound, 'state') !== 'Ignored')
  const unready = inbounds.filter((inbound) => field(inbound, 'state') === 'NotReady' || child(inbound, 'health')['ready'] === false)
  if (unready.length === 0) return 'online'
  return unready.length === inbounds.length ? 'offline' : 'partiallyDegraded'
}

/** True when the Zone is enabled and its last subscription is open. */
export function isZoneOnline(zone: Resource | undefined, insight: Resource | undefined): boolean {
  return insight !== undefined && field(zone?.spec, 'enabled') !== false && isOnline(insight.spec)
}
