// Leases of this process. Invariant: a term is over here before the store can give the lease to another. It is measured from before the
// question was sent, by the monotonic clock, and looked at whenever it is used, so that a process that was paused does nothing in between.
import { messageOf } from '@weft/foundation/errors'
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock, Timer } from '@weft/foundation/time'
import type { LeaseTable, WriteLease } from '@weft/store'
import type { Lease, Leases, LeaseState, LeaseTerm, Member } from './contract.ts'

export interface LeasesOptions {
  readonly table: LeaseTable
  readonly self: Member
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  /** How long a lease lasts without being renewed; 15,000 ms by default. It is renewed, and waited for, three times as often. */
  readonly leaseMs?: number
  /** Brings what this process has read up to what earlier holders wrote: a term begins after it. */
  readonly catchUp?: (lease: WriteLease) => Promise<void>
}

/** Stopping gives back every lease, each once its terms' listeners had their say, and waits for none that the store cannot take. */
export interface LeasesComponent extends Leases, Component {
  want(name: string): WantedLease
}

export interface WantedLease extends Lease {
  /** Resolves when it is known whose the lease is at first, or that the store cannot say. */
  readonly asked: Promise<void>
}

/** 15 s: two renewals may be lost, and a process that dies is replaced before its proxies miss it. */
const defaultLeaseMs = 15_000
/** Kept back of every term: timers are late on a busy machine. */
const marginShare = 0.1
const beatShare = 1 / 3
/** Between two questions to a store that does not answer. */
const retryShare = 1 / 15
/** Of a lease that is over but still counts at the store's clock. */
const shortestWaitMs = 20

interface Term extends LeaseTerm {
  readonly controller: AbortController
  /** On the clock, monotonic. */
  deadline: number
}

/** Nothing is wanted at first. */
export function createLeases(options: LeasesOptions): LeasesComponent {
  const { table } = options
  const wanted = new Map<string, WantedLease>()
  const terms = options.metrics?.counter('lease_terms_total', 'Times this process got a lease, by name.', ['lease'])
  options.metrics?.gauge('leases_held_count', 'Leases this process has.', [], () => [...wanted.values()].filter(({ term }) => term).length)
  return {
    name: 'leases',
    want: (name) => {
      const lease = wanted.get(name) ?? createLease(name, options, () => terms?.inc({ lease: name }))
      wanted.set(name, lease)
      return lease
    },
    living: async () => (await table.living()).map(({ id: instanceId, ...where }): Member => ({ instanceId, ...where })),
    start: async () => {},
    stop: async () => void (await Promise.all([...wanted.values()].map((lease) => lease.release()))),
  }
}

