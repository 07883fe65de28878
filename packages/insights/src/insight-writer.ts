// Keeps DataplaneInsights and ZoneInsights of what this process observes. Invariant: events change memory at once; the store gets what
// says who is connected in the same turn, counters at most every ten seconds, and never an insight without its Dataplane or Zone.
import type { JsonObject } from '@weft/foundation/json'
import { messageOf } from '@weft/foundation/errors'
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { type Clock, type Timer, timestamp } from '@weft/foundation/time'
import { keyText, type Labels, labelKeys, type Resource, type ResourceKey } from '@weft/resources'
import type { Store, StoreOp } from '@weft/store'
import {
  allClosed,
  type CountedType,
  dataplaneSubscriptionLimit,
  identityIssued,
  type IssuedIdentity,
  proxyConnected,
  proxyCounted,
  proxyDisconnected,
  type ProxySubscription,
} from './dataplane-insight.ts'
import { objectOf } from './json.ts'
import { isOpen, type Outcome, subscriptionsOf } from './subscriptions.ts'
import {
  type OpenedZoneSubscription,
  zoneCounted,
  type ZoneDescription,
  zoneDescribed,
  zoneHealthChecked,
  zoneResumed,
  zoneStreamClosed,
  type ZoneStreamName,
  zoneStreamOpened,
  zoneSubscribed,
  zoneSubscriptionLimit,
  zoneUnsubscribed,
} from './zone-insight.ts'

export interface InsightWriterOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  /** At global the DataplaneInsights are the zones' to end. */
  readonly mode: 'global' | 'zone'
  /** Names this process in subscriptions. */
  readonly instanceId: string
  /** Version of this control plane, for the compatibility flags. */
  readonly version: string
  /** Longest delay of counters; 10 s by default. */
  readonly counterIntervalMs?: number
  readonly proxyLimit?: number
  readonly zoneLimit?: number
  /** Labels of new DataplaneInsights: what a zone gives to resources of its own. None by default. */
  proxyLabels?(dataplane: Resource): Labels
}

/** The proxy a stream belongs to. */
export interface ProxyRef {
  readonly mesh: string
  readonly name: string
}

/** Told by the discovery server. Calls never throw and never wait. */
export interface ProxyStatusRecorder {
  connected(proxy: ProxyRef, subscription: Omit<ProxySubscription, 'controlPlaneInstanceId'>): void
  responseCounted(proxy: ProxyRef, id: string, counted: { readonly type: CountedType; readonly outcome: Outcome }): void
  identityIssued(proxy: ProxyRef, identity: IssuedIdentity): void
  disconnected(proxy: ProxyRef, id: string, time: string): void
}

/** Told by the sync server at global and by the sync client in a zone. Calls never throw and never wait. */
export interface ZoneStatusRecorder {
  subscriptionOpened(subscription: OpenedZoneSubscription & { readonly zone: string }): void
  subscriptionDescribed(zone: string, id: string, description: ZoneDescription): void
  responseCounted(zone: string, id: string, type: string, outcome: Outcome, failure?: string): void
  subscriptionClosed(zone: string, id: string, disconnectTime: string): void
  subscriptionReopened(zone: string, id: string): void
  streamOpened(zone: string, stream: ZoneStreamName, connectTime: string): void
  streamClosed(zone: string, stream: ZoneStreamName, disconnectTime: string): void
  healthChecked(zone: string, time: string): void
}

export interface InsightWriter extends Component {
  readonly proxies: ProxyStatusRecorder
  readonly zones: ZoneStatusRecorder
  /** Writes everything that waits. Resolves once the store has it; failures are logged and tried again. */
  flush(): Promise<void>
}

interface Entry {
  readonly insight: ResourceKey
  readonly owner: ResourceKey
  spec: JsonObject
}

/** How long streams of an earlier process may take to come back before they are shown as ended. */
const leftoverGraceMs = 10_000
const retryMs = 1000
/** Proxies that start together change their insights together: one write for all that comes within this time. */
const gatherMs = 100
const batchSize = 200

