// Brings the store to what one response says, in one transaction. A resource that cannot be stored is reported and leaves the others alone.
import { AppError, hasCode, messageOf } from '@weft/foundation/errors'
import type { Clock } from '@weft/foundation/time'
import type { KdsResource, ResourceDescriptor, ResourceKey } from '@weft/resources'
import { jsonEqual, type Store, type StoreOp, type WriteClass } from '@weft/store'
import { type Incoming, type RefusedResource, writeClassOf } from './incoming.ts'

/** What applying needs. */
export interface ReconcileOptions {
  readonly store: Store
  readonly clock: Clock
  readonly incoming: Incoming
  readonly kind: ResourceDescriptor
  /** Ends waiting for a store that is away. */
  readonly signal: AbortSignal
}

/** What could not be applied. */
export interface Reconciled {
  readonly refused: readonly Omit<RefusedResource, 'wireName'>[]
}

type Wanted =
  | { readonly op: 'put'; readonly key: ResourceKey; readonly resource: KdsResource }
  | { readonly op: 'delete'; readonly key: ResourceKey }

const wholeAttempts = 3
const singleAttempts = 5
const firstWaitMs = 200
const lastWaitMs = 5_000

/** Applies puts and deletes. Rejects only when the store is closed or the signal aborts. */
export async function reconcile(
  puts: readonly KdsResource[],
  deletes: readonly ResourceKey[],
  options: ReconcileOptions,
): Promise<Reconciled> {
  const { type } = options.kind
  const wanted: Wanted[] = [
    ...puts.map((resource): Wanted => ({ op: 'put', key: { type, mesh: resource.mesh, name: resource.name }, resource })),
    ...deletes.map((key): Wanted => ({ op: 'delete', key })),
  ]
  const refused: Omit<RefusedResource, 'wireName'>[] = []
  const refuse = (item: Wanted, reason: string): void => void refused.push({ key: item.key, reason })
  let left: readonly Wanted[] = wanted
  for (let attempt = 0; attempt < wholeAttempts && left.length > 0; attempt++) {
    left = left.filter((item) => isPossible(item, options, refuse))
    if (await tryAll(left, options)) return { refused }
  }
  for (const item of left) {
    const reason = await trySingle(item, options)
    if (reason !== undefined) refuse(item, reason)
  }
  return { refused }
}

/** Something of the same key that the origin does not own is never touched. */
function isPossible(item: Wanted, { store, incoming, kind }: ReconcileOptions, refuse: (item: Wanted, reason: string) => void): boolean {
  const stored = store.get(item.key)
  if (!stored || incoming.owns(kind, stored)) return true
  if (item.op === 'put' && incoming.reclaims?.(stored, item.resource)) return true
  incoming.trespassed?.(stored, item.op)
  if (item.op === 'put') refuse(item, 'a resource of this name already exists here and belongs to someone else')
  return false
}

/** False: something changed underneath or one resource is refused; look again. */
async function tryAll(items: readonly Wanted[], options: ReconcileOptions): Promise<boolean> {
  const byClass = new Map<WriteClass, StoreOp[]>()
  for (const item of items) {
    const planned = plan(item, options)
    if (!planned) continue
    const ops = byClass.get(planned.class)
    if (ops) ops.push(planned.op)
    else byClass.set(planned.class, [planned.op])
  }
  for (const [writeClass, ops] of byClass) if ((await write(ops, writeClass, options)) !== undefined) return false
  return true
}

/** Why this one cannot be stored, or undefined when it is. */
async function trySingle(item: Wanted, options: ReconcileOptions): Promise<string | undefined> {
  let reason: string | undefined
  for (let attempt = 0; attempt < singleAttempts; attempt++) {
    let impossible: string | undefined
    if (!isPossible(item, options, (_, why) => (impossible = why))) return impossible
    const planned = plan(item, options)
    if (!planned) return undefined
    reason = await write([planned.op], planned.class, options)
    if (reason === undefined) return undefined
  }
  return reason
}

/** The operation that is needed now, if any. The expected version makes a concurrent local write show up as a conflict. */
function plan(item: Wanted, { store, kind }: ReconcileOptions): { readonly op: StoreOp; readonly class: WriteClass } | undefined {
  const stored = store.get(item.key)
  if (item.op === 'delete') {
    return (
      stored && {
        op: { op: 'delete', key: item.key, expect: stored.version, ifPresent: true },
        class: writeClassOf(kind.type, stored.labels),
      }
    )
  }
  const { labels, spec, status } = item.resource
  const isWished = stored && jsonEqual(stored.labels, labels) && jsonEqual(stored.spec, spec)
  if (isWished && (status === undefined || jsonEqual(stored.status, status))) return undefined
  return {
    op: {
      op: 'put',
      resource: { ...item.key, labels, spec, ...(status === undefined ? {} : { status }) },
      expect: stored ? stored.version : 'absent',
    },
    // a status alone is never something a person wanted
    class: isWished ? 'observed' : writeClassOf(kind.type, labels),
  }
}

/** Undefined when written; otherwise why not. Waits while the store is away. */
async function write(ops: readonly StoreOp[], writeClass: WriteClass, options: ReconcileOptions): Promise<string | undefined> {
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(waitMs * 2, lastWaitMs)) {
    if (options.signal.aborted) throw new AppError('store/closed', 'the sync stream ended')
    try {
      await options.store.transact(ops, { actor: options.incoming.actor, reason: 'kds', class: writeClass })
      return undefined
    } catch (error) {
      if (hasCode(error, 'store/closed')) throw error
      if (!hasCode(error, 'store/unavailable')) return messageOf(error)
    }
    await pause(waitMs, options)
  }
}

function pause(ms: number, { clock, signal }: ReconcileOptions): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.after(ms, done)
    signal.addEventListener('abort', done)
  })
}
