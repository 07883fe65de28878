// How long to wait before trying again: doubling with jitter, so that many zones do not come back in step.

/** Bounds in milliseconds and the source of jitter. */
export interface BackoffOptions {
  readonly firstMs: number
  readonly lastMs: number
  /** 0 (inclusive) to 1 (exclusive). */
  random(): number
}

/** Waits of one thing that keeps failing. */
export interface Backoff {
  /** The next wait: between half and all of a step that doubles. */
  next(options: BackoffOptions): number
  /** The last attempt went well. */
  reset(): void
}

/** A back-off at its first step. */
export function createBackoff(): Backoff {
  let failures = 0
  return {
    next: ({ firstMs, lastMs, random }) => {
      const step = Math.min(lastMs, firstMs * 2 ** Math.min(failures++, 20))
      return Math.max(firstMs, Math.round(step * (0.5 + random() / 2)))
    },
    reset: () => {
      failures = 0
    },
  }
}
