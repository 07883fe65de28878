// Presence by a fast way of hints beside the table that all replicas share: who is there as the table says it or the hints do, missed when
// either misses it, up as the table is, and holders as the hints have them. A doubt is confirmed elsewhere, so the faster of the two may be wrong.
import type { Member, Presence } from './contract.ts'

export function joinPresence(table: Presence, hints: Presence): Presence {
  const both = [table, hints]
  const present = new Set<string>()
  const missing = new Set<(member: Member) => void>()
  const joined = new Set<(member: Member) => void>()
  // the second of the two to say so says nothing new
  for (const presence of both) {
    for (const { instanceId } of presence.members()) present.add(instanceId)
    presence.onJoined((member) => {
      if (present.has(member.instanceId)) return
      present.add(member.instanceId)
      for (const listener of joined) listener(member)
    })
    presence.onMissing((member) => {
      if (!present.delete(member.instanceId)) return
      for (const listener of missing) listener(member)
    })
  }
  return {
    get isUp() {
      return table.isUp
    },
    members: () => [...new Map(both.flatMap((presence) => presence.members()).map((member) => [member.instanceId, member])).values()],
    onMissing: (listener) => {
      missing.add(listener)
      return () => void missing.delete(listener)
    },
    onJoined: (listener) => {
      joined.add(listener)
      return () => void joined.delete(listener)
    },
    hold: (holding) => {
      const releases = both.map((presence) => presence.hold(holding))
      return () => {
        for (const release of releases) release()
      }
    },
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
