// One way in which a federation can be hurt.
import type { Place } from './history.ts'
import type { Random } from './random.ts'
import type { Stage } from './stage.ts'

export interface Fault {
  readonly name: string
  /** What it takes hold of; two faults that share anything are not injected at the same time. */
  readonly touches: readonly string[]
  /** Zones whose proxies may not follow global while it lasts; all others must. */
  readonly cutsOff: readonly Place[]
  /** Injects, holds and lifts. Rejects when a peer was treated otherwise than promised. */
  run(stage: Stage): Promise<void>
}

/** A fault whose place, length and strength are drawn at random. */
export interface FaultKind {
  readonly name: string
  /** What the product lacks to come through. Such a kind is never drawn, only asked for by name; absent: part of every run. */
  readonly awaits?: string
  draw(random: Random): Fault
}

/** Resolves when patience is over; keeps no process alive. */
export const outOfPatience = (): Promise<void> => new Promise((next) => void setTimeout(next, 120_000).unref())

export const pause = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, ms))

export const zoneNames = ['east', 'west'] as const
