// The last changes of a zone's store and how far each has come with the zone's own proxies; those that came from global with the change of
// global's store, those that go up with whether global has them. The same view as at global, with only this zone and `global` in it.
import type { Component } from '@weft/foundation/lifecycle'
import type { Logger } from '@weft/foundation/log'
import type { Metrics } from '@weft/foundation/metrics'
import type { Clock } from '@weft/foundation/time'
import { isSentToZones, type Registry } from '@weft/resources'
import type { Store } from '@weft/store'
import { createChangeFeed } from './change-feed.ts'
import { type ChangeProgress, createChangeProgress } from './change-progress.ts'
import type { Delivery } from './received-progress.ts'
import type { SendingTrace } from './sending-trace.ts'
import type { ChangeReport, ChangeSelection } from './sync-status.ts'

export interface OwnChangesOptions {
  readonly store: Store
  readonly registry: Registry
  readonly clock: Clock
  readonly log: Logger
  readonly metrics?: Metrics
  /** Name of this zone. */
  readonly zone: string
  readonly delivery: Delivery
}

/** Follows the store from `start` on. */
export interface OwnChanges extends Component, Pick<ChangeProgress, 'originated'> {
  /** Follows a stream on which this zone sends: what of it is stored at global. */
  trace(): SendingTrace | undefined
  report(selection: ChangeSelection): ChangeReport
}

const maxProxies = 10

export function createOwnChanges({ store, registry, clock, log, metrics, zone, delivery }: OwnChangesOptions): OwnChanges {
  let progress: ChangeProgress | undefined
  let stop = (): void => {}
  return {
    name: 'own-changes',
    start: async () => {
      const feed = createChangeFeed(store, log)
      const types = registry.all.filter(isSentToZones).map((kind) => kind.type)
      const followed = createChangeProgress({ store, feed, clock, metrics, types, local: zone })
      const unfollow = delivery.onProgress(() => followed.delivered(zone, delivery))
      // what an earlier leader sent, or will send before this process leads, counts too
      followed.known('global')
      progress = followed
      stop = () => {
        unfollow()
        feed.close()
      }
    },
    stop: async () => stop(),
    trace: () => progress?.trace('global'),
    originated: (type, origins) => progress?.originated(type, origins),
    report: (selection) => ({
      ...(progress?.report(selection) ?? { items: [], zones: [] }),
      proxies: delivery.waiting?.(maxProxies) ?? [],
    }),
  }
}
