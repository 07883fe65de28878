// ZoneInsight: the streams of a zone, what was sent and acknowledged per kind, its version and configuration (contract/kds.md section 11).
import type { JsonObject } from '@weft/foundation/json'
import { timestamp } from '@weft/foundation/time'
import { child } from './json.ts'
import type { StreamTally } from './response-tally.ts'
import {
  addSubscription,
  closeSubscription,
  countResponses,
  reopenSubscription,
  subscriptionsOf,
  updateSubscription,
} from './subscriptions.ts'
import { areCompatible } from './version.ts'

export type ZoneStreamName = 'globalToZone' | 'zoneToGlobal' | 'configDump' | 'stats' | 'clusters'

export interface OpenedZoneSubscription {
  readonly id: string
  /** RFC 3339. */
  readonly connectTime: string
  readonly authTokenProvided: boolean
  /** By what the zone came in: `zoneToken`, `certificate`, or `none` for one that did not prove who it is. Absent at a zone. */
  readonly credential?: string
}

/** What the peer says about itself. */
export interface ZoneDescription {
  readonly version: { readonly version: string; readonly gitTag: string; readonly gitCommit: string; readonly buildDate: string }
  /** JSON text; '' when the peer sends none. */
  readonly config: string
  readonly instanceId: string
}

/** Kuma keeps ten subscriptions of a zone. */
export const zoneSubscriptionLimit = 10

/** The spec after a sync stream opened. */
export function zoneSubscribed(
  spec: JsonObject,
  opened: OpenedZoneSubscription & { readonly globalInstanceId: string },
  limit: number = zoneSubscriptionLimit,
): JsonObject {
  const { authTokenProvided, ...rest } = opened
  const added = { ...rest, ...(authTokenProvided ? { authTokenProvided } : {}), status: { lastUpdateTime: opened.connectTime, total: {} } }
  return { ...spec, subscriptions: addSubscription(subscriptionsOf(spec), added, limit) }
}

/** The spec after the first request told who the peer is. */
export function zoneDescribed(spec: JsonObject, id: string, description: ZoneDescription & { readonly ownVersion: string }): JsonObject {
  const { version, config, instanceId, ownVersion } = description
  const kumaCp = { ...version, ...(areCompatible(version.version, ownVersion) ? { kumaCpGlobalCompatible: true } : {}) }
  return {
    ...spec,
    subscriptions: updateSubscription(subscriptionsOf(spec), id, (found) => ({
      ...found,
      version: { kumaCp },
      // the console parses it, so text that is no JSON is left out
      ...(isJson(config) ? { config } : {}),
      ...(instanceId === '' ? {} : { zoneInstanceId: instanceId }),
    })),
  }
}

/** The spec after responses were sent, acknowledged or rejected. */
export function zoneCounted(spec: JsonObject, { id, responses, at }: StreamTally): JsonObject {
  const counted = responses.map((each) => ({ ...each, path: ['stat', each.type] }))
  return {
    ...spec,
    subscriptions: updateSubscription(subscriptionsOf(spec), id, (found) => countResponses(found, counted, timestamp(at))),
  }
}

/** The spec after the sync stream with this id ended. */
export function zoneUnsubscribed(spec: JsonObject, id: string, time: string): JsonObject {
  return { ...spec, subscriptions: updateSubscription(subscriptionsOf(spec), id, (found) => closeSubscription(found, time)) }
}

/** The spec after a zone whose subscription was closed for its silence is back on the same stream. */
export function zoneResumed(spec: JsonObject, id: string): JsonObject {
  const before = subscriptionsOf(spec)
  const subscriptions = reopenSubscription(before, id)
  return subscriptions === before ? spec : { ...spec, subscriptions }
}

const adminStreams: Readonly<Partial<Record<ZoneStreamName, string>>> = {
  configDump: 'configDumpGlobalInstanceId',
  stats: 'statsGlobalInstanceId',
  clusters: 'clustersGlobalInstanceId',
}

/** The spec after one of the zone's streams opened; the older form of the admin streams is written too. */
export function zoneStreamOpened(
  spec: JsonObject,
  stream: ZoneStreamName,
  opened: { readonly globalInstanceId: string; readonly connectTime: string },
): JsonObject {
  const legacy = adminStreams[stream]
  return {
    ...spec,
    ...(legacy === undefined ? {} : { envoyAdminStreams: { ...child(spec, 'envoyAdminStreams'), [legacy]: opened.globalInstanceId } }),
    kdsStreams: { ...child(spec, 'kdsStreams'), [stream]: opened },
  }
}

/** The spec after one of the zone's streams ended. */
export function zoneStreamClosed(spec: JsonObject, stream: ZoneStreamName): JsonObject {
  const { [stream]: _closed, ...kdsStreams } = child(spec, 'kdsStreams')
  const legacy = adminStreams[stream]
  if (legacy === undefined) return { ...spec, kdsStreams }
  const { [legacy]: _ended, ...envoyAdminStreams } = child(spec, 'envoyAdminStreams')
  return { ...spec, envoyAdminStreams, kdsStreams }
}

/** The spec after a health check of the zone. */
export function zoneHealthChecked(spec: JsonObject, time: string): JsonObject {
  return { ...spec, healthCheck: { time } }
}

function isJson(text: string): boolean {
  if (text === '') return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
