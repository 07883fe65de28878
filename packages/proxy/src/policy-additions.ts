// What policies have of their own for a proxy: clusters and listeners, and what the launcher is told. Each policy alone, so that one that fails takes
// nothing from the others.
import type { ClusterDraft, ListenerDraft } from '@weft/envoy'
import type { ProxyFacts } from '@weft/facts'
import { messageOf } from '@weft/foundation/errors'
import { type ConfByType, type OwnAdditions, plugins, type ResourceOrigin } from '@weft/policies'
import type { PolicyFailure } from './apply-policies.ts'
import type { DynamicConfigEntry } from './generators/dynamic-config.ts'
import { otelEntry } from './generators/otel-config.ts'
import { ownerOf } from './owner.ts'

interface WithConf {
  readonly byType: ConfByType
}

/** The confs of all parts of a proxy. */
export interface PartConfs {
  readonly whole: WithConf
  readonly inbounds: readonly WithConf[]
  readonly zoneListeners: readonly WithConf[]
  readonly outbounds: readonly WithConf[]
}

/** Everything that policies add, in their order. */
export interface PolicyAdditions {
  readonly clusters: readonly { readonly origin: ResourceOrigin; readonly draft: ClusterDraft }[]
  readonly listeners: readonly { readonly origin: ResourceOrigin; readonly draft: ListenerDraft }[]
  readonly entries: readonly DynamicConfigEntry[]
  readonly failures: readonly PolicyFailure[]
}

/** Asks every policy for what it has of its own. */
export function policyAdditions(facts: ProxyFacts, confs: PartConfs): PolicyAdditions {
  const owner = ownerOf(facts)
  const additions: OwnAdditions[] = []
  const failures: PolicyFailure[] = []
  for (const plugin of plugins) {
    try {
      const added = plugin.own?.(owner, {
        whole: confs.whole.byType[plugin.type],
        inbounds: confsOf(plugin.type, confs.inbounds),
        zoneListeners: confsOf(plugin.type, confs.zoneListeners),
        outbounds: confsOf(plugin.type, confs.outbounds),
      })
      if (added !== undefined) additions.push(added)
    } catch (error) {
      failures.push({ policy: plugin.type, message: messageOf(error) })
    }
  }
  const exports = additions.flatMap((added) => added.exports ?? [])
  const otel = owner.otelSockets ? otelEntry(owner, exports) : undefined
  return {
    clusters: additions.flatMap((added) => added.clusters ?? []),
    listeners: additions.flatMap((added) => added.listeners ?? []),
    entries: [...additions.flatMap(({ dynamicConfig }) => (dynamicConfig === undefined ? [] : [dynamicConfig])), ...(otel ? [otel] : [])],
    failures,
  }
}

function confsOf(type: string, parts: readonly WithConf[]): readonly unknown[] {
  return [...new Set(parts.map(({ byType }) => byType[type]))].filter((conf) => conf !== undefined)
}
