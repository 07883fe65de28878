// DataplaneInsight: who serves a proxy, since when, what was sent and acknowledged, and its certificate (contract/dataplane.md section 6.5).
import type { JsonObject } from '@weft/foundation/json'
import { timestamp } from '@weft/foundation/time'
import { child } from './json.ts'
import type { StreamTally } from './response-tally.ts'
import { addSubscription, closeSubscription, countResponses, subscriptionsOf, updateSubscription } from './subscriptions.ts'

/** What a proxy's stream tells when it opens. */
export interface ProxySubscription {
  /** UUID of the stream. */
  readonly id: string
  readonly controlPlaneInstanceId: string
  /** RFC 3339. */
  readonly connectTime: string
  /** `kumaDp`, `envoy` and `dependencies` as in the insight. */
  readonly version: JsonObject
  /** node.metadata as canonical JSON. */
  readonly metadata: JsonObject
}

/** Resource types that have counters of their own; `other` (secrets, routes by other means) counts in the total only. */
export type CountedType = 'cds' | 'eds' | 'lds' | 'rds' | 'other'

/** The certificate a proxy was given. */
export interface IssuedIdentity {
  readonly certificateExpirationTime: string
  /** When it was issued. */
  readonly lastCertificateRegeneration: string
  /** KRI of the MeshIdentity. */
  readonly issuedBackend: string
  /** KRIs of the MeshTrusts. */
  readonly supportedBackends: readonly string[]
}

/** Kuma keeps two subscriptions of a proxy. */
export const dataplaneSubscriptionLimit = 2

/** The spec after a proxy connected. */
export function proxyConnected(spec: JsonObject, subscription: ProxySubscription, limit: number = dataplaneSubscriptionLimit): JsonObject {
  const { metadata, ...rest } = subscription
  const added = { ...rest, status: { lastUpdateTime: subscription.connectTime, total: {}, cds: {}, eds: {}, lds: {}, rds: {} } }
  return { ...spec, subscriptions: addSubscription(subscriptionsOf(spec), added, limit), metadata }
}

/** Where responses of a type are counted. */
const paths: Readonly<Partial<Record<string, readonly string[]>>> = { cds: ['cds'], eds: ['eds'], lds: ['lds'], rds: ['rds'] }

/** The spec after responses were sent, acknowledged or rejected. */
export function proxyCounted(spec: JsonObject, { id, responses, at }: StreamTally): JsonObject {
  const counted = responses.map((each) => ({ ...each, path: paths[each.type] ?? [] }))
  return {
    ...spec,
    subscriptions: updateSubscription(subscriptionsOf(spec), id, (found) => countResponses(found, counted, timestamp(at))),
  }
}

/** The spec after a certificate was issued. */
export function identityIssued(spec: JsonObject, identity: IssuedIdentity): JsonObject {
  const before = child(spec, 'mTLS')
  const count = typeof before['certificateRegenerations'] === 'number' ? before['certificateRegenerations'] : 0
  return { ...spec, mTLS: { ...identity, certificateRegenerations: count + 1 } }
}

/** The spec after the stream with this id ended. */
export function proxyDisconnected(spec: JsonObject, id: string, time: string): JsonObject {
  return { ...spec, subscriptions: updateSubscription(subscriptionsOf(spec), id, (found) => closeSubscription(found, time)) }
}
