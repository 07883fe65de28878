// The right to do what only one process of a control plane may do. Several share a PostgreSQL store; every other store is one process's, which
// then leads from its start to its end.
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import {
  createLeases,
  createLedStore,
  type Lease,
  type Leases,
  type LeaseTerm,
  type Member,
  whileLeading,
  type WhileLeadingOptions,
} from '@weft/replicas'
import type { Store } from '@weft/store'
import type { ControlPlaneConfig } from './config.ts'

export interface Leadership {
  readonly leases: Leases & Component
  readonly lease: Lease
  /** Takes writes of the leader only: all others, and those of one that was overtaken, are refused. */
  readonly store: Store
  /** Whether this process leads at the moment. */
  readonly mayWrite: () => boolean
  /** Called whenever this process begins to lead, and at once if it does. */
  onLead(listener: (term: LeaseTerm) => void): () => void
  /** A component that runs while this process leads. */
  while(options: Omit<WhileLeadingOptions, 'lease' | 'log'>): Component
  /** The last to start and the first to stop: another process takes over before this one has ended. */
  readonly handover: Component
}

export interface LeadershipNeeds {
  readonly config: Pick<ControlPlaneConfig, 'store' | 'weft'>
  readonly store: Store
  readonly self: Member
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Metrics
}

const leaderLease = 'leader'

/** Resolves when it is known who leads, or that the store cannot say at the moment. */
export async function createLeadership({ config, store, self, clock, log, metrics }: LeadershipNeeds): Promise<Leadership> {
  const leases = createLeases({
    table: store.leases,
    self,
    clock,
    log,
    metrics,
    leaseMs: config.store.type === 'postgres' ? config.weft.leaseDuration : Number.POSITIVE_INFINITY,
    // a write of nothing comes after all there is, and is shown what that was
    catchUp: async (lease) => void (await store.transact([], { actor: 'generator:lease', reason: 'take over', class: 'desired', lease })),
  })
  const lease = leases.want(leaderLease)
  await lease.asked
  return {
    leases,
    lease,
    store: createLedStore(store, lease),
    mayWrite: () => lease.term !== undefined,
    onLead: (listener) => lease.onTerm(listener),
    while: (options) => whileLeading({ ...options, lease, log: log.child({ component: 'leader' }) }),
    handover: { name: 'leadership', start: async () => {}, stop: () => leases.stop() },
  }
}

/** Resolves once a resource is there, whoever makes it, or this process may make it itself. */
export async function presentOrLeading(
  { lease, store }: Pick<Leadership, 'lease' | 'store'>,
  isPresent: (store: Store) => boolean,
): Promise<void> {
  const isOver = (): boolean => isPresent(store) || lease.term !== undefined
  if (isOver()) return
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (!isOver()) return
      for (const stop of stops) stop()
      resolve()
    }
    const stops = [store.watch(store.seq, look), lease.onChange(look)]
  })
}
