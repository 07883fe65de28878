// Keeps DataplaneInsights and ZoneInsights of what this process observes. Invariant: events change memory at once; the store gets what
// says who is connected in the same turn, counters at most every ten seconds, and never an insight without its Dataplane or Zone. Who is connected
// goes alone: the counters of all others would be written, and synced to global, in the very moment in which a service appears.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { JsonObject } from '@weft/foundation/json'
import { messageOf } from '@weft/foundation/errors'
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import { type Clock, type Timer, timestamp } from '@weft/foundation/time'
import { keyText, type Labels, labelKeys, type Resource, type ResourceKey } from '@weft/resources'
import type { Change, Store, StoreOp } from '@weft/store'
import { createAlarm, createYieldingAlarm } from './alarm.ts'
import {
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
import { closedOf, instanceOf, mergeInsight, sameConnections } from './merge-insight.ts'
import { createResponseTally, type ResponseTally } from './response-tally.ts'
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
  /**
   * Other processes write the same insights, each for the streams it serves. Subscriptions of others are then theirs to end, until `endedOf` says
   * that they are gone. Default: whatever is open at the start was left by an earlier process.
   */
  readonly isShared?: boolean
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
  /** Ends the subscriptions that processes left open which are gone. */
  endedOf(isGone: (instanceId: string) => boolean): void
  /** Writes everything that waits. Resolves once the store has it; failures are logged and tried again. */
  flush(): Promise<void>
}

interface Entry {
  /** Of its key. */
  readonly text: string
  readonly insight: ResourceKey
  readonly owner: ResourceKey
  /** Without what `tally` holds. */
  spec: JsonObject
  readonly tally: ResponseTally
}

/** How long streams of an earlier process may take to come back before they are shown as ended. */
const leftoverGraceMs = 10_000
const retryMs = 1000
/** Proxies that start together change their insights together: one write for all that comes within this time. */
const gatherMs = 100
const batchSize = 200
/** Counters are written when so long no proxy was sent anything and none answered, but wait no longer than the second. */
const restedMs = 100
const patienceMs = 1000

