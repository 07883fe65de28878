// The one place where policies act on drafts, in their fixed order. A plugin that throws is left out and the draft is made anew without it,
// so it can neither stop the others nor leave a draft half edited. Policies that guard who may connect are never left out: their failure is
// the failure of the resource, whose last good content then stays.
import type { ClusterDraft, ListenerDraft } from '@weft/envoy'
import { messageOf } from '@weft/foundation/errors'
import {
  type ConfByType,
  type EgressChainView,
  type InboundView,
  type OutboundClusterView,
  type OutboundListenerView,
  type PassthroughView,
  type PolicyPlugin,
  plugins,
  type ZoneListenerView,
} from '@weft/policies'

/** A policy that had no effect. */
export interface PolicyFailure {
  readonly policy: string
  readonly message: string
}

/** A finished draft, or several made together. */
export interface Applied<D> {
  readonly draft: D
  readonly failures: readonly PolicyFailure[]
}

/** Policies that guard who may connect. */
export const guards: ReadonlySet<string> = new Set(['MeshTLS', 'MeshTrafficPermission'])

/** The cluster and listener of an inbound. */
export interface InboundDrafts {
  readonly cluster: ClusterDraft
  readonly listener: ListenerDraft
}

/** Makes the drafts of an inbound and lets every policy edit them. */
export function applyInbound(
  confs: ConfByType,
  make: () => InboundDrafts,
  view: (drafts: InboundDrafts) => InboundView,
): Applied<InboundDrafts> {
  return applyAll(make, view, (plugin, at) => plugin.inbound?.(at, confs[plugin.type]))
}

/** Makes the cluster of a destination and lets every policy edit it. */
export function applyOutboundCluster(
  confs: ConfByType,
  make: () => ClusterDraft,
  view: (cluster: ClusterDraft) => OutboundClusterView,
): Applied<ClusterDraft> {
  return applyAll(make, view, (plugin, at) => plugin.outboundCluster?.(at, confs[plugin.type]))
}

/** Makes the listener of an outbound and lets every policy edit it. */
export function applyOutboundListener(
  { confs, shares }: { readonly confs: ConfByType; readonly shares: Readonly<Record<string, unknown>> },
  make: () => ListenerDraft,
  view: (listener: ListenerDraft) => OutboundListenerView,
): Applied<ListenerDraft> {
  return applyAll(make, view, (plugin, at) => plugin.outboundListener?.(at, confs[plugin.type], shares[plugin.type]))
}

/** Makes a zone proxy's listener and lets every policy edit it. */
export function applyZoneListener(
  confs: ConfByType,
  make: () => ListenerDraft,
  view: (listener: ListenerDraft) => ZoneListenerView,
): Applied<ListenerDraft> {
  return applyAll(make, view, (plugin, at) => plugin.zoneListener?.(at, confs[plugin.type]))
}

/** Lets every policy's `to` edit one chain of a zone egress; a policy that fails is named, and what it did before stays. */
export function applyEgressChain(confs: ConfByType, view: EgressChainView): readonly PolicyFailure[] {
  return plugins.flatMap((plugin) => {
    try {
      plugin.egressChain?.(view, confs[plugin.type])
      return []
    } catch (error) {
      return [{ policy: plugin.type, message: messageOf(error) }]
    }
  })
}

/** Listeners and clusters of the passthrough. */
export interface PassthroughDrafts {
  readonly listeners: readonly ListenerDraft[]
  readonly clusters: ClusterDraft[]
}

/** Makes the passthrough and lets every policy edit it. */
export function applyPassthrough(
  confs: ConfByType,
  make: () => PassthroughDrafts,
  view: (drafts: PassthroughDrafts) => PassthroughView,
): Applied<PassthroughDrafts> {
  return applyAll(make, view, (plugin, at) => plugin.passthrough?.(at, confs[plugin.type]))
}

function applyAll<D, V>(make: () => D, view: (draft: D) => V, effect: (plugin: PolicyPlugin, at: V) => void): Applied<D> {
  return applyEach(plugins, make, (plugin, draft) => effect(plugin, view(draft)))
}

/**
 * Makes a draft and runs the effect of each plugin on it, in order.
 * @throws whatever a guard throws.
 */
export function applyEach<D>(
  list: readonly { readonly type: string }[],
  make: () => D,
  effect: (plugin: PolicyPlugin, draft: D) => void,
): Applied<D> {
  const failures: PolicyFailure[] = []
  const broken = new Set<string>()
  for (;;) {
    const draft = make()
    const failed = list.find((plugin) => {
      if (broken.has(plugin.type)) return false
      try {
        // A plugin is more than its type; tests bring only the part that their effect looks at.
        effect(plugin as PolicyPlugin, draft)
        return false
      } catch (error) {
        if (guards.has(plugin.type)) throw error
        failures.push({ policy: plugin.type, message: messageOf(error) })
        return true
      }
    })
    if (failed === undefined) return { draft, failures }
    broken.add(failed.type)
  }
}
