// Responses counted since an insight was last brought up to date. Streams answer far more often than insights are written, so counting one response
// is an addition, and the document is made anew once for all of them.
import type { Outcome } from './subscriptions.ts'

/** Equal responses of one stream. */
export interface Tallied {
  readonly type: string
  readonly outcome: Outcome
  /** At least 1. */
  readonly count: number
}

/** Responses of one stream. */
export interface StreamTally {
  /** The subscription. */
  readonly id: string
  readonly responses: readonly Tallied[]
  /** When the last of them was counted: ms since the epoch. */
  readonly at: number
}

export interface ResponseTally {
  /** One more response of the subscription `id`, at `at`: ms since the epoch. */
  add(id: string, response: Omit<Tallied, 'count'>, at: number): void
  /** All that was added since the last call, streams in the order of their first response. */
  take(): readonly StreamTally[]
}

interface Counting {
  readonly id: string
  readonly responses: { readonly type: string; readonly outcome: Outcome; count: number }[]
  at: number
}

/** An empty tally. */
export function createResponseTally(): ResponseTally {
  let streams: Counting[] = []
  return {
    add: (id, { type, outcome }, at) => {
      // an insight has few streams and a stream few types, so lists are searched faster than keys are made
      let stream = streams.find((each) => each.id === id)
      if (!stream) streams.push((stream = { id, responses: [], at }))
      stream.at = at
      const known = stream.responses.find((each) => each.type === type && each.outcome === outcome)
      if (known) known.count += 1
      else stream.responses.push({ type, outcome, count: 1 })
    },
    take: () => {
      const taken = streams
      if (taken.length > 0) streams = []
      return taken
    },
  }
}
