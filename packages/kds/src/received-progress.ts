// How far a zone is with what global sends, in sequence numbers of global's store: for each type what is stored here, what was sent to the last
// proxy, and what the last proxy answered. Follows from which change of global made which state here, and from how far that state has come.
import type { Store } from '@weft/store'
import type { WaitingProxy } from './sync-status.ts'
import type { TypeProgress } from './change-progress.ts'

/** How far the proxies of this zone are, in sequence numbers of its store. */
export interface Delivery {
  /** What follows from all changes up to here was sent to every connected proxy. */
  readonly pushed: number
  /** Every connected proxy has accepted or refused that. */
  readonly acked: number
  /** Proxies that refuse something of what they should have. */
  readonly refusing: number
  /** Called after every change of these figures. Returns the unsubscriber. */
  onProgress(listener: () => void): () => void
  /** Proxies that are not done, the one that is waited for longest first. */
  waiting?(limit: number): readonly WaitingProxy[]
}

/** Kept for one session with global at a time. */
export interface ReceivedProgress {
  /** All of a type up to this change of global is in the store now. */
  stored(type: string, position: number): void
  /** Another stream: what was told on the one before may mean something else. */
  reset(): void
  progress(): readonly TypeProgress[]
  /** Called when any figure may have changed. Returns the unsubscriber. */
  onChange(listener: () => void): () => void
}

interface Step {
  /** Change of global, and the state here that has it. */
  readonly position: number
  readonly seq: number
}

interface Received {
  stored: number
  pushed: number
  acked: number
  unpushed: Step[]
  unacked: Step[]
}

/** More steps of a type than this are told in coarser ones. */
const maxSteps = 64

export function createReceivedProgress(store: Pick<Store, 'seq'>, delivery: Delivery | undefined): ReceivedProgress {
  const types = new Map<string, Received>()
  const listeners = new Set<() => void>()
  const changed = (): void => {
    for (const listener of listeners) listener()
  }
  const advance = (received: Received): void => {
    if (!delivery) return
    received.pushed = reached(received.unpushed, delivery.pushed) ?? received.pushed
    received.acked = reached(received.unacked, delivery.acked) ?? received.acked
  }
  delivery?.onProgress(() => {
    for (const received of types.values()) advance(received)
    changed()
  })
  return {
    stored: (type, position) => {
      const received = types.get(type) ?? { stored: 0, pushed: 0, acked: 0, unpushed: [], unacked: [] }
      types.set(type, received)
      if (position <= received.stored) return
      received.stored = position
      if (delivery) for (const steps of [received.unpushed, received.unacked]) addStep(steps, { position, seq: store.seq })
      advance(received)
      changed()
    },
    reset: () => types.clear(),
    progress: () =>
      [...types].map(([type, { stored, pushed, acked }]) => ({ type, stored, pushed, acked, refusing: delivery?.refusing ?? 0 })),
    onChange: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

function addStep(steps: Step[], step: Step): void {
  if (steps.length >= maxSteps) steps.pop()
  steps.push(step)
}

/** Takes the steps that are reached, and tells the last one. */
function reached(steps: Step[], seq: number): number | undefined {
  let position: number | undefined
  while (steps[0] && steps[0].seq <= seq) position = steps.shift()?.position
  return position
}
