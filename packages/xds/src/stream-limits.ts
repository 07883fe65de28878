/** Bounds of one discovery stream. */
export interface StreamLimits {
  /** Names one type may subscribe to. */
  readonly maxNames: number
  /** Size of a response, except that one resource is never split. */
  readonly maxResponseBytes: number
  /** How long a listener waits for the clusters it names, and a response for its ACK before the next of its type may follow. */
  readonly patienceMs: number
  /** The longest time changes of clusters and listeners are gathered. */
  readonly maxWindowMs: number
  /**
   * How long a cluster stays after the last listener that named it was replaced. Connections of the old listener are served by its routes until
   * Envoy's drain time is over (30 s unless it was started otherwise), and a request to a missing cluster fails.
   */
  readonly drainMs: number
}

export const defaultStreamLimits: StreamLimits = {
  maxNames: 50_000,
  maxResponseBytes: 1 << 20,
  patienceMs: 5_000,
  maxWindowMs: 100,
  drainMs: 30_000,
}
