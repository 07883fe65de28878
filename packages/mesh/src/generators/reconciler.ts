// Brings generated resources in line with the graph. Marks of one turn become one write for each generator; equal content is never written. A
// resource that changed meanwhile is looked at again, and so is one that is new, since parts may need what follows from its being there.
import { hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock, Timer } from '@weft/foundation/time'
import { structuralEqual } from '@weft/graph'
import { keyText, type ResourceKey } from '@weft/resources'
import type { Store, StoreOp } from '@weft/store'
import type { Draft, GeneratedPart } from './generated-part.ts'

export interface ReconcilerOptions {
  readonly store: Store
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  readonly parts: readonly GeneratedPart[]
  readonly pending?: PendingWork
  /** False while another process does this work: marks are then forgotten, and whoever takes over marks everything. Default: always true. */
  readonly mayWrite?: () => boolean
}

/** Told of work that follows from a commit and becomes one itself, so that whoever follows a change also waits for that. */
export interface PendingWork {
  /** There is some that follows from the present commit. Returns its number. */
  hold(): number
  release(position: number): void
  /** It is committed up to `to`. */
  passOn(position: number, to: number): void
}

export interface Reconciler {
  /** Looks at a resource at the end of this turn. Kinds without a generator are ignored. */
  mark(key: ResourceKey): void
  /** Resolves when nothing is marked or being written. */
  settled(): Promise<void>
  stop(): Promise<void>
}

interface Planned {
  readonly key: ResourceKey
  readonly op: StoreOp
}

const firstRetryMs = 20
const lastRetryMs = 5_000

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { store, clock, log, parts, pending, mayWrite = () => true } = options
  const types = new Set(parts.flatMap((part) => part.types))
  const writes = options.metrics?.counter('generated_writes_total', 'Changes of generated resources, by generator.', ['generator'])
  const failures = options.metrics?.counter('generated_write_failures_total', 'Failed writes of generated resources, by generator.', [
    'generator',
  ])
  let marked = new Map<string, ResourceKey>()
  let flushed: Promise<void> = Promise.resolve()
  let isFlushing = false
  let retry: Timer | undefined
  let attempt = 0
  let isStopped = false
  /** The commit that what is marked follows from. */
  let since: number | undefined
  let waiters: (() => void)[] = []

  const schedule = (): void => {
    // one flush at a time: a write makes the graph mark more while it is still under way
    if (isFlushing || retry || isStopped) return
    isFlushing = true
    queueMicrotask(() => {
      flushed = flush().finally(() => {
        isFlushing = false
        if (marked.size > 0) schedule()
        else if (!retry) for (const resolve of waiters.splice(0)) resolve()
      })
    })
  }

  const retryLater = (planned: readonly Planned[]): void => {
    for (const { key } of planned) marked.set(keyText(key), key)
    if (isStopped || retry) return
    const delay = Math.min(lastRetryMs, firstRetryMs * 2 ** attempt++)
    retry = clock.after(delay, () => {
      retry = undefined
      schedule()
    })
  }

  const flush = async (): Promise<void> => {
    const batch = marked
    marked = new Map()
    const cause = since
    since = undefined
    const byPart = new Map<string, Planned[]>()
    for (const key of batch.values()) {
      const plan = planKey(key)
      if (!plan) continue
      const planned = byPart.get(plan.part) ?? []
      byPart.set(plan.part, planned)
      planned.push({ key, op: plan.op })
    }
    let isClean = true
    for (const [part, planned] of byPart) if (mayWrite()) isClean = (await write(part, planned)) && isClean
    if (isClean) attempt = 0
    if (cause === undefined) return
    if (isClean && byPart.size > 0) pending?.passOn(cause, store.seq)
    else if (isClean) pending?.release(cause)
    else {
      // what is tried again still follows from the earlier one
      if (since !== undefined) pending?.release(since)
      since = cause
    }
  }

  const planKey = (key: ResourceKey): { readonly part: string; readonly op: StoreOp } | undefined => {
    const current = store.get(key)
    const before: Draft | undefined = current && { labels: current.labels, spec: current.spec, status: current.status }
    let draft = before
    let part: string | undefined
    try {
      for (const candidate of parts) {
        if (!candidate.types.includes(key.type)) continue
        const next = candidate.apply(key, draft)
        if (next === draft || (next && draft && structuralEqual(next, draft))) continue
        draft = next
        part ??= candidate.name
      }
    } catch (error) {
      log.error({ type: key.type, mesh: key.mesh, name: key.name, err: messageOf(error) }, 'generator failed')
      return undefined
    }
    if (part === undefined || structuralEqual(draft, before)) return undefined
    if (!draft) return current && { part, op: { op: 'delete', key, expect: current.version } }
    const resource = { type: key.type, mesh: key.mesh, name: key.name, ...draft }
    return { part, op: { op: 'put', resource, expect: current?.version ?? 'absent' } }
  }

  /** False when something has to be tried again. */
  const write = async (part: string, planned: readonly Planned[]): Promise<boolean> => {
    try {
      await store.transact(
        planned.map(({ op }) => op),
        { actor: `generator:${part}`, reason: 'generated', class: 'observed' },
      )
      writes?.inc({ generator: part }, planned.length)
      for (const { key, op } of planned) if (op.op === 'put' && op.expect === 'absent') marked.set(keyText(key), key)
      return true
    } catch (error) {
      // whoever has the right now looks at everything
      if (hasCode(error, 'store/closed') || !mayWrite()) return true
      failures?.inc({ generator: part })
      const isConflict = hasCode(error, 'store/conflict') || hasCode(error, 'store/already-exists') || hasCode(error, 'store/not-found')
      if (hasCode(error, 'store/invalid')) {
        // one resource that the store cannot hold must not keep the others from being written
        if (planned.length > 1) return (await Promise.all(planned.map((one) => write(part, [one])))).every(Boolean)
        log.error({ generator: part, name: planned[0]?.key.name, err: messageOf(error) }, 'generated resource cannot be stored')
        return true
      }
      if (!isConflict) log.warn({ generator: part, err: messageOf(error) }, 'generated resources not written, will be tried again')
      retryLater(planned)
      return false
    }
  }

  return {
    mark: (key) => {
      if (isStopped || !types.has(key.type) || !mayWrite()) return
      since ??= pending?.hold()
      marked.set(keyText(key), { type: key.type, mesh: key.mesh, name: key.name })
      schedule()
    },
    settled: () => (marked.size === 0 && !isFlushing ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve))),
    stop: async () => {
      isStopped = true
      retry?.cancel()
      retry = undefined
      marked.clear()
      await flushed
      for (const resolve of waiters) resolve()
      waiters = []
    },
  }
}
