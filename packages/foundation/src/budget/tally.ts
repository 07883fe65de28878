// What processes that share a budget need of each other.

/** Uses of one key in its window, by all that share it. */
export interface SharedCount {
  readonly used: number
  /** Milliseconds until they are forgotten. */
  readonly endsInMs: number
}

/** A place where several processes count together. It is no authority: whoever cannot reach it counts alone. */
export interface Tally {
  /**
   * Adds one use and answers how many there are now; the first opens a window of `windowMs`. Undefined while the place is not reached, at once.
   * Rejects when it does not answer in time, or with something else than a count. `id` tells nothing of the key it stands for.
   */
  add(budget: string, id: string, windowMs: number): Promise<SharedCount> | undefined
}
