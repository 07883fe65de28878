// What the replicas of one control plane (global or one zone) need of each other. They share a store; everything here is a wake-up, a hint or
// a question. Only leases decide anything, and those live in the store.

/** One process of this control plane. */
export interface Member {
  /** As in insights (`controlPlaneInstanceId`): new at every start. */
  readonly instanceId: string
  /** Host and port of its inter-CP server, for questions that go to it directly; absent when it has none. */
  readonly address?: { readonly host: string; readonly port: number }
}

/** Tells the others that the change log has grown. Loss is harmless: the log is the truth, and every listener has a slower way to hear of it. */
export interface Announcer {
  /** False while announcements do not travel this way; whoever listens then falls back to a slower way. */
  readonly isUp: boolean
  announce(seq: number): void
  /** Returns the unsubscriber. Own announcements are not delivered. */
  onAnnounced(listener: (seq: number) => void): () => void
  /** Told when `isUp` changes: what was said meanwhile was missed. */
  onUp(listener: (isUp: boolean) => void): () => void
  /**
   * The others that live, as the store has them. From then on `isUp` is true only while each of them is heard this way, so that one that has
   * lost it is not overheard, and one that is dead is not waited for. Told whenever it was read; a way on which nobody can be missing has none.
   */
  awaits?(instanceIds: readonly string[]): void
}

/** What a replica holds the stream of: `zone/<name>` at global, `proxy/<mesh>/<name>` in a zone. */
export type Holding = `zone/${string}` | `proxy/${string}/${string}`

/**
 * Who is there, and who holds which stream. Hints: that a member is missing here is not yet its death. It is confirmed by its lease, or by a
 * question that it does not answer.
 */
export interface Presence {
  readonly isUp: boolean
  /** Without this process. */
  members(): readonly Member[]
  /** A member that was here is missing. Told once for each, and not while this way is down or has come back empty. */
  onMissing(listener: (member: Member) => void): () => void
  onJoined(listener: (member: Member) => void): () => void
  /** Says that this process holds it; the function that is returned says that it no longer does. */
  hold(holding: Holding): () => void
  /** The instance that said last that it holds it, as far as is known. */
  holder(holding: Holding): Promise<string | undefined>
}

/** A question to another replica. The body is JSON or bytes, as the topic has it; at most 32 MiB. */
export interface ReplicaRequest {
  /** `admin/config-dump`, ... */
  readonly topic: string
  readonly body: Uint8Array
  /** Milliseconds. */
  readonly limitMs: number
}

export type RequestHandler = (body: Uint8Array, from: string) => Promise<Uint8Array>

/** One way of asking another replica. */
export interface RequestPath {
  readonly isUp: boolean
  /**
   * Rejects with replicas/unreachable when it did not reach the other (another way may), with what the handler threw when it did (coded
   * errors keep their code), and with replicas/timeout when no answer came in time. Questions may be asked twice, by two ways: answering them
   * changes nothing.
   */
  ask(instanceId: string, request: ReplicaRequest): Promise<Uint8Array>
  /** One handler for each topic. */
  serve(topic: string, handler: RequestHandler): void
}

/** The right to do the work of a lease until it is lost. Its epoch goes into every write that needs the right (`WriteContext.lease`). */
export interface LeaseTerm {
  readonly name: string
  /** Above every earlier one of this name, over all restarts. */
  readonly epoch: number
  /** Aborted as soon as this process cannot be sure any more that it has the right: before another can get it. */
  readonly lost: AbortSignal
}

/**
 * Whose a lease is, as far as is known here.
 * - `ours`: there is a term.
 * - `theirs`: another process has it.
 * - `unknown`: there is no term, and the store has not said yet that another has it: nobody can while it is away.
 * - `given-back`: this process wants it no more.
 */
export type LeaseState = 'ours' | 'theirs' | 'unknown' | 'given-back'

/**
 * A lease that this process wants. `onTerm` is called whenever it gets it, with a term that ends by itself; a process that was paused finds
 * its term ended, and what it still writes fails with store/fenced.
 */
export interface Lease {
  readonly name: string
  /** Looks at the clock: right also before the timers of a process that was paused. */
  readonly term: LeaseTerm | undefined
  /** The store has refused a write under this epoch: the term, if it is still that one, ends now. */
  wasFenced(epoch: number): void
  readonly state: LeaseState
  /** Another process that has it and has been seen to renew it. */
  readonly holder: string | undefined
  /** Told after every change of `term`, `state` or `holder`. */
  onChange(listener: () => void): () => void
  onTerm(listener: (term: LeaseTerm) => void): () => void
  /** Gives it back, so that another gets it at once, and stops wanting it. */
  release(): Promise<void>
}

export interface Leases {
  /** Wants it from now on. Asked twice for a name, it is the same lease. */
  want(name: string): Lease
  /** Instances that hold any lease or a place in the table of instances, as the store has them: what confirms that a member lives. */
  living(): Promise<readonly Member[]>
}

/** Everything together, as the rest of a control plane sees it. */
export interface Replicas {
  readonly self: Member
  readonly announcer: Announcer
  readonly presence: Presence
  readonly leases: Leases
  /** Told once for each member whose death is confirmed. */
  onDeath(listener: (member: Member) => void): () => void
  /** Asks one replica over the first way that reaches it. Rejects as `RequestPath.ask`. */
  ask(instanceId: string, request: ReplicaRequest): Promise<Uint8Array>
  /** Asks the replica that holds it. Rejects with replicas/no-holder when none is known, else as `RequestPath.ask`. */
  askHolder(holding: Holding, request: ReplicaRequest): Promise<Uint8Array>
  serve(topic: string, handler: RequestHandler): void
  stop(): Promise<void>
}
