// Tells the other replicas which streams this one has, as they open and end: a hint that comes sooner than the insights in the store.
import type { Holding, Presence } from '@weft/replicas'
import type { InsightWriter } from '@weft/insights'

type Proxies = InsightWriter['proxies']
type Zones = InsightWriter['zones']

/** The recorder of proxies' streams, which also says that they are here. */
export function sayingProxies(recorder: Proxies, presence: Pick<Presence, 'hold'>): Proxies {
  const claims = createClaims(presence)
  return {
    ...recorder,
    connected: (proxy, subscription) => {
      claims.open(subscription.id, `proxy/${proxy.mesh}/${proxy.name}`)
      recorder.connected(proxy, subscription)
    },
    disconnected: (proxy, id, time) => {
      claims.end(id)
      recorder.disconnected(proxy, id, time)
    },
  }
}

/** The recorder of zones' streams, which also says that they are here. */
export function sayingZones(recorder: Zones, presence: Pick<Presence, 'hold'>): Zones {
  const claims = createClaims(presence)
  return {
    ...recorder,
    subscriptionOpened: (subscription) => {
      claims.open(subscription.id, `zone/${subscription.zone}`)
      recorder.subscriptionOpened(subscription)
    },
    subscriptionReopened: (zone, id) => {
      claims.open(id, `zone/${zone}`)
      recorder.subscriptionReopened(zone, id)
    },
    subscriptionClosed: (zone, id, time) => {
      claims.end(id)
      recorder.subscriptionClosed(zone, id, time)
    },
  }
}

function createClaims(presence: Pick<Presence, 'hold'>) {
  const releases = new Map<string, () => void>()
  const end = (id: string): void => {
    releases.get(id)?.()
    releases.delete(id)
  }
  return {
    open: (id: string, holding: Holding): void => {
      end(id)
      releases.set(id, presence.hold(holding))
    },
    end,
  }
}
