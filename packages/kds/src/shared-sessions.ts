// Which replica of a global has the session of a zone, and the newest right to act for it that any of them saw. One observed Config for each zone
// in the store they share; it never travels. Invariant: of two replicas that take a zone at once the one that stands in the store has it, and
// the other ends its own session as soon as it sees that.
import { messageOf } from '@weft/foundation/errors'
import { field, textField } from '@weft/foundation/json'
import type { Logger } from '@weft/foundation/log'
import type { ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import { type Fence, fenceAfter, type SessionIdentity } from './session-rule.ts'

/** A session as the store has it. */
export interface StoredSession {
  /** Instance of the replica that has it; '' when none has. */
  readonly replica: string
  readonly identity: SessionIdentity
  readonly fence: Fence | undefined
}

export interface SharedSessions {
  /** The session that another replica has. */
  elsewhere(zone: string): StoredSession | undefined
  fence(zone: string): Fence | undefined
  /** Whether the zone answers the replica that has its session. */
  isAnswering(replica: string, zone: string): Promise<boolean>
  /** This replica has the session now. */
  taken(zone: string, identity: SessionIdentity): void
  /** Its session is over. */
  left(zone: string): void
  /** Called when another replica took the session of a zone that this one has. */
  onLost(listener: (zone: string, to: StoredSession) => void): void
  /** Called when it is read that another replica has the session of a zone, also of one that was never here. */
  onElsewhere(listener: (zone: string) => void): void
  /** Follows the store until the function returned is called. */
  follow(): () => void
}

export interface SharedSessionsOptions {
  readonly store: Store
  readonly log: Logger
  readonly instanceId: string
  /** Asks another replica; false when it cannot be reached. */
  isAnswering(replica: string, zone: string): Promise<boolean>
}

const prefix = 'weft-kds-session.'
const context = { actor: 'generator:kds', reason: 'kds', class: 'observed' } as const

/** The replica that has the session of a zone. */
export function sessionReplica(store: Pick<Store, 'get'>, zone: string): string | undefined {
  return read(store, zone)?.replica || undefined
}

export function createSharedSessions(options: SharedSessionsOptions): SharedSessions {
  const { store, log, instanceId } = options
  const own = new Set<string>()
  /** Writes under way: until they are done the store may still show what was before. */
  const writing = new Map<string, number>()
  const listeners = new Set<(zone: string, to: StoredSession) => void>()
  const elsewhereListeners = new Set<(zone: string) => void>()
  const elsewhere = (zone: string): StoredSession | undefined => {
    const stored = read(store, zone)
    return stored && stored.replica !== '' && stored.replica !== instanceId && !own.has(zone) ? stored : undefined
  }

  const look = (zone: string): void => {
    if (!own.has(zone) || writing.has(zone)) return
    const stored = read(store, zone)
    if (!stored || stored.replica === instanceId) return
    if (stored.replica === '') {
      // an end that another wrote before it knew
      write(zone, { ...stored, replica: instanceId })
      return
    }
    own.delete(zone)
    log.info({ zone, replica: stored.replica }, 'another replica has the session of the zone')
    for (const listener of listeners) listener(zone, stored)
  }
  const moved = (zone: string): void => {
    look(zone)
    if (elsewhere(zone)) for (const listener of elsewhereListeners) listener(zone)
  }
  const write = (zone: string, session: StoredSession): void => {
    writing.set(zone, (writing.get(zone) ?? 0) + 1)
    const spec = { config: '', replica: session.replica, ...session.identity, fence: session.fence }
    // undefined fields are not JSON
    const resource = { ...keyOf(zone), labels: {}, spec: JSON.parse(JSON.stringify(spec)) as unknown }
    store
      .transact([{ op: 'put', resource }], context)
      .catch((error: unknown) => log.warn({ zone, err: messageOf(error) }, 'other replicas do not hear of the session of a zone'))
      .finally(() => {
        const left = (writing.get(zone) ?? 1) - 1
        if (left > 0) writing.set(zone, left)
        else {
          writing.delete(zone)
          look(zone)
        }
      })
  }
  return {
    elsewhere,
    fence: (zone) => read(store, zone)?.fence,
    isAnswering: options.isAnswering,
    taken: (zone, identity) => {
      own.add(zone)
      write(zone, { replica: instanceId, identity, fence: fenceAfter(identity, read(store, zone)?.fence) })
    },
    left: (zone) => {
      if (!own.delete(zone)) return
      const stored = read(store, zone)
      if (stored?.replica === instanceId) write(zone, { ...stored, replica: '' })
    },
    onLost: (listener) => void listeners.add(listener),
    onElsewhere: (listener) => void elsewhereListeners.add(listener),
    follow: () =>
      store.watch(store.seq, (changes) => {
        for (const { op, key } of changes) {
          if (key.type === 'Config' && key.name.startsWith(prefix)) moved(key.name.slice(prefix.length))
          if (key.type === 'Zone' && op === 'delete' && store.get(keyOf(key.name)) && !own.has(key.name)) forget(key.name)
        }
      }),
  }

  function forget(zone: string): void {
    store.transact([{ op: 'delete', key: keyOf(zone), ifPresent: true }], context).catch((error: unknown) => {
      log.debug({ zone, err: messageOf(error) }, 'the last session of a deleted zone stays written down')
    })
  }
}

function keyOf(zone: string): ResourceKey {
  return { type: 'Config', mesh: '', name: `${prefix}${zone}` }
}

function read(store: Pick<Store, 'get'>, zone: string): StoredSession | undefined {
  const spec = store.get(keyOf(zone))?.spec
  if (spec === undefined) return undefined
  const fence = field(spec, 'fence')
  const [storeId, epoch] = [textField(fence, 'storeId'), field(fence, 'epoch')]
  return {
    replica: textField(spec, 'replica'),
    identity: {
      storeId: textField(spec, 'storeId') || undefined,
      epoch: numberIn(field(spec, 'epoch')),
      instanceId: textField(spec, 'instanceId'),
    },
    fence: storeId !== '' && typeof epoch === 'number' ? { storeId, epoch } : undefined,
  }
}

function numberIn(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined
}
