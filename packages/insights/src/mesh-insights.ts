// Writes a MeshInsight for every Mesh, from changes only: a change counts what it changes, and an insight is written at most once a second, never
// while nothing changes.
import { messageOf } from '@weft/foundation/errors'
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Clock, Timer } from '@weft/foundation/time'
import { nameKey, type Resource, type ResourceKey } from '@weft/resources'
import type { Change, Store, StoreOp } from '@weft/store'
import { createProxyTally, type ProxyTally } from './mesh-insight.ts'

export interface MeshInsightsOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  /** Types of the mesh-scoped kinds to count. */
  readonly types: readonly string[]
  /** Shortest time between two writes; 1 s by default. */
  readonly minIntervalMs?: number
}

const retryMs = 1000

/** For global and standalone control planes. After `start` every Mesh has its insight; a Mesh that goes takes it along. */
export function createMeshInsights(options: MeshInsightsOptions): Component {
  const { store, clock, log } = options
  const minIntervalMs = options.minIntervalMs ?? 1000
  const counted = new Set(options.types)
  const dirty = new Set<string>()
  const tallies = new Map<string, ProxyTally>()
  let timer: Timer | undefined
  let lastRun = Number.NEGATIVE_INFINITY
  let running: Promise<void> | undefined
  let unwatch: (() => void) | undefined
  let stopped = false

  const schedule = (ms: number): void => {
    if (stopped || timer) return
    timer = clock.after(ms, () => {
      timer = undefined
      running = run()
    })
  }
  const mark = (mesh: string): void => {
    dirty.add(mesh)
    schedule(Math.max(0, lastRun + minIntervalMs - clock.monotonic()))
  }
  const tallyOf = (mesh: string): ProxyTally => {
    const tally = tallies.get(mesh) ?? createProxyTally()
    tallies.set(mesh, tally)
    return tally
  }
  /** Takes each proxy of a transaction out as it was counted, and counts it as it is now. */
  const recount = (changes: readonly Change[]): void => {
    const proxies = new Map<string, { readonly key: ResourceKey; readonly before: Map<string, Resource | undefined> }>()
    for (const { key, before } of changes) {
      if (key.type !== 'Dataplane' && key.type !== 'DataplaneInsight') continue
      const proxy = proxies.get(nameKey(key)) ?? { key, before: new Map<string, Resource | undefined>() }
      if (!proxy.before.has(key.type)) proxy.before.set(key.type, before)
      proxies.set(nameKey(key), proxy)
    }
    for (const { key, before } of proxies.values()) {
      const tally = tallyOf(key.mesh)
      const now = (type: string): Resource | undefined => store.get({ type, mesh: key.mesh, name: key.name })
      const counted = (type: string): Resource | undefined => (before.has(type) ? before.get(type) : now(type))
      const [old, present] = [counted('Dataplane'), now('Dataplane')]
      if (old) tally.remove(old, counted('DataplaneInsight'))
      if (present) tally.add(present, now('DataplaneInsight'))
    }
  }
  const follow = (changes: readonly Change[]): void => {
    recount(changes)
    for (const { key } of changes) {
      if (key.type === 'Mesh') mark(key.name)
      else if (key.mesh !== '' && counted.has(key.type)) mark(key.mesh)
    }
  }
  const run = async (): Promise<void> => {
    lastRun = clock.monotonic()
    const meshes = [...dirty]
    dirty.clear()
    const ops = meshes.flatMap((mesh): StoreOp[] => {
      const key = { type: 'MeshInsight', mesh: '', name: mesh }
      if (tallies.get(mesh)?.isEmpty) tallies.delete(mesh)
      if (!store.get({ type: 'Mesh', mesh: '', name: mesh })) return [{ op: 'delete', key, ifPresent: true }]
      return [{ op: 'put', resource: { ...key, labels: {}, spec: count(mesh) } }]
    })
    try {
      if (ops.length > 0) await store.transact(ops, { actor: 'generator:mesh-insights', reason: 'status', class: 'observed' })
    } catch (error) {
      for (const mesh of meshes) dirty.add(mesh)
      log.warn({ err: messageOf(error), count: meshes.length }, 'mesh insights could not be written, trying again')
      schedule(retryMs)
    }
  }
  const count = (mesh: string): unknown =>
    (tallies.get(mesh) ?? createProxyTally()).spec(
      new Map(options.types.filter((type) => type !== 'DataplaneInsight').map((type) => [type, store.list(type, mesh).length])),
    )

  return {
    name: 'mesh-insights',
    start: async () => {
      unwatch = store.watch(store.seq, follow)
      for (const dataplane of store.list('Dataplane')) {
        const { mesh, name } = dataplane
        tallyOf(mesh).add(dataplane, store.get({ type: 'DataplaneInsight', mesh, name }))
      }
      for (const mesh of store.list('Mesh')) dirty.add(mesh.name)
      for (const insight of store.list('MeshInsight')) dirty.add(insight.name)
      await run()
    },
    stop: async () => {
      stopped = true
      unwatch?.()
      timer?.cancel()
      await running
    },
  }
}
