// Faults of the network between a zone and global, and between a zone and its proxies.
import { type Fault, type FaultKind, pause, zoneNames } from '../fault.ts'
import type { Direction, FaultyLink } from '../faulty-link.ts'
import type { Random } from '../random.ts'

interface LinkFault {
  readonly name: string
  /** Drawn for each fault; the text describes it. */
  draw(random: Random): { readonly text: string; readonly act: (link: FaultyLink) => Promise<void> }
}

const held = (name: string, directions: readonly Direction[]): LinkFault => ({
  name,
  draw: (random) => {
    const ms = random.between(800, 4_000)
    return {
      text: `${ms} ms`,
      act: async (link) => {
        link.partition(directions)
        await pause(ms)
      },
    }
  },
})

const linkFaults: readonly LinkFault[] = [
  held('partition', ['up', 'down']),
  held('loss towards global', ['up']),
  held('loss towards the zone', ['down']),
  {
    name: 'delay',
    draw: (random) => {
      const ms = random.between(100, 900)
      return {
        text: `${ms} ms`,
        act: async (link) => {
          link.delay(ms)
          await pause(2_000)
        },
      }
    },
  },
  {
    name: 'resets',
    draw: (random) => {
      const pauses = Array.from({ length: random.between(2, 4) }, () => random.between(50, 900))
      return {
        text: `after ${pauses.join(', ')} ms`,
        act: async (link) => {
          for (const ms of pauses) {
            await pause(ms)
            link.reset()
          }
        },
      }
    },
  },
  {
    name: 'slow reader',
    draw: (random) => {
      const rate = random.between(500, 8_000)
      return {
        text: `${rate} bytes/s`,
        act: async (link) => {
          link.slow(rate)
          await pause(3_000)
        },
      }
    },
  },
  {
    name: 'half-open',
    draw: (random) => {
      const ms = random.between(1_000, 3_000)
      return {
        text: `${ms} ms`,
        act: async (link) => {
          link.halfOpen()
          await pause(ms)
        },
      }
    },
  },
]

export const networkFaults: readonly FaultKind[] = [
  ...linkFaults.map(
    ({ name, draw }): FaultKind => ({
      name,
      draw: (random): Fault => {
        const zone = random.pick(zoneNames)
        const { text, act } = draw(random)
        return {
          name: `${name} between ${zone} and global (${text})`,
          touches: [`link ${zone}`],
          cutsOff: [zone],
          run: async ({ federation }) => {
            const link = federation.link(zone)
            await act(link)
            link.heal()
          },
        }
      },
    }),
  ),
  {
    name: 'proxies cut off',
    draw: (random): Fault => {
      const zone = random.pick(zoneNames)
      const ms = random.between(500, 3_000)
      const isReset = random.next() < 0.5
      return {
        name: `proxies of ${zone} ${isReset ? 'lose their connections' : `cut off (${ms} ms)`}`,
        touches: [`proxies ${zone}`],
        cutsOff: [zone],
        run: async ({ federation }) => {
          const link = federation.proxyLink(zone)
          if (isReset) link.reset()
          else {
            link.partition()
            await pause(ms)
          }
          link.heal()
        },
      }
    },
  },
]
