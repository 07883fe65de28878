// Who was refused, in the log once: a zone that may not come in asks again every few seconds.
import type { Logger } from '@weft/foundation/log'

export interface RefusalLog {
  tell(peer: { readonly zone: string; readonly peerAddress: string }, reason: string): void
  /** The zone came in: its next refusal is news. */
  forget(zone: string): void
}

/** Names come from outside, so only so many are remembered. */
const limit = 1_000

/** Warns of the first refusal of a zone for a reason; the others are for debugging. */
export function createRefusalLog(log: Logger): RefusalLog {
  const told = new Map<string, string>()
  return {
    tell: ({ zone, peerAddress }, reason) => {
      const fields = { zone, peer: peerAddress, reason }
      if (told.get(zone) === reason) return log.debug(fields, 'kds zone refused again')
      told.delete(zone)
      told.set(zone, reason)
      const [oldest] = told.keys()
      if (told.size > limit && oldest !== undefined) told.delete(oldest)
      log.warn(fields, 'kds zone refused')
    },
    forget: (zone) => void told.delete(zone),
  }
}
