// One insight of several writers: each replica of a control plane keeps the subscriptions of the streams it serves. Pure.
import type { JsonObject } from '@weft/foundation/json'
import { closeSubscription, isOpen, subscriptionsOf } from './subscriptions.ts'

/** The instance that a subscription belongs to; '' when it does not say. */
export function instanceOf(subscription: JsonObject | undefined): string {
  const named = subscription?.['controlPlaneInstanceId'] ?? subscription?.['globalInstanceId']
  return typeof named === 'string' ? named : ''
}

/** The instance whose stream of the proxy or zone is open; undefined when none is. */
export function holderOf(spec: unknown): string | undefined {
  const last = subscriptionsOf(spec).at(-1)
  return isOpen(last) ? instanceOf(last) || undefined : undefined
}

/**
 * What another wrote, with what this instance knows better: its own subscriptions in their places, new ones behind. All other fields are those of
 * whoever has the last subscription.
 */
export function mergeInsight(
  theirs: JsonObject,
  ours: JsonObject,
  { instanceId, limit }: { readonly instanceId: string; readonly limit: number },
): JsonObject {
  const own = new Map(
    subscriptionsOf(ours).flatMap((each) => (instanceOf(each) === instanceId ? [[String(each['id']), each] as const] : [])),
  )
  const known = subscriptionsOf(theirs)
  const ids = new Set(known.map((each) => String(each['id'])))
  const all = [
    ...known.map((each) => own.get(String(each['id'])) ?? each),
    ...[...own].flatMap(([id, each]) => (ids.has(id) ? [] : [each])),
  ]
  const subscriptions = all
    .map((each, i) => {
      const next = all[i + 1]
      return next && isOpen(each) ? closeSubscription(each, String(next['connectTime'])) : each
    })
    .slice(-Math.max(1, limit))
  const isOurs = instanceOf(subscriptions.at(-1)) === instanceId
  return { ...(isOurs ? ours : theirs), subscriptions }
}

/** Whether both say the same of who was connected when; counters may differ. */
export function sameConnections(a: JsonObject, b: JsonObject): boolean {
  const shape = (spec: JsonObject): string =>
    JSON.stringify(subscriptionsOf(spec).map((each) => [each['id'], each['disconnectTime'] ?? '']))
  return shape(a) === shape(b)
}

/** The spec after the open subscriptions of instances that are gone ended at `time`; the same object when there are none. */
export function closedOf(spec: JsonObject, isGone: (instanceId: string) => boolean, time: string): JsonObject {
  const subscriptions = subscriptionsOf(spec)
  const isLeft = (each: JsonObject): boolean => isOpen(each) && isGone(instanceOf(each))
  if (!subscriptions.some(isLeft)) return spec
  const { kdsStreams: _streams, envoyAdminStreams: _admin, ...rest } = spec
  const kept = isLeft(subscriptions.at(-1) ?? {}) ? rest : spec
  return { ...kept, subscriptions: subscriptions.map((each) => (isLeft(each) ? closeSubscription(each, time) : each)) }
}
