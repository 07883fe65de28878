// Which faults come when. The seed decides everything: order, places, lengths, and what happens at the same time.
import type { Fault, FaultKind } from './fault.ts'
import { copyFaults } from './faults/copies.ts'
import { databaseFaults } from './faults/databases.ts'
import { epochFaults } from './faults/epochs.ts'
import { heldFaults } from './faults/held.ts'
import { networkFaults } from './faults/network.ts'
import { peerFaults } from './faults/peers.ts'
import { processFaults, standInFaults } from './faults/processes.ts'
import type { LayoutName } from './layout.ts'
import type { Random } from './random.ts'

/** What can be injected where. What peers do does not depend on where state lies: it has its turn with files. */
const kindsOf: Readonly<Record<LayoutName, readonly FaultKind[]>> = {
  files: [...networkFaults, ...processFaults, ...standInFaults, ...peerFaults, ...epochFaults, ...copyFaults, ...heldFaults],
  disks: [...networkFaults, ...processFaults],
  databases: [...networkFaults, ...processFaults, ...databaseFaults],
}

/** Deaths and standstill of processes and of the database server. */
export const crashFaults: readonly FaultKind[] = [...processFaults.filter(({ name }) => name !== 'clock jump'), ...databaseFaults]

/** Everything that can be injected, by name. */
export const allKinds: readonly FaultKind[] = [...new Set(Object.values(kindsOf).flat())]

/** What a run draws from. */
export function faultKinds(layout: LayoutName): readonly FaultKind[] {
  return kindsOf[layout].filter(({ awaits }) => awaits === undefined)
}

/** Faults that run at the same time. */
export interface Round {
  readonly faults: readonly Fault[]
  /** Names of their kinds. */
  readonly kinds: readonly string[]
}

const mostAtOnce = 3

/** Rounds without end: first every kind once, in random order, then kinds at random. */
export function* rounds(random: Random, kinds: readonly FaultKind[]): Generator<Round, never> {
  const waiting = random.shuffled(kinds)
  for (;;) {
    const faults: Fault[] = []
    const names: string[] = []
    const touched = new Set<string>()
    const size = random.between(1, mostAtOnce)
    for (let tries = 0; faults.length < size && tries < 2 * mostAtOnce; tries++) {
      const due = waiting.shift()
      const kind = due ?? random.pick(kinds)
      const fault = kind.draw(random)
      if (fault.touches.some((each) => touched.has(each))) {
        // its turn comes in a later round
        if (due) waiting.push(due)
        continue
      }
      for (const each of fault.touches) touched.add(each)
      faults.push(fault)
      names.push(kind.name)
    }
    yield { faults, kinds: names }
  }
}
