// How far what was committed has come on the way to proxies. A position (a sequence number of the store) is pushed once everything that follows
// from what was committed up to it has been sent on every stream, and acked once every proxy has accepted or refused that. Streams, and
// whatever works ahead of them, hold the position that their pending work follows from; the lowest one held is how far things are. Knows
// nothing of what the work is, and costs a stream two comparisons while it has nothing to do. Where several processes serve proxies from one
// store, each tells the others how far its own are, and the lowest of all is how far things are.
import type { Backlog } from './backlog.ts'
import { LowWater } from './low-water.ts'

/** What a stream tells of itself. */
export interface StreamDelivery {
  /** There is something to send that follows from the present position. */
  due(): void
  /** A turn of the stream is over. `lastSent`: number of its last response. */
  turned(backlog: Backlog, lastSent: number): void
  closed(): void
}

/** What keeps a proxy from being done: something to send, an answer, or its own refusal. */
export type Outstanding = 'unsent' | 'unanswered' | 'refused'

/** A proxy that is not done. */
export interface WaitingProxy {
  readonly proxy: string
  readonly what: Outstanding
  /** The earliest commit that it is waited for; absent for what is refused, which is not waited for. */
  readonly since?: number
}

/** How far proxies are. */
export interface DeliveryFigures {
  readonly pushed: number
  readonly acked: number
  /** Proxies that refuse something they should have. */
  readonly refusing: number
}

/** Its own figures are those of all processes. */
export interface Delivery extends DeliveryFigures {
  /** Of the proxies that this process serves. */
  readonly here: DeliveryFigures
  /**
   * How far the proxies of another process are, as it said last; `undetermined` while it has said nothing, which holds everything, and
   * undefined from when it is not waited for. Positions of a process never fall: a lower one is old and does not count.
   */
  elsewhere(process: string, figures: DeliveryFigures | undefined): void
  /** Called after changes of any of these figures, at most once a turn. Returns the unsubscriber. */
  onProgress(listener: () => void): () => void
  /** More was committed; to be called for every commit, also when nothing follows from it. */
  moved(): void
  /** Work that follows from the present position is pending, until `release` with the position returned. */
  hold(): number
  release(position: number): void
  /** Work held at `position` is done, and was itself committed up to `to`: `position` is not reached before that is. */
  passOn(position: number, to: number): void
  /** What becomes due during `work` follows from `position`. */
  within(position: number, work: () => void): void
  /** Follows the stream of a proxy until it is closed. */
  stream(proxy: string): StreamDelivery
  /** Those of this process that are not done, in the order of `longestFirst`. */
  waiting(limit: number): readonly WaitingProxy[]
}

/** Of a process that has not said how far its proxies are. */
export const undetermined: DeliveryFigures = { pushed: 0, acked: 0, refusing: 0 }

/** The proxy that is waited for longest comes first, those that are not waited for last. */
export function longestFirst(a: WaitingProxy, b: WaitingProxy): number {
  return (a.since ?? Number.POSITIVE_INFINITY) - (b.since ?? Number.POSITIVE_INFINITY) || (a.proxy < b.proxy ? -1 : 1)
}

interface Sent {
  nonce: number
  readonly since: number
}

/** More unanswered turns of a stream than this count as one. */
const maxSent = 16
const maxPassed = 64

