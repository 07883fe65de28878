// Faults of control planes as processes: killed, frozen, with a wrong clock, or back without what they knew.
import { type Fault, type FaultKind, pause, zoneNames } from '../fault.ts'
import type { Place } from '../history.ts'

const hourMs = 3_600_000

/** While global is away nobody can follow it. */
const cutOffBy = (place: Place): readonly Place[] => (place === 'global' ? zoneNames : [place])

const killed = (place: Place): FaultKind => ({
  name: `kill -9 of ${place}`,
  draw: (random): Fault => {
    const downMs = random.between(0, 2_500)
    return {
      name: `kill -9 of ${place}, back after ${downMs} ms`,
      touches: [place],
      cutsOff: cutOffBy(place),
      run: (stage) => stage.restart(place, downMs),
    }
  },
})

export const processFaults: readonly FaultKind[] = [
  killed('global'),
  // on disk, and in memory: it comes back empty
  killed('east'),
  killed('west'),
  {
    name: 'frozen process',
    draw: (random): Fault => {
      const place = random.pick(['global', ...zoneNames])
      const ms = random.between(1_000, 5_000)
      return {
        name: `${place} frozen for ${ms} ms`,
        touches: [place],
        cutsOff: cutOffBy(place),
        run: async ({ federation }) => {
          federation.plane(place).freeze()
          await pause(ms)
          federation.plane(place).thaw()
        },
      }
    },
  },
  {
    name: 'clock jump',
    draw: (random): Fault => {
      const place = random.pick(['global', ...zoneNames])
      const ms = random.pick([-hourMs, -60_000, 60_000, hourMs]) + random.between(-5_000, 5_000)
      return {
        name: `clock of ${place} jumps by ${Math.round(ms / 1000)} s and back`,
        touches: [place],
        cutsOff: [],
        run: async ({ federation }) => {
          federation.plane(place).shiftClock(ms)
          await pause(1_500)
          federation.plane(place).shiftClock(0)
        },
      }
    },
  },
]

/** Only where global keeps its state in its folder. */
export const standInFaults: readonly FaultKind[] = [
  {
    name: 'global without its store',
    draw: (random): Fault => {
      const ms = random.between(1_000, 3_000)
      return {
        name: `another, empty global in place of global for ${ms} ms`,
        touches: ['global'],
        cutsOff: zoneNames,
        run: (stage) => stage.standIn(ms),
      }
    },
  },
]
