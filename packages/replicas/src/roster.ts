// The other replicas as one way of hearing of them has them, and who is told when one comes or is missed. A listener that fails costs nobody else.
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { Member, Presence } from './contract.ts'

type Listener = (member: Member) => void

export interface Roster extends Pick<Presence, 'members' | 'onJoined' | 'onMissing'> {
  has(instanceId: string): boolean
  readonly size: number
  /** All that were heard of now: tells of those that are new and, where silence counts, of those that are not among them. */
  heard(members: readonly Member[], options: { readonly isSilenceCounted: boolean }): void
}

/** Nobody is there yet. */
export function createRoster(log: Logger): Roster {
  const members = new Map<string, Member>()
  const joined = new Set<Listener>()
  const missing = new Set<Listener>()
  const tell = (listeners: ReadonlySet<Listener>, member: Member): void => {
    for (const listener of listeners) {
      try {
        listener(member)
      } catch (error) {
        log.error({ err: messageOf(error) }, 'listener of replicas failed')
      }
    }
  }
  return {
    members: () => [...members.values()],
    has: (instanceId) => members.has(instanceId),
    get size() {
      return members.size
    },
    onJoined: (listener) => {
      joined.add(listener)
      return () => void joined.delete(listener)
    },
    onMissing: (listener) => {
      missing.add(listener)
      return () => void missing.delete(listener)
    },
    heard: (now, { isSilenceCounted }) => {
      const seen = new Map(now.map((member) => [member.instanceId, member]))
      for (const [id, member] of seen) {
        const isNew = !members.has(id)
        members.set(id, member)
        if (isNew) tell(joined, member)
      }
      if (!isSilenceCounted) return
      for (const [id, member] of members) {
        if (seen.has(id)) continue
        members.delete(id)
        tell(missing, member)
      }
    },
  }
}
