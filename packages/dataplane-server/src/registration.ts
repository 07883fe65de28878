// The stored form of a Dataplane that a proxy brings, and who else may be serving that proxy. Pure.
import { listField, textField } from '@weft/foundation/json'
import { isOnline } from '@weft/insights'
import {
  computeLabels,
  dataplane,
  type DataplaneInbound,
  type DataplaneSpec,
  type Labels,
  type Resource,
  type ResourceKey,
} from '@weft/resources'
import type { Store } from '@weft/store'
import type { DataplaneDocument } from './dataplane-document.ts'
import type { DataplaneServerSettings } from './settings.ts'

type Place = Pick<DataplaneServerSettings, 'zone' | 'federated' | 'environment'>

/** Labels of a Dataplane in this zone: the proxy's own and the computed ones (contract/dataplane.md section 6.3). */
export function registeredLabels(document: DataplaneDocument, place: Place): Labels {
  return computeLabels(dataplane, document, { mode: 'zone', zone: place.zone, federated: place.federated, environment: place.environment })
}

/**
 * What is written when a proxy registers. Inbounds that are probed start as not ready; when the proxy was here before they keep what the
 * probe last said, so that a reconnect takes nobody out of load balancing.
 */
export function registrationOf(
  document: DataplaneDocument,
  stored: Resource | undefined,
  place: Place,
): ResourceKey & { readonly labels: Labels; readonly spec: DataplaneSpec } {
  const { networking } = document.spec
  // stored Dataplanes passed the codec of their kind
  const known = (stored?.spec as DataplaneSpec | undefined)?.networking?.inbound ?? []
  const inbound = networking?.inbound?.map((each) => (each.serviceProbe ? withProbeState(each, known) : each))
  return {
    type: 'Dataplane',
    mesh: document.mesh,
    name: document.name,
    labels: registeredLabels(document, place),
    spec: { networking: { ...networking, ...(inbound ? { inbound } : {}) } },
  }
}

function withProbeState(inbound: DataplaneInbound, known: readonly DataplaneInbound[]): DataplaneInbound {
  const before = known.find((each) => each.serviceProbe && each.port === inbound.port && each.servicePort === inbound.servicePort)
  return setInboundReady(inbound, before !== undefined && before.state !== 'NotReady')
}

/** An inbound with its readiness in both places that show it. */
export function setInboundReady(inbound: DataplaneInbound, isReady: boolean): DataplaneInbound {
  const { state: _, health: __, ...rest } = inbound
  return isReady ? { ...rest, health: { ready: true } } : { ...rest, state: 'NotReady', health: {} }
}

/** True when the proxy's insight says that another control plane of this zone has an open stream of it. */
export function isServedElsewhere(
  store: Pick<Store, 'get'>,
  proxy: { readonly mesh: string; readonly name: string },
  instanceId: string,
): boolean {
  const insight = store.get({ type: 'DataplaneInsight', mesh: proxy.mesh, name: proxy.name })
  if (!insight || !isOnline(insight.spec)) return false
  const last = listField(insight.spec, 'subscriptions').at(-1)
  return textField(last, 'controlPlaneInstanceId') !== instanceId
}
