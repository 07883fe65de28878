// What the replicas of a zone share of their proxies, and what becomes of the proxies of one that dies.
import { createSharedProxyStates, type DataplaneServer, type ProxySinks } from '@weft/dataplane-server'
import type { Component } from '@weft/foundation/lifecycle'
import { holderOf } from '@weft/insights'
import { followReplicaDeaths } from './replica-deaths.ts'
import type { SharedParts } from './shared-parts.ts'
import type { ZoneRecovery } from './zone-recovery.ts'

export interface ZoneReplicas {
  readonly sinks: ProxySinks
  isLiveElsewhere(proxyKey: string): boolean
  /** Before the server of proxies. */
  readonly components: readonly Component[]
}

export interface ZoneReplicasNeeds {
  /** Gets what any replica notices. */
  readonly facts: ProxySinks
  readonly lifecycle: () => Pick<DataplaneServer['lifecycle'], 'moved' | 'adopt'>
  readonly recovering: Pick<ZoneRecovery, 'replicaTold'>
}

/** A process with a store of its own shares nothing. */
export function createZoneReplicas(parts: SharedParts, { facts, lifecycle, recovering: { replicaTold } }: ZoneReplicasNeeds): ZoneReplicas {
  const { own, store, clock, insights, identity } = parts
  if (!own.isShared) return { sinks: facts, isLiveElsewhere: () => false, components: [] }
  const log = parts.log.child({ component: 'replicas' })
  const states = createSharedProxyStates({
    store,
    clock,
    log,
    instanceId: identity.instanceId,
    facts,
    moved: (proxyKey) => lifecycle().moved(proxyKey),
    isLiving: own.isLiving,
  })
  const deaths = followReplicaDeaths({
    replicas: own.replicas,
    isLiving: own.isLiving,
    named: () => [...states.replicas(), ...openHolders(parts, 'DataplaneInsight'), ...(replicaTold?.named() ?? [])],
    gone: (instanceId) => {
      insights.endedOf((of) => of === instanceId)
      replicaTold?.forget(instanceId)
      facts.together(() => {
        for (const left of states.servedBy(instanceId)) lifecycle().adopt(left.key, left)
      })
    },
    clock,
    log,
  })
  let unfollow = (): void => {}
  const sharing: Component = {
    name: 'proxy-states',
    start: async () => {
      states.start()
      // one that was paused for long comes back with its streams
      unfollow = own.replicas.presence.onJoined(({ instanceId }) => states.returned(instanceId))
    },
    stop: async () => {
      unfollow()
      states.stop()
    },
  }
  return { sinks: states.sinks, isLiveElsewhere: states.isLiveElsewhere, components: [sharing, deaths] }
}

/** The replicas of a global that died: their zones have long come to another one, or are gone. */
export function globalDeaths(parts: SharedParts): readonly Component[] {
  const { own, clock, insights } = parts
  if (!own.isShared) return []
  return [
    followReplicaDeaths({
      replicas: own.replicas,
      isLiving: own.isLiving,
      named: () => openHolders(parts, 'ZoneInsight'),
      gone: (instanceId) => insights.endedOf((of) => of === instanceId),
      clock,
      log: parts.log.child({ component: 'replicas' }),
    }),
  ]
}

function openHolders({ store }: SharedParts, type: string): readonly string[] {
  return store.list(type).flatMap((insight) => holderOf(insight.spec) ?? [])
}
