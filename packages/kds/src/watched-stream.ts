// Writing to the other end of a stream and reading from it, alike at both ends: nothing is handed to a stream that is over, every message is
// told to the watch of its reader, and the writer hears whether there is room for more.
import type { Clock } from '@weft/foundation/time'
import { createReaderWatch, type CutOff, type ReaderLimits, type ReaderWatch } from './reader-watch.ts'

/** What both ends can do with a stream. */
export interface WatchedStream {
  /** How well the other end takes what is written. */
  readonly reader: ReaderWatch
  /** False: nothing more should be written until there is room. */
  write(bytes: Uint8Array): boolean
  pause(): void
  proceed(): void
}

/** A stream of grpc-js. */
interface ByteStream {
  write(bytes: Uint8Array, passed: () => void): unknown
  pause(): unknown
  resume(): unknown
}

/** What watching a stream needs. */
export interface StreamWatch {
  readonly clock: Clock
  readonly limits: ReaderLimits
  /** Nothing is written or told any more. */
  isOver(): boolean
  /** There is room again. */
  drained(): void
  /** The other end does not read. */
  cut(cutOff: CutOff): void
}

/** A stream to which nothing was written yet. */
export function watchStream(call: ByteStream, { clock, limits, isOver, drained, cut }: StreamWatch): WatchedStream {
  const reader = createReaderWatch({
    clock,
    limits,
    room: () => {
      if (!isOver()) drained()
    },
    cut: (cutOff) => {
      if (!isOver()) cut(cutOff)
    },
  })
  return {
    reader,
    write: (bytes) => {
      if (isOver()) return false
      const passed = reader.handed(bytes.length)
      // it may have been the message too many
      if (!isOver()) call.write(bytes, passed)
      return !reader.isFull
    },
    pause: () => void call.pause(),
    proceed: () => void (isOver() || call.resume()),
  }
}
