// Which of two control planes that both say they are a zone acts for it. Pure: what is asked of the network is asked by the caller.

/** What a control plane says about itself. */
export interface SessionIdentity {
  /** Of an own peer: which incarnation of the zone's store it runs on. */
  readonly storeId: string | undefined
  /** Of an own peer: raised in that store whenever a process gets the right to act for the zone. */
  readonly epoch: number | undefined
  /** `control-plane-id`; '' while it is not known. */
  readonly instanceId: string
}

/** The newest right to act for the zone that was seen, also when its session is over. */
export interface Fence {
  readonly storeId: string
  readonly epoch: number
}

/**
 * - `admit`: nobody else is here.
 * - `supersede`: it is the same control plane again; the old session is a leftover.
 * - `outrank`: it has a newer right from the same store; the old session loses.
 * - `fenced`: its own right is over.
 * - `ask`: another control plane; it comes in only if the present one does not answer.
 */
export type SessionVerdict = 'admit' | 'supersede' | 'outrank' | 'fenced' | 'ask'

/** Judges a control plane that comes while `current` is here. */
export function judgeSession(
  incoming: SessionIdentity,
  { current, fence }: { readonly current: SessionIdentity | undefined; readonly fence: Fence | undefined },
): SessionVerdict {
  const { storeId, epoch, instanceId } = incoming
  if (storeId !== undefined && epoch !== undefined) {
    if (fence?.storeId === storeId && epoch < fence.epoch) return 'fenced'
    if (current?.storeId === storeId && current.epoch !== undefined && epoch > current.epoch) return 'outrank'
  }
  if (!current) return 'admit'
  return instanceId !== '' && instanceId === current.instanceId ? 'supersede' : 'ask'
}

/** The fence after a session of this identity began: rights from an older store fence nothing any more. */
export function fenceAfter(identity: SessionIdentity, before: Fence | undefined): Fence | undefined {
  const { storeId, epoch } = identity
  return storeId === undefined || epoch === undefined ? before : { storeId, epoch }
}

/** What both know: of one store the higher right; otherwise what is told by the store that all share. */
export function newerFence(own: Fence | undefined, shared: Fence | undefined): Fence | undefined {
  if (!own || !shared) return own ?? shared
  return own.storeId === shared.storeId && own.epoch > shared.epoch ? own : shared
}