/** A writer over a store. `start` also ends, after a grace, the subscriptions an earlier process left open. */
export function createInsightWriter(options: InsightWriterOptions): InsightWriter {
  const { store, clock, log, instanceId } = options
  const entries = new Map<string, Entry>()
  const dirty = new Set<string>()
  /** Of the dirty ones those that do not wait for the next write of counters. */
  const urgent = new Set<string>()
  const writes = options.metrics?.counter('insight_writes_total', 'Insights written.', ['result'])
  let flushing: Promise<void> = Promise.resolve()
  let soon = false
  let lastFlush = Number.NEGATIVE_INFINITY
  let stopped = false
  let unwatch: (() => void) | undefined
  let leftovers: Timer | undefined

  // first every proxy is served, then the counters of all are written and told to global
  const countersAlarm = createYieldingAlarm({ clock, restedMs, patienceMs, ring: () => void flush(dirty) })
  const urgentAlarm = createAlarm(clock, () => void flush(urgent))
  /** At once after a quiet time; while more keeps coming, together with it a moment later. */
  const now = (text: string, gather: boolean): void => {
    urgent.add(text)
    if (soon || stopped) return
    const rested = clock.monotonic() - lastFlush
    if (gather && rested < gatherMs) {
      urgentAlarm.within(gatherMs - rested)
      return
    }
    soon = true
    queueMicrotask(() => {
      soon = false
      void flush(urgent)
    })
  }
  const touched = (text: string, insight: ResourceKey, isUrgent: boolean): void => {
    dirty.add(text)
    if (isUrgent) now(text, insight.type === 'DataplaneInsight')
    else if (!stopped) countersAlarm.within(options.counterIntervalMs ?? 10_000)
  }
  const entryOf = (text: string, insight: ResourceKey, owner: ResourceKey): Entry => {
    let entry = entries.get(text)
    if (!entry) {
      entry = { text, insight, owner, spec: objectOf(store.get(insight)?.spec), tally: createResponseTally() }
      entries.set(text, entry)
    }
    return entry
  }
  const change = (insight: ResourceKey, owner: ResourceKey, isUrgent: boolean, edit: (spec: JsonObject) => JsonObject): void => {
    const text = keyText(insight)
    const entry = entryOf(text, insight, owner)
    const before = counted(entry)
    entry.spec = edit(before)
    if (entry.spec !== before) touched(text, insight, isUrgent)
  }
  const count = (entry: Entry, id: string, response: { readonly type: string; readonly outcome: Outcome }): void => {
    entry.tally.add(id, response, clock.now())
    touched(entry.text, entry.insight, response.outcome === 'rejected')
  }
  const insightOf = (proxy: ProxyRef): ResourceKey => ({ type: 'DataplaneInsight', mesh: proxy.mesh, name: proxy.name })
  const ownerOf = (proxy: ProxyRef): ResourceKey => ({ type: 'Dataplane', mesh: proxy.mesh, name: proxy.name })
  const onProxy = (proxy: ProxyRef, edit: (spec: JsonObject) => JsonObject): void => change(insightOf(proxy), ownerOf(proxy), true, edit)
  /** By subscription: a stream answers many times, and making keys costs more than counting. */
  const streams = new Map<string, Entry>()
  const entryOfProxy = (proxy: ProxyRef): Entry => {
    const insight = insightOf(proxy)
    return entryOf(keyText(insight), insight, ownerOf(proxy))
  }
  const entryOfStream = (proxy: ProxyRef, id: string): Entry => {
    const entry = streams.get(id)
    return entry && entries.get(entry.text) === entry ? entry : entryOfProxy(proxy)
  }
  const onZone = (zone: string, isUrgent: boolean, edit: (spec: JsonObject) => JsonObject): void =>
    change(zoneInsight(zone), zoneOwner(zone), isUrgent, edit)
  const time = (): string => timestamp(clock.now())

  const operation = (entry: Entry): StoreOp | undefined => {
    const owner = store.get(entry.owner)
    // without an owner nothing is written; the entry waits for it
    if (!owner) return undefined
    const labels =
      store.get(entry.insight)?.labels ??
      (entry.insight.type === 'DataplaneInsight' ? (options.proxyLabels?.(owner) ?? ownLabels(owner)) : {})
    return { op: 'put', resource: { ...entry.insight, labels, spec: counted(entry) } }
  }
  const writeBatch = async (texts: readonly string[]): Promise<boolean> => {
    const ops: StoreOp[] = []
    for (const text of texts) {
      const entry = entries.get(text)
      const op = entry && operation(entry)
      if (!op) continue
      dirty.delete(text)
      urgent.delete(text)
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
  const flushAll = async (which: ReadonlySet<string>): Promise<void> => {
    const texts = [...which]
    for (let at = 0; at < texts.length; at += batchSize) {
      // a store in memory is done at once: without a pause nobody else would have a turn before the last of them
      if (at > 0) await nextTurn()
      if (!(await writeBatch(texts.slice(at, at + batchSize)))) {
        if (!stopped) countersAlarm.within(retryMs)
        return
      }
    }
  }
  const flush = (which: ReadonlySet<string>): Promise<void> => {
    // what changes while a write is under way is written after it
    flushing = flushing.then(() => flushAll(which))
    return flushing
  }

  /** Owners come and go: an insight goes with its owner, and one that waited is written. */
  const follow = (change: Pick<Change, 'op' | 'key' | 'after'>): void => {
    const { key } = change
    if (options.isShared && change.after && isInsight(key)) absorb(change.after)
    if (key.type !== 'Dataplane' && key.type !== 'Zone') return
    const insight = { ...key, type: `${key.type}Insight` }
    const text = keyText(insight)
    if (change.op === 'put') {
      if (dirty.has(text)) now(text, key.type === 'Dataplane')
      return
    }
    entries.delete(text)
    dirty.delete(text)
    urgent.delete(text)
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
  const endedOf = (isGone: (instanceId: string) => boolean): void => {
    for (const type of ['DataplaneInsight', 'ZoneInsight']) {
      if (type === 'DataplaneInsight' && options.mode === 'global') continue
      const open = store
        .list(type)
        .filter(({ spec }) => subscriptionsOf(spec).some((each) => isOpen(each) && isGone(instanceOf(each))))
        .map((insight) => ({ insight: insightKey(insight), owner: { ...insightKey(insight), type: type.replace('Insight', '') } }))
      for (const { insight, owner } of byWorkload(open, store)) change(insight, owner, true, (spec) => closedOf(spec, isGone, time()))
    }
  }
  const closeLeftovers = (): void => endedOf((of) => of !== instanceId)
  /** Another process wrote the insight, or it is our own write that comes back. */
  const absorb = (after: Resource): void => {
    const text = keyText(after)
    const entry = entries.get(text)
    if (!entry) return
    const theirs = objectOf(after.spec)
    const limit =
      after.type === 'ZoneInsight' ? (options.zoneLimit ?? zoneSubscriptionLimit) : (options.proxyLimit ?? dataplaneSubscriptionLimit)
    entry.spec = mergeInsight(theirs, counted(entry), { instanceId, limit })
    if (!sameConnections(entry.spec, theirs)) touched(text, entry.insight, true)
    // what nobody here writes to is read anew when it is needed
    else if (!dirty.has(text) && instanceOf(subscriptionsOf(theirs).at(-1)) !== instanceId) entries.delete(text)
  }

  return {
    name: 'insights',
    proxies: {
      connected: (proxy, subscription) => {
        streams.set(subscription.id, entryOfProxy(proxy))
        onProxy(proxy, (spec) =>
          proxyConnected(spec, { ...subscription, controlPlaneInstanceId: instanceId }, options.proxyLimit ?? dataplaneSubscriptionLimit),
        )
      },
      responseCounted: (proxy, id, response) => {
        countersAlarm.busy()
        count(entryOfStream(proxy, id), id, response)
      },
      identityIssued: (proxy, identity) => onProxy(proxy, (spec) => identityIssued(spec, identity)),
      disconnected: (proxy, id, at) => {
        streams.delete(id)
        onProxy(proxy, (spec) => proxyDisconnected(spec, id, at))
      },
    },
    zones: {
      subscriptionOpened: ({ zone, ...opened }) =>
        onZone(zone, true, (spec) =>
          zoneSubscribed(spec, { ...opened, globalInstanceId: instanceId }, options.zoneLimit ?? zoneSubscriptionLimit),
        ),
      subscriptionDescribed: (zone, id, description) =>
        onZone(zone, true, (spec) => zoneDescribed(spec, id, { ...description, ownVersion: options.version })),
      responseCounted: (zone, id, type, outcome) => {
        const insight = zoneInsight(zone)
        count(entryOf(keyText(insight), insight, zoneOwner(zone)), id, { type, outcome })
      },
      subscriptionClosed: (zone, id, at) => onZone(zone, true, (spec) => zoneUnsubscribed(spec, id, at)),
      subscriptionReopened: (zone, id) => onZone(zone, true, (spec) => zoneResumed(spec, id)),
      streamOpened: (zone, stream, connectTime) =>
        onZone(zone, true, (spec) => zoneStreamOpened(spec, stream, { globalInstanceId: instanceId, connectTime })),
      streamClosed: (zone, stream) => onZone(zone, true, (spec) => zoneStreamClosed(spec, stream)),
      healthChecked: (zone, at) => onZone(zone, false, (spec) => zoneHealthChecked(spec, at)),
    },
    endedOf,
    flush: () => flush(dirty),
    start: async () => {
      unwatch = store.watch(store.seq, (changes) => {
        for (const found of changes) follow(found)
      })
      if (!options.isShared) leftovers = clock.after(leftoverGraceMs, closeLeftovers)
    },
    stop: async () => {
      leftovers?.cancel()
      countersAlarm.cancel()
      urgentAlarm.cancel()
      stopped = true
      await flush(dirty)
      unwatch?.()
    },
  }
}

/** The spec of an insight with all that was counted. */
function counted(entry: Entry): JsonObject {
  const add = entry.insight.type === 'DataplaneInsight' ? proxyCounted : zoneCounted
  for (const tally of entry.tally.take()) entry.spec = add(entry.spec, tally)
  return entry.spec
}

function zoneInsight(zone: string): ResourceKey {
  return { type: 'ZoneInsight', mesh: '', name: zone }
}

function zoneOwner(zone: string): ResourceKey {
  return { type: 'Zone', mesh: '', name: zone }
}

/** Those of one workload follow each other: each write changes the counters of all workloads that have a proxy in it, and those of all their proxies. */
function byWorkload<T extends { readonly owner: ResourceKey }>(all: readonly T[], store: Pick<Store, 'get'>): readonly T[] {
  const groups = Map.groupBy(all, ({ owner }) => store.get(owner)?.labels[labelKeys.workload] ?? '')
  return [...groups.values()].flat()
}

function isInsight({ type }: ResourceKey): boolean {
  return type === 'DataplaneInsight' || type === 'ZoneInsight'
}

function insightKey(insight: Resource): ResourceKey {
  return { type: insight.type, mesh: insight.mesh, name: insight.name }
}

/** Mesh, zone, environment and origin of the Dataplane. */
function ownLabels(dataplane: Resource): Labels {
  const keys = [labelKeys.mesh, labelKeys.zone, labelKeys.env, labelKeys.origin, labelKeys.displayName]
  return Object.fromEntries(keys.flatMap((key) => (dataplane.labels[key] === undefined ? [] : [[key, dataplane.labels[key]]])))
}
