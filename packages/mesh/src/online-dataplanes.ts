// Dataplanes whose proxy is connected, by their insight: the last subscription has begun and not ended (contract/dataplane.md section 6.5).
import type { Collection, Graph } from '@weft/graph'
import type { DataplaneInsightSpec, Resource } from '@weft/resources'

/** By dataplane key. */
export function deriveOnline(graph: Graph, insights: Collection<Resource>): Collection<true> {
  return graph.map({ name: 'onlineDataplanes', from: insights }, (_, insight): true | undefined => (isOnline(insight) ? true : undefined))
}

/** Whether a DataplaneInsight says so. */
export function isOnline(insight: Resource): boolean {
  // stored insights passed the codec of their kind
  const last = (insight.spec as DataplaneInsightSpec).subscriptions?.at(-1)
  return Boolean(last?.connectTime) && !last?.disconnectTime
}
