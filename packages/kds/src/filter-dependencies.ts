// What the filter towards zones reads besides the resource itself: the Zone of the owner.
import { isSharedAcrossZones, labelKeys, type Registry, type ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import type { ChangeFeed } from './change-feed.ts'

/** Where changes come from and who is told. */
export interface DependencyOptions {
  readonly feed: ChangeFeed
  readonly registry: Registry
  readonly store: Store
  /** Keys of one type. */
  listener(type: string, keys: readonly ResourceKey[]): void
}

/** Tells which resources a stream has to look at again. Returns the unsubscriber. */
export function watchDependencies({ feed, registry, store, listener }: DependencyOptions): () => void {
  const shared = registry.all.filter(isSharedAcrossZones).map((kind) => kind.type)
  return feed.on('Zone', (changes) => {
    const zones = new Set(changes.map(({ key }) => key.name))
    for (const type of shared) {
      const keys = store.list(type).filter(({ labels }) => zones.has(labels[labelKeys.zone] ?? ''))
      if (keys.length > 0) listener(type, keys)
    }
  })
}