/** A writer over a store. `start` also ends, after a grace, the subscriptions an earlier process left open. */
export function createInsightWriter(options: InsightWriterOptions): InsightWriter {
  const { store, clock, log, instanceId } = options
  const entries = new Map<string, Entry>()
  const dirty = new Set<string>()
  const writes = options.metrics?.counter('insight_writes_total', 'Insights written.', ['result'])
  let timer: { readonly due: number; readonly timer: Timer } | undefined
  let flushing: Promise<void> | undefined
  let soon = false
  let lastFlush = Number.NEGATIVE_INFINITY
  let stopped = false
  let unwatch: (() => void) | undefined
  let leftovers: Timer | undefined

  const schedule = (ms: number): void => {
    const due = clock.monotonic() + ms
    if (stopped || (timer && timer.due <= due)) return
    timer?.timer.cancel()
    timer = {
      due,
      timer: clock.after(ms, () => {
        timer = undefined
        void flush()
      }),
    }
  }
  /** At once after a quiet time; while more keeps coming, together with it a moment later. */
  const now = (gather: boolean): void => {
    if (soon || stopped) return
    const rested = clock.monotonic() - lastFlush
    if (gather && rested < gatherMs) {
      schedule(gatherMs - rested)
      return
    }
    soon = true
    queueMicrotask(() => {
      soon = false
      void flush()
    })
  }
  const change = (insight: ResourceKey, owner: ResourceKey, urgent: boolean, edit: (spec: JsonObject) => JsonObject): void => {
    const text = keyText(insight)
    let entry = entries.get(text)
    if (!entry) {
      entry = { insight, owner, spec: objectOf(store.get(insight)?.spec) }
      entries.set(text, entry)
    }
    const next = edit(entry.spec)
    if (next === entry.spec) return
    entry.spec = next
    dirty.add(text)
    if (urgent) now(insight.type === 'DataplaneInsight')
    else schedule(options.counterIntervalMs ?? 10_000)
  }
  const onProxy = (proxy: ProxyRef, urgent: boolean, edit: (spec: JsonObject) => JsonObject): void =>
    change(
      { type: 'DataplaneInsight', mesh: proxy.mesh, name: proxy.name },
      { type: 'Dataplane', mesh: proxy.mesh, name: proxy.name },
      urgent,
      edit,
    )
  const onZone = (zone: string, urgent: boolean, edit: (spec: JsonObject) => JsonObject): void =>
    change({ type: 'ZoneInsight', mesh: '', name: zone }, { type: 'Zone', mesh: '', name: zone }, urgent, edit)
  const time = (): string => timestamp(clock.now())

  const operation = (entry: Entry): StoreOp | undefined => {
    const owner = store.get(entry.owner)
    // without an owner nothing is written; the entry waits for it
    if (!owner) return undefined
    const labels =
      store.get(entry.insight)?.labels ??
      (entry.insight.type === 'DataplaneInsight' ? (options.proxyLabels?.(owner) ?? ownLabels(owner)) : {})
    return { op: 'put', resource: { ...entry.insight, labels, spec: entry.spec } }
  }
  const writeBatch = async (texts: readonly string[]): Promise<boolean> => {
    const ops: StoreOp[] = []
    for (const text of texts) {
      const entry = entries.get(text)
      const op = entry && operation(entry)
      if (!op) continue
      dirty.delete(text)
      ops.push(op)
    }
    if (ops.length === 0) return true
    lastFlush = clock.monotonic()
    try {
      await store.transact(ops, { actor: 'generator:insights', reason: 'status', class: 'observed' })
      writes?.inc({ result: 'ok' }, ops.length)
      return true
    } catch (error) {
      writes?.inc({ result: 'error' }, ops.length)
      for (const text of texts) if (entries.has(text)) dirty.add(text)
      log.warn({ err: messageOf(error), count: ops.length }, 'insights could not be written, trying again')
      return false
    }
  }
  const flushAll = async (): Promise<void> => {
    const texts = [...dirty]
    for (let at = 0; at < texts.length; at += batchSize) {
      if (!(await writeBatch(texts.slice(at, at + batchSize)))) {
        schedule(retryMs)
        return
      }
    }
  }
  const flush = (): Promise<void> => {
    // what changes while a write is under way is written after it
    const next = (flushing ?? Promise.resolve()).then(flushAll)
    flushing = next
    return next
  }

  /** Owners come and go: an insight goes with its owner, and one that waited is written. */
  const follow = (change: { readonly op: string; readonly key: ResourceKey }): void => {
    const { key } = change
    if (key.type !== 'Dataplane' && key.type !== 'Zone') return
    const insight = { ...key, type: `${key.type}Insight` }
    const text = keyText(insight)
    if (change.op === 'put') {
      if (dirty.has(text)) now(key.type === 'Dataplane')
      return
    }
    entries.delete(text)
    dirty.delete(text)
    if (!store.get(insight)) return
    store
      .transact([{ op: 'delete', key: insight, ifPresent: true }], {
        actor: 'generator:insights',
        reason: 'owner deleted',
        class: 'observed',
      })
      .catch((error: unknown) => {
        log.warn(
          { err: messageOf(error), type: insight.type, name: insight.name, mesh: insight.mesh },
          'insight of a deleted resource could not be deleted',
        )
      })
  }

  /** Ends subscriptions of processes that are gone. Insights that a zone reports to its global are that zone's to end. */
  const closeLeftovers = (): void => {
    for (const type of ['DataplaneInsight', 'ZoneInsight']) {
      for (const insight of store.list(type)) {
        if (entries.has(keyText(insight)) || (type === 'DataplaneInsight' && options.mode === 'global')) continue
        const open = subscriptionsOf(insight.spec).filter(isOpen)
        if (open.every((found) => (found['controlPlaneInstanceId'] ?? found['globalInstanceId']) === instanceId)) continue
        change(insightKey(insight), { ...insightKey(insight), type: type.replace('Insight', '') }, true, (spec) => {
          const closed = allClosed(spec, time())
          if (type !== 'ZoneInsight') return closed
          const { kdsStreams: _streams, envoyAdminStreams: _admin, ...rest } = closed
          return rest
        })
      }
    }
  }

  return {
    name: 'insights',
    proxies: {
      connected: (proxy, subscription) =>
        onProxy(proxy, true, (spec) =>
          proxyConnected(spec, { ...subscription, controlPlaneInstanceId: instanceId }, options.proxyLimit ?? dataplaneSubscriptionLimit),
        ),
      responseCounted: (proxy, id, counted) =>
        onProxy(proxy, counted.outcome === 'rejected', (spec) => proxyCounted(spec, id, { ...counted, time: time() })),
      identityIssued: (proxy, identity) => onProxy(proxy, true, (spec) => identityIssued(spec, identity)),
      disconnected: (proxy, id, at) => onProxy(proxy, true, (spec) => proxyDisconnected(spec, id, at)),
    },
    zones: {
      subscriptionOpened: ({ zone, ...opened }) =>
        onZone(zone, true, (spec) =>
          zoneSubscribed(spec, { ...opened, globalInstanceId: instanceId }, options.zoneLimit ?? zoneSubscriptionLimit),
        ),
      subscriptionDescribed: (zone, id, description) =>
        onZone(zone, true, (spec) => zoneDescribed(spec, id, { ...description, ownVersion: options.version })),
      responseCounted: (zone, id, type, outcome) =>
        onZone(zone, outcome === 'rejected', (spec) => zoneCounted(spec, id, { type, outcome, time: time() })),
      subscriptionClosed: (zone, id, at) => onZone(zone, true, (spec) => zoneUnsubscribed(spec, id, at)),
      subscriptionReopened: (zone, id) => onZone(zone, true, (spec) => zoneResumed(spec, id)),
      streamOpened: (zone, stream, connectTime) =>
        onZone(zone, true, (spec) => zoneStreamOpened(spec, stream, { globalInstanceId: instanceId, connectTime })),
      streamClosed: (zone, stream) => onZone(zone, true, (spec) => zoneStreamClosed(spec, stream)),
      healthChecked: (zone, at) => onZone(zone, false, (spec) => zoneHealthChecked(spec, at)),
    },
    flush,
    start: async () => {
      unwatch = store.watch(store.seq, (changes) => {
        for (const found of changes) follow(found)
      })
      leftovers = clock.after(leftoverGraceMs, closeLeftovers)
    },
    stop: async () => {
      leftovers?.cancel()
      timer?.timer.cancel()
      stopped = true
      await flush()
      unwatch?.()
    },
  }
}

function insightKey(insight: Resource): ResourceKey {
  return { type: insight.type, mesh: insight.mesh, name: insight.name }
}

/** Mesh, zone, environment and origin of the Dataplane. */
function ownLabels(dataplane: Resource): Labels {
  const keys = [labelKeys.mesh, labelKeys.zone, labelKeys.env, labelKeys.origin, labelKeys.displayName]
  return Object.fromEntries(keys.flatMap((key) => (dataplane.labels[key] === undefined ? [] : [[key, dataplane.labels[key]]])))
}
