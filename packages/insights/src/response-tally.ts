// Responses counted since an insight was last brought up to date. Streams answer far more often than insights are written, so counting one response
// is an addition, and the document is made anew once for all of them.
import type { Outcome } from './subscriptions.ts'

/** Equal responses of one stream. */
export interface Tallied<T extends string> {
  /** The subscription. */
  readonly id: string
  readonly type: T
  readonly outcome: Outcome
  /** At least 1. */
  readonly count: number
  /** When the last of them was counted: ms since the epoch. */
  readonly at: number
}

export interface ResponseTally<T extends string> {
  add(response: Omit<Tallied<T>, 'count'>): void
  /** All that was added since the last call, in the order of the last response of each kind. */
  take(): readonly Tallied<T>[]
}

/** An empty tally. */
export function createResponseTally<T extends string>(): ResponseTally<T> {
  let counted: Tallied<T>[] = []
  return {
    add: (response) => {
      // a stream has few types, so a list is searched faster than a key is made
      const index = counted.findIndex(
        ({ id, type, outcome }) => id === response.id && type === response.type && outcome === response.outcome,
      )
      const count = (counted[index]?.count ?? 0) + 1
      if (index >= 0) counted.splice(index, 1)
      counted.push({ ...response, count })
    },
    take: () => {
      const taken = counted
      counted = []
      return taken
    },
  }
}
