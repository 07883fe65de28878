// What this control plane remembers of one origin across restarts: its incarnation, and the resources it stopped listing without evidence
// that they were deleted (architecture.md section 7). Kept in a Config of this control plane, which never travels.
import { hasCode, messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import { timestamp } from '@weft/foundation/time'
import { nameKey, type ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import type { HeldResources, HoldReason, HoldState } from './contract.ts'
import { isRecord, member, stringMembers, text } from './json.ts'
import { createRecentDeletions, type RecentDeletions } from './mass-delete-guard.ts'

/** The memory of one origin. */
export interface OriginLedger {
  /** The last incarnation seen; undefined before the first. */
  readonly incarnation: string | undefined
  /** Notes the incarnation of the origin. A new one puts everything owned so far on hold: its lists prove nothing about the old one's. */
  admit(incarnation: string, owned: () => readonly ResourceKey[]): Promise<void>
  /** Held or kept: not to be deleted. */
  isHeld(key: ResourceKey): boolean
  /** What it deleted lately, over all of its streams. */
  readonly deletions: RecentDeletions
  /** What was accepted of its present incarnation since this process started. */
  readonly accepted: Map<string, Map<string, string>>
  hold(keys: readonly ResourceKey[], reason: HoldReason): Promise<void>
  /** Someone wants to keep these although the origin deleted them. Those that are not held are left alone. */
  keep(keys: readonly ResourceKey[]): Promise<void>
  /** Listed again, or gone for good. */
  release(keys: readonly ResourceKey[]): Promise<void>
  held(): readonly HeldResources[]
}

/** Where the ledger is kept, and of whom. */
export interface LedgerOptions {
  readonly store: Store
  readonly log: Logger
  /** The zone's name at global; 'global' at a zone. */
  readonly origin: string
  /** Wall clock, ms; that of the system when absent. */
  now?(): number
}

/** Prefix of the names of the Configs that hold ledgers. */
export const ledgerPrefix = 'weft-kds-origin.'

/**
 * Reads the ledger of an origin, and again whenever another process wrote it. Failing writes are logged; memory is then ahead of the store,
 * unless it turns out to be another process's to write.
 */
export function openOriginLedger({ store, log, origin, now = Date.now }: LedgerOptions): OriginLedger {
  const key = { type: 'Config', mesh: '', name: `${ledgerPrefix}${origin}` }
  /** What was read or written last. */
  let known: unknown
  let incarnation: string | undefined
  const held = new Map<string, Map<string, Hold>>()
  /** The last write that the store has not taken. */
  let unwritten: string | undefined
  const sync = (): void => {
    const config = member(store.get(key)?.spec, 'config')
    if (config === known || unwritten !== undefined) return
    known = config
    const read = parse(config)
    incarnation = read.incarnation
    held.clear()
    for (const [type, keys] of read.held) held.set(type, keys)
  }
  const deletions = createRecentDeletions()
  const accepted = new Map<string, Map<string, string>>()

  const save = async (): Promise<void> => {
    const config = JSON.stringify({
      incarnation,
      held: Object.fromEntries(
        [...held].map(([type, keys]) => [type, Object.fromEntries([...keys].map(([name, hold]) => [name, holdText(hold)]))]),
      ),
    })
    unwritten = config
    try {
      await store.transact([{ op: 'put', resource: { ...key, labels: {}, spec: { config } } }], {
        actor: 'generator:kds',
        reason: 'kds',
        // what is held is somebody's to decide, so it is on disk before the deletion is acknowledged; observed writes come a moment later
        class: 'desired',
      })
      if (unwritten !== config) return
      unwritten = undefined
      known = config
    } catch (error) {
      if (hasCode(error, 'store/fenced')) unwritten = undefined
      log.warn({ origin, err: messageOf(error) }, 'kds origin ledger not saved')
    }
  }
  const add = (keys: readonly ResourceKey[], reason: HoldReason): boolean => {
    // one hold is one moment: what was held together is shown together
    const since = timestamp(now())
    for (const item of keys) {
      const ofType = held.get(item.type) ?? new Map<string, Hold>()
      held.set(item.type, ofType)
      ofType.set(nameKey(item), { reason, state: 'held', since })
    }
    return keys.length > 0
  }
  return {
    get incarnation() {
      sync()
      return incarnation
    },
    admit: async (next, owned) => {
      sync()
      if (next === incarnation) return
      const first = incarnation === undefined
      const kept = owned()
      incarnation = next
      add(kept, 'incarnation')
      if (kept.length > 0)
        log.warn({ origin, count: kept.length, first }, 'kds origin has another incarnation; what it does not list is kept')
      await save()
    },
    isHeld: (item) => {
      sync()
      return held.get(item.type)?.has(nameKey(item)) ?? false
    },
    deletions,
    accepted,
    keep: async (keys) => {
      sync()
      for (const item of keys) {
        const ofType = held.get(item.type)
        const hold = ofType?.get(nameKey(item))
        if (hold) ofType?.set(nameKey(item), { ...hold, state: 'kept' })
      }
      await save()
    },
    hold: async (keys, reason) => {
      sync()
      if (add(keys, reason)) await save()
    },
    release: async (keys) => {
      sync()
      let changed = false
      for (const item of keys) {
        const ofType = held.get(item.type)
        if (!ofType?.delete(nameKey(item))) continue
        changed = true
        if (ofType.size === 0) held.delete(item.type)
      }
      if (changed) await save()
    },
    held: () => {
      sync()
      return [...held].flatMap(([type, keys]) => {
        const groups = new Map<string, HeldResources & { readonly keys: ResourceKey[] }>()
        for (const [name, hold] of keys) {
          const text = holdText(hold)
          const group = groups.get(text) ?? { origin, type, ...hold, keys: [] }
          groups.set(text, group)
          group.keys.push(splitNameKey(type, name))
        }
        return [...groups.values()]
      })
    },
  }
}

/** Why, since when, and whether someone has decided to keep it. */
interface Hold {
  readonly reason: HoldReason
  readonly state: HoldState
  /** RFC 3339. */
  readonly since: string
}

function holdText({ reason, state, since }: Hold): string {
  return `${reason} ${state} ${since}`
}

function readHold(text: string): Hold {
  const [reason = '', state = '', since = ''] = text.split(' ')
  return { reason: reason === 'mass-deletion' ? reason : 'incarnation', state: state === 'kept' ? state : 'held', since }
}

function parse(config: unknown): { readonly incarnation: string | undefined; readonly held: Map<string, Map<string, Hold>> } {
  const held = new Map<string, Map<string, Hold>>()
  if (typeof config !== 'string') return { incarnation: undefined, held }
  let value: unknown
  try {
    value = JSON.parse(config)
  } catch {
    return { incarnation: undefined, held }
  }
  const types = member(value, 'held')
  for (const type of isRecord(types) ? Object.keys(types) : []) {
    const names = Object.entries(stringMembers(member(types, type)))
    held.set(type, new Map(names.map(([name, hold]) => [name, readHold(hold)])))
  }
  return { incarnation: text(value, 'incarnation') || undefined, held }
}

function splitNameKey(type: string, value: string): ResourceKey {
  const slash = value.indexOf('/')
  return { type, mesh: value.slice(0, slash), name: value.slice(slash + 1) }
}
