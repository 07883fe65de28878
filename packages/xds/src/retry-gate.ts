// When resources of a refused response may be tried again: after a delay that doubles with every refusal and is forgotten after a success.

const firstDelayMs = 250
const maxDelayMs = 10_000

/** Times are monotonic milliseconds. */
export class RetryGate {
  #delayMs = firstDelayMs
  #until = Number.NEGATIVE_INFINITY

  /** Milliseconds until the next try; 0 when it may be now. */
  remaining(now: number): number {
    return Math.max(0, this.#until - now)
  }

  refused(now: number): void {
    this.#until = now + this.#delayMs
    this.#delayMs = Math.min(maxDelayMs, this.#delayMs * 2)
  }

  succeeded(): void {
    this.#delayMs = firstDelayMs
    this.#until = Number.NEGATIVE_INFINITY
  }
}
