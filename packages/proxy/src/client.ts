// What shared outbound resources may depend on of a proxy besides its policies: as texts and keys, so that proxies with equal ones share.
import type { LoadAssignmentDraft } from '@weft/envoy'
import type { DestinationFact, ProxyFacts } from '@weft/facts'
import { canonicalJson } from '@weft/foundation/schema'
import { type ConfByType, type OutboundConf, type OwnerView, plugins } from '@weft/policies'
import type { Placement } from './load-assignments.ts'

const showing = plugins.filter((plugin) => plugin.sendsClientTags !== undefined)
const placing = plugins.filter((plugin) => plugin.placement !== undefined)
const sharing = plugins.filter((plugin) => plugin.share !== undefined)

type Client = Pick<ProxyFacts, 'labels' | 'zone'>

/** Whether what these confs make of an outbound may show its proxy. A policy without an opinion shows nothing. */
export function showsClient(conf: ConfByType, whole: ConfByType): boolean {
  const speaks = (plugin: { readonly type: string }): boolean => conf[plugin.type] !== undefined
  return showing.some(speaks) || placing.some(speaks) || sharing.some((plugin) => speaks(plugin) || whole[plugin.type] !== undefined)
}

/** Labels of the client as requests carry them (contract/dataplane.md section 8.3), when some policy shows them to this destination. */
export function clientTagsOf({ labels }: Client, destination: DestinationFact, conf: OutboundConf): string | undefined {
  if (!showing.some((plugin) => plugin.sendsClientTags?.(destination, conf.byType[plugin.type]) === true)) return undefined
  return Object.keys(labels)
    .toSorted()
    .map((key) => `&${key}=${labels[key] ?? ''}&`)
    .join('')
}

/** How the client orders a destination's endpoints; undefined when in their own order. */
export function placementOf(client: Client, conf: OutboundConf): Placement | undefined {
  const parts = placing.flatMap((plugin) => {
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

/** What an outbound's listener shows of its proxy, by policy type, with the text that tells proxies apart that must not share it. */
export interface OwnerShares {
  readonly text: string
  readonly byType: Readonly<Record<string, unknown>>
}

/** The shares of one outbound; undefined when its listener shows nothing of the proxy. */
export function sharesOf(owner: OwnerView, conf: OutboundConf, whole: ConfByType): OwnerShares | undefined {
  let byType: Record<string, unknown> | undefined
  for (const plugin of sharing) {
    const share = plugin.share?.(owner, conf.byType[plugin.type], whole[plugin.type])
    if (share === undefined) continue
    byType ??= {}
    byType[plugin.type] = share
  }
  return byType === undefined ? undefined : { text: canonicalJson(byType), byType }
}
