// Transactions that wait for their turn, and what a batch of them comes to: each planned on top of those before it.
import type { ResourceKey } from '@weft/resources'
import type { Change, StoreOp, WriteContext } from './contract.ts'
import { fenced, type WriteLease } from './lease-table.ts'
import { createOverlay, planTransaction, type PlanView } from './plan.ts'

export interface Pending {
  readonly ops: readonly StoreOp[]
  readonly context: WriteContext
  /** Monotonic time of the call. */
  readonly since: number
  resolve(seq: number): void
  reject(error: unknown): void
}

/** Changes in order, none when nothing changes, or why the transaction fails. */
export type Outcome = readonly Change[] | { readonly error: unknown }

/** Where a transaction is planned: the state, its last number and the time it gets. */
export interface PlanPlace {
  readonly view: PlanView
  readonly seq: number
  readonly time: string
  /** Whether a lease still has its epoch; what needs one that has not fails. Every lease counts as held when absent. */
  readonly holds?: ((lease: WriteLease) => boolean) | undefined
}

/** Changes of one group commit: enough to share one, few enough to stay short on the event loop. */
export const maxBatchChanges = 512

/** What one transaction comes to. */
export function planOne(pending: Pick<Pending, 'ops' | 'context'>, { view, seq, time, holds }: PlanPlace): Outcome {
  const { lease } = pending.context
  if (lease && holds?.(lease) === false) return { error: fenced(lease) }
  try {
    return planTransaction({ ops: pending.ops, context: pending.context, view, seq, time })
  } catch (error) {
    return { error }
  }
}

/** What each transaction of a batch comes to. */
export function planAll(batch: readonly Pick<Pending, 'ops' | 'context'>[], place: PlanPlace): readonly Outcome[] {
  const overlay = createOverlay(place.view)
  let { seq } = place
  return batch.map((pending) => {
    const outcome = planOne(pending, { ...place, view: overlay, seq })
    if ('error' in outcome) return outcome
    overlay.add(outcome)
    seq += outcome.length
    return outcome
  })
}

/** What has to be written. */
export function transactionsOf(outcomes: readonly Outcome[]): readonly (readonly Change[])[] {
  return outcomes.flatMap((outcome) => ('error' in outcome || outcome.length === 0 ? [] : [outcome]))
}

/** The leases that what has to be written depends on, each once. */
export function leasesOf(batch: readonly Pick<Pending, 'context'>[], outcomes: readonly Outcome[]): readonly WriteLease[] {
  const leases = new Map<string, WriteLease>()
  for (const [at, { context }] of batch.entries()) {
    const outcome = outcomes[at]
    if (context.lease && outcome && !('error' in outcome)) leases.set(`${context.lease.epoch} ${context.lease.name}`, context.lease)
  }
  return [...leases.values()]
}

/** What an operation is about. */
export function keyOf(op: StoreOp): ResourceKey {
  return op.op === 'put' ? op.resource : op.key
}
