// Whether everything that global sends has been listed. The leader of a zone hears it from global and writes down that it did; its other
// replicas share its store, so it is true for them for as long as that leader lives, and stays true when one of them takes over.
import type { Component } from '@weft/foundation/lifecycle'
import { messageOf } from '@weft/foundation/errors'
import type { Logger } from '@weft/foundation/log'
import type { KdsClient } from '@weft/kds'
import type { ResourceKey } from '@weft/resources'
import type { Store } from '@weft/store'
import type { Leadership } from './leadership.ts'

export interface ZoneListing extends Component {
  isListed(): boolean
  /** Told when it may have changed. */
  onChange(listener: () => void): () => void
}

export interface ZoneListingNeeds {
  readonly leadership: Pick<Leadership, 'lease' | 'store' | 'mayWrite'>
  readonly instanceId: string
  readonly log: Logger
  /** Undefined in a standalone zone, where nothing is sent. Read from `start` on. */
  readonly client: () => Pick<KdsClient, 'connection' | 'onConnection'> | undefined
  readonly isFederated: boolean
}

/** The Config that says which process was the last to have everything. It never travels. */
export const listedConfig: ResourceKey = { type: 'Config', mesh: '', name: 'weft-kds-listed' }

export function createZoneListing({ leadership, instanceId, log, client, isFederated }: ZoneListingNeeds): ZoneListing {
  const { lease, store, mayWrite } = leadership
  const listeners = new Set<() => void>()
  const stops: (() => void)[] = []
  let wasListed = false

  const isComplete = (): boolean => client()?.connection().complete ?? false
  const isListed = (): boolean => {
    if (!isFederated || wasListed) return true
    wasListed = isComplete() || (lease.holder !== undefined && listedBy(store) === lease.holder)
    return wasListed
  }
  const tell = (): void => {
    for (const listener of listeners) listener()
  }
  const writeDown = async (): Promise<void> => {
    if (!isComplete() || !mayWrite() || listedBy(store) === instanceId) return
    try {
      await store.transact([{ op: 'put', resource: { ...listedConfig, labels: {}, spec: { config: instanceId } } }], {
        actor: 'generator:kds',
        reason: 'kds',
        class: 'observed',
      })
    } catch (error) {
      log.debug({ err: messageOf(error) }, 'kds other replicas are not told that all is listed')
    }
  }
  const changed = (): void => {
    void writeDown()
    tell()
  }
  return {
    name: 'zone-listing',
    isListed,
    onChange: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    start: async () => {
      if (!isFederated) return
      stops.push(
        client()?.onConnection(changed) ?? (() => {}),
        lease.onChange(changed),
        store.watch(store.seq, (changes) => {
          if (changes.some(({ key }) => key.type === listedConfig.type && key.name === listedConfig.name)) tell()
        }),
      )
    },
    stop: async () => {
      for (const stop of stops.splice(0)) stop()
    },
  }
}

function listedBy(store: Pick<Store, 'get'>): string | undefined {
  const spec = store.get(listedConfig)?.spec
  return typeof spec === 'object' && spec !== null && 'config' in spec && typeof spec.config === 'string' ? spec.config : undefined
}
