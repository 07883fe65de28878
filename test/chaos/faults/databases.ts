// Faults of the PostgreSQL server that global and a zone keep their state on: crashes, restarts, standstill, and the loss of everything at once.
import { type Fault, type FaultKind, pause, zoneNames } from '../fault.ts'
import type { Random } from '../random.ts'
import { databaseOf, type Stage } from '../stage.ts'

/** While the database is away nobody can follow global: it takes no edits. */
const takesAway = { touches: ['database', 'global'], cutsOff: zoneNames } as const

const ended = (how: string, signal: 'SIGKILL' | 'SIGINT'): FaultKind => ({
  name: how,
  draw: (random): Fault => {
    const downMs = random.between(0, 2_500)
    return {
      name: `${how}, back after ${downMs} ms`,
      ...takesAway,
      run: async (stage) => {
        await databaseOf(stage).kill(signal)
        await pause(downMs)
        await databaseOf(stage).start()
      },
    }
  },
})

export const databaseFaults: readonly FaultKind[] = [
  ended('kill -9 of the database server', 'SIGKILL'),
  // what a failover to the same data looks like: sessions end in order, and it is gone for a moment
  ended('restart of the database server', 'SIGINT'),
  {
    name: 'kill -9 of a backend',
    draw: (random): Fault => {
      const victims = Array.from({ length: random.between(1, 3) }, () => random.next())
      return {
        name: `kill -9 of ${victims.length} backend(s) of the database server`,
        ...takesAway,
        run: async (stage) => {
          for (const victim of victims) {
            await databaseOf(stage).killBackend(victim)
            await pause(300)
          }
        },
      }
    },
  },
  {
    name: 'frozen database server',
    draw: (random): Fault => {
      const ms = random.between(500, 5_000)
      return {
        name: `the database server frozen for ${ms} ms`,
        ...takesAway,
        run: async (stage) => {
          databaseOf(stage).freeze()
          await pause(ms)
          databaseOf(stage).thaw()
        },
      }
    },
  },
  {
    name: 'global back before its database',
    draw: (random): Fault => {
      const [downMs, aloneMs] = [random.between(0, 500), random.between(0, 3_000)]
      return {
        name: `kill -9 of global and of the database server, which is back ${aloneMs} ms after global was started`,
        ...takesAway,
        run: async (stage) => {
          await Promise.all([stage.restart('global', downMs), away(stage, downMs + aloneMs)])
        },
      }
    },
  },
  {
    name: 'kill -9 of everything',
    draw: (random): Fault => {
      const places = ['global', ...zoneNames]
      const downMs = drawnFor([...places, 'database'], random)
      return {
        name: `kill -9 of everything, back after ${[...downMs].map(([what, ms]) => `${ms} ms (${what})`).join(', ')}`,
        touches: [...takesAway.touches, ...zoneNames],
        cutsOff: zoneNames,
        run: async (stage) => {
          await Promise.all([
            ...places.map((place) => stage.restart(place, downMs.get(place) ?? 0)),
            away(stage, downMs.get('database') ?? 0),
          ])
        },
      }
    },
  },
]

function drawnFor(names: readonly string[], random: Random): ReadonlyMap<string, number> {
  return new Map(names.map((name) => [name, random.between(0, 2_500)]))
}

/** Kills the server and starts it again. */
async function away(stage: Stage, ms: number): Promise<void> {
  await databaseOf(stage).kill('SIGKILL')
  await pause(ms)
  await databaseOf(stage).start()
}
