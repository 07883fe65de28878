// What this process holds, as Redis has it. Hints: written soon, in batches, again from time to time because they end by themselves, and all
// of them anew when Redis may have lost them.
import type { Logger } from '@weft/foundation/log'
import { messageOf } from '@weft/foundation/errors'
import type { Holding } from '../contract.ts'
import { type PresenceKeys, releaseScript } from './presence-scripts.ts'
import type { RedisLink } from './redis-link.ts'

export interface Holdings {
  readonly size: number
  hold(holding: Holding): () => void
  /** Writes a part again, so that all are written well before they end. Once with each beat. */
  refresh(): void
  /** Everything is to be written again. */
  rewrite(): void
}

const ttlMs = 600_000
/** Beats for a round of refreshing. */
const beatsPerRound = 200
const batchSize = 500

export function createHoldings(options: {
  readonly link: RedisLink
  readonly keys: PresenceKeys
  readonly instanceId: string
  readonly log: Logger
}): Holdings {
  const { link, keys, instanceId, log } = options
  /** With what tells one claim of a holding from a later one. */
  const held = new Map<Holding, symbol>()
  const toWrite = new Set<Holding>()
  const toRelease = new Set<Holding>()
  let round: Holding[] = []
  let isFlushing = false
  let isScheduled = false

  const takeFrom = (set: Set<Holding>): readonly Holding[] => {
    const batch = [...set].slice(0, batchSize)
    for (const holding of batch) set.delete(holding)
    return batch
  }
  const keysOf = (holdings: readonly Holding[]): string[] => holdings.map((holding) => keys.holderPrefix + holding)
  const flush = async (): Promise<void> => {
    if (isFlushing) return
    isFlushing = true
    let written: readonly Holding[] = []
    try {
      while (link.isUp && (toRelease.size > 0 || toWrite.size > 0)) {
        const released = takeFrom(toRelease)
        if (released.length > 0) await link.run((client) => client.eval(releaseScript, released.length, ...keysOf(released), instanceId))
        written = takeFrom(toWrite).filter((holding) => held.has(holding))
        if (written.length === 0) continue
        await link.run(async (client) => {
          const batch = client.pipeline()
          for (const key of keysOf(written)) batch.set(key, instanceId, 'PX', ttlMs)
          await batch.exec()
        })
      }
    } catch (error) {
      for (const holding of written) toWrite.add(holding)
      log.debug({ err: messageOf(error) }, 'holdings are not in Redis yet')
    }
    isFlushing = false
  }
  const schedule = (): void => {
    if (isScheduled || !link.isUp) return
    isScheduled = true
    setImmediate(() => {
      isScheduled = false
      void flush()
    })
  }

  return {
    get size() {
      return held.size
    },
    hold: (holding) => {
      const claim = Symbol(holding)
      held.set(holding, claim)
      toRelease.delete(holding)
      toWrite.add(holding)
      schedule()
      return () => {
        if (held.get(holding) !== claim) return
        held.delete(holding)
        toWrite.delete(holding)
        toRelease.add(holding)
        schedule()
      }
    },
    refresh: () => {
      if (round.length === 0) round = [...held.keys()]
      for (const holding of round.splice(0, Math.ceil(held.size / beatsPerRound))) toWrite.add(holding)
      schedule()
    },
    rewrite: () => {
      for (const holding of held.keys()) toWrite.add(holding)
      schedule()
    },
  }
}
