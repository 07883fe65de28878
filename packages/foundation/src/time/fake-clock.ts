import type { Clock, Timer } from './index.ts'

interface Pending {
  readonly at: number
  readonly order: number
  readonly fn: () => void
}

/** A clock that moves only when told to. Timers fire in time order during `advance`. */
export class FakeClock implements Clock {
  #now: number
  readonly #start: number
  #order = 0
  #stalledMs = 0
  readonly #pending = new Set<Pending>()

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start
    this.#start = start
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now - this.#start + this.#stalledMs
  }

  after(ms: number, fn: () => void): Timer {
    const timer: Pending = { at: this.#now + Math.max(0, ms), order: this.#order++, fn }
    this.#pending.add(timer)
    return { cancel: () => void this.#pending.delete(timer) }
  }

  /** Number of timers that have not fired. */
  get pending(): number {
    return this.#pending.size
  }

  /** Moves time on by `ms`, firing what falls due on the way, also what those timers start. */
  advance(ms: number): void {
    const until = this.#now + ms
    for (;;) {
      let next: Pending | undefined
      for (const timer of this.#pending) {
        if (timer.at > until) continue
        if (!next || timer.at < next.at || (timer.at === next.at && timer.order < next.order)) next = timer
      }
      if (!next) break
      this.#pending.delete(next)
      this.#now = next.at
      next.fn()
    }
    this.#now = until
  }

  /** Monotonic time passes in which nothing runs, as for a process that stands still. */
  stall(ms: number): void {
    this.#stalledMs += ms
  }

  /** Moves time on in steps, after each of which what waits for nothing but other promises has run. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= passStepMs) {
      this.advance(Math.min(passStepMs, left))
      await turns()
    }
  }
}

const passStepMs = 500

/** Lets everything run that waits for nothing outside. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate)
}
