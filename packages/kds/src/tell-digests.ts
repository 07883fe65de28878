// Tells an own peer every minute what it should hold, as one digest a type. A type that is busy then follows as soon as it is quiet.
import { randomUUID } from 'node:crypto'
import type { Clock, Timer } from '@weft/foundation/time'
import { digestIntervalMs, digestsType } from './digest.ts'
import type { SendingType } from './sending-type.ts'
import { composeResponse, frameResource } from './wire.ts'

/** What telling needs. */
export interface DigestTellingOptions {
  readonly clock: Clock
  readonly identifier: string
  write(bytes: Uint8Array): boolean
  types(): readonly SendingType[]
  /** Nothing of a type is on its way or waits. */
  isQuiet(state: SendingType): boolean
}

export interface DigestTelling {
  /** A type may have become quiet. */
  quiet(): void
  close(): void
}

export function tellDigests({ clock, identifier, write, types, isQuiet }: DigestTellingOptions): DigestTelling {
  const due = new Set<SendingType>()
  let timer: Timer | undefined
  const quiet = (): void => {
    const ready = [...due].filter(isQuiet)
    if (ready.length === 0) return
    for (const state of ready) due.delete(state)
    const frames = ready.map((state) => frameResource(state.type, state.digest(), new Uint8Array(0)))
    write(composeResponse({ type: digestsType, nonce: randomUUID(), sender: identifier, frames, removed: [] }))
  }
  const wait = (): void => {
    timer = clock.after(digestIntervalMs, () => {
      for (const state of types()) due.add(state)
      quiet()
      wait()
    })
  }
  wait()
  return {
    quiet,
    close: () => {
      timer?.cancel()
      due.clear()
    },
  }
}
