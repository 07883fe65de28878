// What a receiver really holds of an origin: not what it remembers to have accepted, but what its store says now. Built once, then followed.
import { nameKey, type Resource, type ResourceDescriptor, type ResourceKey } from '@weft/resources'
import { jsonEqual, type Change, type Store } from '@weft/store'
import type { ChangeFeed } from './change-feed.ts'
import { createDigest, type Digest, type DigestPart, digestPart, unknownVersion } from './digest.ts'

/** As which version of its origin a stored value was applied. A value that something else wrote has none. */
const appliedAs = new WeakMap<Resource, string>()

/** Notes that what is stored now is this version of its origin. */
export function noteApplied(stored: Resource | undefined, version: string): void {
  if (stored) appliedAs.set(stored, version)
}

/** What decides what counts as held. */
export interface HoldingsOptions {
  readonly kind: ResourceDescriptor
  readonly store: Pick<Store, 'get' | 'list'>
  readonly feed: ChangeFeed
  /** A change of the status alone is one of this side, and changes nothing of what the origin wrote. */
  readonly keepsOwnStatus: boolean
  owns(stored: Resource): boolean
  /** The version that was accepted under a wire name. */
  accepted(wireName: string): string | undefined
  /** Held back or refused on purpose: the origin knows or will be told otherwise. */
  isExcepted(key: ResourceKey, wireName: string): boolean
}

/** Everything of one type that belongs to the origin. */
export interface Holdings {
  /** To be looked at again, because something other than the store changed. */
  touch(keys: readonly ResourceKey[]): void
  digest(): string
  /** Wire name to version; `unknownVersion` for what the origin did not write like this. */
  versions(): Map<string, string>
  close(): void
}

/** Own peers only: their wire names are the names here. */
export function followHoldings(options: HoldingsOptions): Holdings {
  const { kind, store, feed } = options
  const held = new Map<string, { readonly wireName: string; readonly version: string; readonly part: DigestPart }>()
  const touched = new Map<string, ResourceKey>()
  let digest: Digest | undefined
  const stop = feed.on(kind.type, (changes) => {
    for (const change of changes) {
      if (options.keepsOwnStatus) carryOver(change)
      if (digest) touched.set(nameKey(change.key), change.key)
    }
  })
  const look = (into: Digest, key: ResourceKey): void => {
    const id = nameKey(key)
    const before = held.get(id)
    const stored = store.get(key)
    const wireName = `${key.name}.${key.mesh}`
    const counts = stored !== undefined && options.owns(stored) && !options.isExcepted(key, wireName)
    const applied = stored && appliedAs.get(stored)
    const version = applied !== undefined && applied === options.accepted(wireName) ? applied : unknownVersion
    if (before && counts && before.version === version) return
    if (before) into.remove(before.part)
    held.delete(id)
    if (!counts) return
    const part = digestPart(wireName, version)
    held.set(id, { wireName, version, part })
    into.add(part)
  }
  const upToDate = (): Digest => {
    const now = (digest ??= createDigest())
    if (held.size === 0) for (const { type, mesh, name } of store.list(kind.type)) look(now, { type, mesh, name })
    for (const key of touched.values()) look(now, key)
    touched.clear()
    return now
  }
  return {
    touch: (keys) => {
      if (digest) for (const key of keys) touched.set(nameKey(key), key)
    },
    digest: () => upToDate().text(),
    versions: () => {
      upToDate()
      return new Map([...held.values()].map(({ wireName, version }) => [wireName, version]))
    },
    close: stop,
  }
}

function carryOver({ before, after }: Change): void {
  const version = before && appliedAs.get(before)
  if (version === undefined || !after) return
  if (jsonEqual(before?.labels, after.labels) && jsonEqual(before?.spec, after.spec)) appliedAs.set(after, version)
}
