// Tells proxies that leave from streams that break together: when many go at once it is the network or this control plane, not them
// (architecture.md section 7). Pure bookkeeping over a sliding window.

const windowMs = 2000
const smallestMass = 5
const massShare = 0.2

export interface Departures<T> {
  /**
   * Notes that one left at `now` while `remaining` are still connected. Returns everyone who left within the window, itself included,
   * when that is more than 20 % and at least five: they count as lost. Otherwise nobody.
   */
  note(one: T, now: number, remaining: number): readonly T[]
  /** It came back, or left for a known reason: it no longer counts. */
  forget(one: T): void
}

export function createDepartures<T>(): Departures<T> {
  let recent: { readonly one: T; readonly at: number }[] = []
  return {
    note: (one, now, remaining) => {
      recent = recent.filter((each) => now - each.at < windowMs && each.one !== one)
      recent.push({ one, at: now })
      const isMass = recent.length >= smallestMass && recent.length > massShare * (recent.length + remaining)
      return isMass ? recent.map((each) => each.one) : []
    },
    forget: (one) => {
      recent = recent.filter((each) => each.one !== one)
    },
  }
}