/** `position`: of the last commit; never falls. */
export function createDelivery(position: () => number): Delivery {
  const unsent = new LowWater()
  const unanswered = new LowWater()
  /** Position to where the work that was held there has gone. */
  const passed = new Map<number, number>()
  const refusing = new Set<StreamDelivery>()
  const open = new Map<StreamDelivery, () => WaitingProxy | undefined>()
  const listeners = new Set<() => void>()
  const others = new Map<string, DeliveryFigures>()
  const here = { pushed: position(), acked: position(), refusing: 0 }
  const told = { ...here }
  let cause: number | undefined
  let isScheduled = false

  const heldFrom = (held: LowWater): number => (held.first ?? position() + 1) - 1
  const reached = (at: number): number => {
    let low = at
    // the last first: what it waits for may be what another one waits for
    for (const [from, to] of [...passed].sort(([a], [b]) => b - a)) if (low < to) low = Math.min(low, from - 1)
    return low
  }
  const settle = (figures: { -readonly [F in keyof DeliveryFigures]: number }, { pushed, acked, refusing }: DeliveryFigures): boolean => {
    const isNews = pushed > figures.pushed || acked > figures.acked || refusing !== figures.refusing
    figures.pushed = Math.max(figures.pushed, pushed)
    figures.acked = Math.max(figures.acked, Math.min(acked, figures.pushed))
    figures.refusing = refusing
    return isNews
  }
  const look = (): void => {
    isScheduled = false
    const own = { pushed: heldFrom(unsent), acked: heldFrom(unanswered), refusing: refusing.size }
    const all = [own, ...others.values()]
    const acked = reached(Math.min(...all.map((each) => each.acked)))
    const isNewsHere = settle(here, { ...own, pushed: reached(own.pushed), acked: reached(own.acked) })
    const isNews = settle(told, {
      pushed: reached(Math.min(...all.map((each) => each.pushed))),
      acked,
      refusing: all.reduce((sum, each) => sum + each.refusing, 0),
    })
    for (const from of passed.keys()) if (from <= acked) passed.delete(from)
    if (isNewsHere || isNews) for (const listener of listeners) listener()
  }
  const changed = (): void => {
    if (isScheduled) return
    isScheduled = true
    setImmediate(look)
  }
  const hold = (at: number): number => {
    unsent.hold(at)
    unanswered.hold(at)
    return at
  }
  const release = (at: number): void => {
    unsent.release(at)
    unanswered.release(at)
    changed()
  }
  const stream = (proxy: string): StreamDelivery => {
    let since: number | undefined
    let sent: Sent[] = []
    const followed: StreamDelivery = {
      due: () => {
        const at = cause ?? position()
        if (since !== undefined && since <= at) return
        hold(at)
        if (since !== undefined) release(since)
        since = at
      },
      turned: (backlog, lastSent) => {
        if (since !== undefined && backlog.isSent) {
          unsent.release(since)
          const last = sent.at(-1)
          if (last && sent.length >= maxSent) {
            last.nonce = lastSent
            unanswered.release(since)
          } else sent.push({ nonce: lastSent, since })
          since = undefined
          changed()
        }
        while (sent[0] && sent[0].nonce < backlog.firstUnanswered && !backlog.isSearching) {
          unanswered.release(sent[0].since)
          sent = sent.slice(1)
          changed()
        }
        if (refusing.has(followed) === backlog.isRefusing) return
        if (backlog.isRefusing) refusing.add(followed)
        else refusing.delete(followed)
        changed()
      },
      closed: () => {
        if (since !== undefined) release(since)
        for (const each of sent) unanswered.release(each.since)
        since = undefined
        sent = []
        open.delete(followed)
        refusing.delete(followed)
        changed()
      },
    }
    open.set(followed, () => {
      const unanswered = sent[0]?.since
      if (since !== undefined && (unanswered === undefined || since <= unanswered)) return { proxy, what: 'unsent', since }
      if (unanswered !== undefined) return { proxy, what: 'unanswered', since: unanswered }
      return refusing.has(followed) ? { proxy, what: 'refused' } : undefined
    })
    return followed
  }
  return {
    get pushed() {
      return told.pushed
    },
    get acked() {
      return told.acked
    },
    get refusing() {
      return told.refusing
    },
    get here() {
      return { ...here }
    },
    elsewhere: (process, figures) => {
      const before = others.get(process)
      if (!figures) others.delete(process)
      else {
        const { pushed, acked, refusing: theirs } = figures
        others.set(process, { pushed: Math.max(pushed, before?.pushed ?? 0), acked: Math.max(acked, before?.acked ?? 0), refusing: theirs })
      }
      changed()
    },
    onProgress: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    moved: changed,
    hold: () => hold(cause ?? position()),
    release,
    passOn: (from, to) => {
      // while someone answers nothing, what comes later waits with what came before
      const last = passed.size < maxPassed ? from : Math.min(from, Math.max(...passed.keys()))
      passed.set(last, Math.max(to, passed.get(last) ?? to))
      release(from)
    },
    within: (at, work) => {
      const before = cause
      cause = at
      try {
        work()
      } finally {
        cause = before
      }
    },
    stream,
    waiting: (limit) =>
      [...open.values()]
        .flatMap((look) => look() ?? [])
        .sort(longestFirst)
        .slice(0, limit),
  }
}
