// What shared outbound resources may depend on of a proxy besides its policies: as texts and keys, so that proxies with equal ones share.
import type { LoadAssignmentDraft } from '@weft/envoy'
import type { DestinationFact, ProxyFacts } from '@weft/facts'
import { canonicalJson } from '@weft/foundation/schema'
import { type OutboundConf, plugins } from '@weft/policies'
import type { Placement } from './load-assignments.ts'

type Client = Pick<ProxyFacts, 'labels' | 'zone'>

/** Labels of the client as requests carry them (contract/dataplane.md section 8.3), when some policy shows them to this destination. */
export function clientTagsOf({ labels }: Client, destination: DestinationFact, conf: OutboundConf): string | undefined {
  if (!plugins.some((plugin) => plugin.sendsClientTags?.(destination, conf.byType[plugin.type]) === true)) return undefined
  return Object.keys(labels)
    .toSorted()
    .map((key) => `&${key}=${labels[key] ?? ''}&`)
    .join('')
}

/** How the client orders a destination's endpoints; undefined when in their own order. */
export function placementOf(client: Client, conf: OutboundConf): Placement | undefined {
  const parts = plugins.flatMap((plugin) => {
    const part = plugin.placement?.(client, conf.byType[plugin.type])
    return part === undefined ? [] : [{ plugin, part }]
  })
  if (parts.length === 0) return undefined
  return {
    key: canonicalJson(parts.map(({ plugin, part }) => [plugin.type, part])),
    arrange: (draft: LoadAssignmentDraft) => {
      for (const { plugin, part } of parts) plugin.loadAssignment?.(draft, part)
    },
  }
}