function createLease(name: string, options: LeasesOptions, onBegin: () => void): WantedLease {
  const { table, self, clock, leaseMs = defaultLeaseMs } = options
  const log = options.log.child({ component: 'replicas.lease', lease: name })
  const listeners = new Set<(term: LeaseTerm) => void>()
  let current: Term | undefined
  let next: Timer | undefined
  let deadline: Timer | undefined
  let asking: Promise<void> | undefined
  /** Something changed while the question was under way. */
  let mustAskAgain = false
  let isStopped = false
  let isAway = false
  let state: LeaseState = 'unknown'
  /** Who had it when it was asked for last, and until when, by our clock. */
  let seen: { readonly holder: string; readonly until: number; readonly isRenewed: boolean } | undefined
  const watchers = new Set<() => void>()

  const changed = (to: LeaseState, by?: typeof seen): void => {
    const isSame = to === state && by?.holder === seen?.holder && by?.isRenewed === seen?.isRenewed
    state = to
    seen = by
    if (isSame) return
    for (const watcher of watchers) {
      try {
        watcher()
      } catch (error) {
        log.error({ err: messageOf(error) }, 'listener of a lease failed')
      }
    }
  }

  const later = (ms: number, run: () => void): void => {
    next?.cancel()
    if (!isStopped) next = clock.after(ms, run)
  }
  const away = (error: unknown): void => {
    if (!isAway) log.warn({ err: messageOf(error) }, 'the store cannot be asked about a lease, trying again')
    isAway = true
  }
  const end = (term: Term, reason: string): void => {
    if (current !== term) return
    current = undefined
    deadline?.cancel()
    next?.cancel()
    log.warn({ epoch: term.epoch, reason }, 'lease lost')
    term.controller.abort()
    changed('unknown')
  }
  /** The term, ended first if its time is over. */
  const look = (): Term | undefined => {
    if (current && clock.monotonic() >= current.deadline) {
      end(current, 'not renewed in time')
      ask()
    }
    return current
  }
  const prolong = (term: Term, sent: number): void => {
    term.deadline = sent + leaseMs * (1 - marginShare)
    deadline?.cancel()
    deadline = clock.after(term.deadline - clock.monotonic(), look)
    later(leaseMs * beatShare, () => void renew(term))
  }
  const renew = async (term: Term): Promise<void> => {
    if (look() !== term) return
    const sent = clock.monotonic()
    try {
      const isOurs = await table.renew({ name, epoch: term.epoch }, leaseMs)
      if (look() !== term) return
      isAway = false
      if (isOurs) prolong(term, sent)
      else {
        end(term, 'another process has it')
        ask()
      }
    } catch (error) {
      if (look() !== term) return
      away(error)
      later(leaseMs * retryShare, () => void renew(term))
    }
  }
  const begin = (epoch: number, sent: number): void => {
    const controller = new AbortController()
    const term: Term = { name, epoch, controller, lost: controller.signal, deadline: 0 }
    current = term
    prolong(term, sent)
    log.info({ epoch }, 'lease is ours')
    onBegin()
    changed('ours')
    for (const listener of listeners) tell(listener, term)
  }
  const tell = (listener: (term: LeaseTerm) => void, term: Term): void => {
    try {
      if (current === term) listener(term)
    } catch (error) {
      log.error({ err: messageOf(error) }, 'listener of a lease failed')
    }
  }
  const found = (holder: string, remainingMs: number): void => {
    if (holder === '') return
    if (seen?.holder !== holder) log.info({ replica: holder }, 'another replica has the lease')
    const until = clock.monotonic() + remainingMs
    const isRenewed = seen?.holder === holder && (seen.isRenewed || until > seen.until + leaseMs * marginShare)
    changed('theirs', { holder, until, isRenewed })
  }
  const acquire = async (): Promise<void> => {
    const sent = clock.monotonic()
    try {
      const grant = await table.acquire(name, self.instanceId, leaseMs)
      isAway = false
      if (!('epoch' in grant)) {
        found(grant.holder, grant.remainingMs)
        later(Math.max(shortestWaitMs, Math.min(grant.remainingMs, leaseMs * beatShare)), ask)
      } else if (isStopped) await giveBack({ name, epoch: grant.epoch })
      else {
        await options.catchUp?.({ name, epoch: grant.epoch })
        if (isStopped) await giveBack({ name, epoch: grant.epoch })
        else if (clock.monotonic() >= sent + leaseMs * (1 - marginShare)) later(0, ask)
        else begin(grant.epoch, sent)
      }
    } catch (error) {
      away(error)
      later(leaseMs * retryShare, ask)
    }
  }
  const ask = (): void => {
    if (isStopped || current) return
    mustAskAgain = asking !== undefined
    if (asking) return
    next?.cancel()
    asking = acquire().finally(() => {
      asking = undefined
      if (mustAskAgain) ask()
    })
  }
  const giveBack = async (lease: WriteLease): Promise<void> => {
    try {
      await table.release(lease)
      log.info({ epoch: lease.epoch }, 'lease given back')
    } catch (error) {
      log.warn({ err: messageOf(error) }, 'lease could not be given back: it ends by itself')
    }
  }
  const unfollow = table.onReleased((released) => {
    if (released === name) ask()
  })
  ask()
  return {
    name,
    asked: asking ?? Promise.resolve(),
    get term() {
      return look()
    },
    wasFenced: (epoch) => {
      if (current?.epoch !== epoch) return
      end(current, 'a write was refused')
      ask()
    },
    get state() {
      look()
      return state
    },
    get holder() {
      return seen?.isRenewed ? seen.holder : undefined
    },
    onChange: (listener) => {
      watchers.add(listener)
      return () => void watchers.delete(listener)
    },
    onTerm: (listener) => {
      listeners.add(listener)
      const term = look()
      if (term) tell(listener, term)
      return () => void listeners.delete(listener)
    },
    release: async () => {
      if (isStopped) return
      isStopped = true
      unfollow()
      next?.cancel()
      deadline?.cancel()
      const term = look()
      current = undefined
      term?.controller.abort()
      changed('given-back')
      await asking
      if (term) await giveBack(term)
    },
  }
}
