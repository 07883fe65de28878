// Presence by a fast way of hints beside the table that all replicas share: who is there as the table says it or the hints do, missed when
// either misses it, and holders as the hints have them. A doubt is confirmed elsewhere, so the faster of the two may be wrong.
import type { Member, Presence } from './contract.ts'

export function joinPresence(table: Presence, hints: Presence): Presence {
  const both = [table, hints]
  const onEither = (subscribe: (presence: Presence) => () => void): (() => void) => {
    const stops = both.map(subscribe)
    return () => {
      for (const stop of stops) stop()
    }
  }
  return {
    get isUp() {
      return table.isUp || hints.isUp
    },
    members: () => [...new Map(both.flatMap((presence) => presence.members()).map((member) => [member.instanceId, member])).values()],
    onMissing: (listener) => onEither((presence) => presence.onMissing(listener)),
    onJoined: (listener) => onEither((presence) => presence.onJoined(listener)),
    hold: (holding) => onEither((presence) => presence.hold(holding)),
    holder: async (holding) => {
      const hint = hints.isUp ? await hints.holder(holding).catch(() => undefined) : undefined
      return hint ?? table.holder(holding)
    },
  }
}

/** Keeps a way of announcing told of who lives, as the table has it. Returns what ends that. */
export function tellLiving(presence: Presence, announcer: { awaits?(instanceIds: readonly string[]): void }): () => void {
  const tell = (): void => announcer.awaits?.(presence.members().map(({ instanceId }: Member) => instanceId))
  const stops = [presence.onJoined(tell), presence.onMissing(tell)]
  return () => {
    for (const stop of stops) stop()
  }
}
