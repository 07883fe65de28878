// Subscriptions of insights as pure functions over canonical JSON. Invariant: at most one subscription of a list is open, the last.
import { isObject, type JsonObject, listField, textField } from '@weft/foundation/json'
import { child } from './json.ts'

export type Outcome = 'sent' | 'acknowledged' | 'rejected'

/** Counters are 64-bit: decimal strings in JSON, absent when zero (contract/rest-cli-gui.md section 6.3). */
const counterNames: Readonly<Record<Outcome, string>> = {
  sent: 'responsesSent',
  acknowledged: 'responsesAcknowledged',
  rejected: 'responsesRejected',
}

/** The subscriptions of an insight spec. */
export function subscriptionsOf(spec: unknown): readonly JsonObject[] {
  return listField(spec, 'subscriptions').filter(isObject)
}

/** True when the subscription has begun and has not ended. */
export function isOpen(subscription: JsonObject | undefined): boolean {
  return subscription !== undefined && textField(subscription, 'connectTime') !== '' && textField(subscription, 'disconnectTime') === ''
}

/** True when the last subscription is open: what Online means for proxies and zones (contract/dataplane.md section 6.5). */
export function isOnline(spec: unknown): boolean {
  return isOpen(subscriptionsOf(spec).at(-1))
}

/** Adds a subscription, ends older ones that were left open, and keeps the newest `limit`. */
export function addSubscription(subscriptions: readonly JsonObject[], added: JsonObject, limit: number): readonly JsonObject[] {
  const time = textField(added, 'connectTime')
  const older = subscriptions
    .filter((subscription) => subscription['id'] !== added['id'])
    .map((subscription) => (isOpen(subscription) ? { ...subscription, disconnectTime: time } : subscription))
  return [...older, added].slice(-Math.max(1, limit))
}

/** Replaces the subscription with this id; the same list when there is none. */
export function updateSubscription(
  subscriptions: readonly JsonObject[],
  id: string,
  change: (subscription: JsonObject) => JsonObject,
): readonly JsonObject[] {
  const index = subscriptions.findLastIndex((subscription) => subscription['id'] === id)
  const found = subscriptions[index]
  return found === undefined ? subscriptions : subscriptions.with(index, change(found))
}

/** A subscription ended at `time`; one that ended before keeps its end. */
export function closeSubscription(subscription: JsonObject, time: string): JsonObject {
  return isOpen(subscription) ? { ...subscription, disconnectTime: time } : subscription
}

/** The last subscription, if it is this one, goes on as if it had not ended. */
export function reopenSubscription(subscriptions: readonly JsonObject[], id: string): readonly JsonObject[] {
  const last = subscriptions.at(-1)
  if (last?.['id'] !== id || last['disconnectTime'] === undefined) return subscriptions
  const { disconnectTime: _, ...open } = last
  return subscriptions.with(-1, open)
}

/** Equal responses. */
export interface CountedResponses {
  readonly outcome: Outcome
  readonly count: number
  /** Below `status`, where they are counted besides the totals; empty for nowhere. */
  readonly path: readonly string[]
}

/** Counts responses of a stream, the last of them at `time`, RFC 3339. */
export function countResponses(subscription: JsonObject, responses: readonly CountedResponses[], time: string): JsonObject {
  const before = child(subscription, 'status')
  const total = responses.reduce(increase, child(before, 'total'))
  const status = responses
    .filter(({ path }) => path.length > 0)
    .reduce((changed, counted) => changeAt(changed, counted.path, (stats) => increase(stats, counted)), before)
  return { ...subscription, status: { ...status, lastUpdateTime: time, total } }
}

function increase(stats: JsonObject, { outcome, count }: Omit<CountedResponses, 'path'>): JsonObject {
  const name = counterNames[outcome]
  return { ...stats, [name]: (asCount(stats[name]) + BigInt(count)).toString() }
}

function asCount(value: unknown): bigint {
  return (typeof value === 'string' && /^\d{1,20}$/.test(value)) || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0)
    ? BigInt(value)
    : 0n
}

function changeAt(value: JsonObject, path: readonly string[], change: (value: JsonObject) => JsonObject): JsonObject {
  const [key, ...rest] = path
  if (key === undefined) return change(value)
  return { ...value, [key]: changeAt(child(value, key), rest, change) }
}
