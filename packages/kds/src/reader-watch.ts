// How well the other end of one stream takes what is sent to it. While much waits in the transport nothing more is handed to it, so changes
// meet under their keys and the latest wins; a reader that stands still, or that never answers, is cut off. Costs a stream whose reader
// keeps up nothing but two numbers and one timer while something is outstanding.
import { type Clock, createAwakeTime } from '@weft/foundation/time'
import { AppError } from '@weft/foundation/errors'

/** What a reader may cost. */
export interface ReaderLimits {
  /** Bytes waiting in the transport from which on nothing more is handed to it. One message always goes, whatever its size. */
  readonly windowBytes: number
  /** Bytes waiting in the transport at which the stream ends at once: what is said on it does not wait for room (answers of Envoys, ACKs). */
  readonly budgetBytes: number
  /** The oldest waiting message has to leave within this time, and the time that its bytes take at `slowestBytesPerSecond`. */
  readonly stillMs: number
  /** A response of a type has to be answered within this time, and that of its bytes. */
  readonly answerMs: number
  readonly slowestBytesPerSecond: number
}

/** Room for one large response beside another; links of 64 KiB/s work. */
export const defaultReaderLimits: ReaderLimits = {
  windowBytes: 1024 * 1024,
  budgetBytes: 64 * 1024 * 1024,
  stillMs: 30_000,
  answerMs: 120_000,
  slowestBytesPerSecond: 64 * 1024,
}

/** still: it takes no bytes. budget: too many wait for it. unanswered: it takes them, but does not answer. */
export type CutReason = 'still' | 'budget' | 'unanswered'

/** Why a reader is cut off. */
export interface CutOff {
  readonly reason: CutReason
  /** kds/slow-reader. */
  readonly error: AppError
}

/** What waits for a reader. */
export interface ReaderView {
  /** Bytes handed to the transport that it has not passed on. */
  readonly waitingBytes: number
  /** Nothing has left for so long. */
  readonly stillMs: number
  /** Nothing more is handed to the transport; changes wait under their keys. */
  readonly full: boolean
}

/** The watch of one stream. */
export interface ReaderWatch {
  /** A message goes to the transport; call what is returned once the transport has passed it on. */
  handed(bytes: number): () => void
  /** A response of a type waits for its answer: one a type. */
  asked(type: string, bytes: number): void
  answered(type: string): void
  readonly isFull: boolean
  /** Undefined while nothing waits. */
  readonly view: ReaderView | undefined
  /** No verdict comes any more. */
  close(): void
}

/** What watching needs. */
export interface ReaderWatchOptions {
  readonly clock: Clock
  readonly limits: ReaderLimits
  /** There is room again after it was full. */
  room(): void
  /** The reader is to be cut off; called at most once. */
  cut(cutOff: CutOff): void
}

/** Looks so often while something is outstanding. */
const beatMs = 5_000

/** A watch of a reader to whom nothing was sent yet. */
export function createReaderWatch({ clock, limits, room, cut }: ReaderWatchOptions): ReaderWatch {
  /** Sizes of the messages in the transport, in order; it passes them on in that order. */
  const waiting: number[] = []
  const unanswered = new Map<string, { readonly since: number; readonly bytes: number }>()
  let waitingBytes = 0
  let movedAt = 0
  let isFull = false
  let isOver = false
  const awake = createAwakeTime({ clock, beatMs: Math.min(beatMs, limits.stillMs), beat: () => judge() })

  const end = (reason: CutReason, what: string): void => {
    if (isOver) return
    close()
    cut({ reason, error: new AppError('kds/slow-reader', what, { retryable: true }) })
  }
  const close = (): void => {
    isOver = true
    awake.stop()
  }
  const begin = (): void => {
    if (!isOver) awake.start()
  }
  const rest = (): void => {
    if (waiting.length === 0 && unanswered.size === 0) awake.stop()
  }
  const allowance = (ms: number, bytes: number): number => ms + (bytes / limits.slowestBytesPerSecond) * 1000
  const judge = (): void => {
    const now = awake.now()
    const [oldest] = waiting
    if (oldest !== undefined && now - movedAt >= allowance(limits.stillMs, oldest))
      return end('still', `the peer took nothing for ${seconds(now - movedAt)} s while ${waitingBytes} bytes wait for it`)
    for (const [type, { since, bytes }] of unanswered) {
      if (now - since >= allowance(limits.answerMs, bytes))
        return end('unanswered', `the peer did not answer a response of type ${type} for ${seconds(now - since)} s`)
    }
  }
  const passed = (): void => {
    waitingBytes -= waiting.shift() ?? 0
    movedAt = awake.now()
    rest()
    if (isOver || !isFull || waitingBytes >= limits.windowBytes) return
    isFull = false
    room()
  }
  return {
    handed: (bytes) => {
      begin()
      if (waiting.length === 0) movedAt = awake.now()
      waiting.push(bytes)
      waitingBytes += bytes
      isFull = waitingBytes >= limits.windowBytes
      if (waitingBytes > limits.budgetBytes) end('budget', `${waitingBytes} bytes wait for a peer that does not take them`)
      let isPassed = false
      return () => {
        if (isPassed) return
        isPassed = true
        passed()
      }
    },
    asked: (type, bytes) => {
      begin()
      unanswered.set(type, { since: awake.now(), bytes })
    },
    answered: (type) => {
      unanswered.delete(type)
      rest()
    },
    get isFull() {
      return isFull
    },
    get view() {
      return waiting.length === 0 ? undefined : { waitingBytes, stillMs: Math.round(awake.now() - movedAt), full: isFull }
    },
    close,
  }
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000)
}
