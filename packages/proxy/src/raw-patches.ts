// Drafts to encoded resources, through the policies that edit finished messages. Without such a policy nothing is computed here.
import { type ClusterDraft, clusterMessage, type ListenerDraft, listenerMessage } from '@weft/envoy'
import { messageOf } from '@weft/foundation/errors'
import { type ConfByType, type PolicyPlugin, plugins, type ResourceOrigin } from '@weft/policies'
import { codec, type Messages } from '@weft/proto'
import { type EncodedResource, encodeResource } from '@weft/xds'
import type { Applied, PolicyFailure } from './apply-policies.ts'
import { encodedCluster, encodedListener } from './encoded.ts'
import { clustersOfMessage, endpointsOfMessage, secretsOfMessage } from './message-references.ts'

type Cluster = Messages['envoy.config.cluster.v3.Cluster']
type Listener = Messages['envoy.config.listener.v3.Listener']

/** A resource as it is served; not at all when a policy removed it. */
export interface Finished {
  readonly encoded: EncodedResource | undefined
  readonly failures: readonly PolicyFailure[]
}

/** Encodes a cluster after the last edits. A policy that fails is left out. */
export function finishCluster({ draft, failures }: Applied<ClusterDraft>, origin: ResourceOrigin, raw: ConfByType | undefined): Finished {
  if (raw === undefined) return { encoded: encodedCluster(draft), failures }
  const before = clusterMessage(draft)
  const after = edited(before, failures, (plugin, message: Cluster) =>
    plugin.rawCluster === undefined ? message : plugin.rawCluster(message, origin, raw[plugin.type]),
  )
  if (after.message === before) return { encoded: encodedCluster(draft), failures: after.failures }
  return { encoded: after.message && rawCluster(draft.name, after.message), failures: after.failures }
}

/** Encodes a listener after the last edits. A policy that fails is left out. */
export function finishListener({ draft, failures }: Applied<ListenerDraft>, origin: ResourceOrigin, raw: ConfByType | undefined): Finished {
  if (raw === undefined) return { encoded: encodedListener(draft), failures }
  const before = listenerMessage(draft)
  const after = edited(before, failures, (plugin, message: Listener) =>
    plugin.rawListener === undefined ? message : plugin.rawListener(message, origin, raw[plugin.type]),
  )
  if (after.message === before) return { encoded: encodedListener(draft), failures: after.failures }
  return { encoded: after.message && rawListener(draft.name, after.message), failures: after.failures }
}

/** Whole resources that policies bring along, by name; the last of one name counts. */
export function addedResources(raw: ConfByType): {
  readonly clusters: ReadonlyMap<string, EncodedResource>
  readonly listeners: ReadonlyMap<string, EncodedResource>
  readonly failures: readonly PolicyFailure[]
} {
  const clusters = new Map<string, EncodedResource>()
  const listeners = new Map<string, EncodedResource>()
  const failures: PolicyFailure[] = []
  for (const plugin of plugins) {
    try {
      const added = raw[plugin.type] === undefined ? undefined : plugin.added?.(raw[plugin.type])
      for (const cluster of added?.clusters ?? []) clusters.set(cluster.name ?? '', rawCluster(cluster.name ?? '', cluster))
      for (const listener of added?.listeners ?? []) listeners.set(listener.name ?? '', rawListener(listener.name ?? '', listener))
    } catch (error) {
      failures.push({ policy: plugin.type, message: messageOf(error) })
    }
  }
  return { clusters, listeners, failures }
}

function edited<M extends object>(
  before: M,
  failures: readonly PolicyFailure[],
  edit: (plugin: PolicyPlugin, message: M) => M | undefined,
): { readonly message: M | undefined; readonly failures: readonly PolicyFailure[] } {
  let message: M | undefined = before
  const all = [...failures]
  for (const plugin of plugins) {
    if (message === undefined) break
    try {
      message = edit(plugin, message)
    } catch (error) {
      all.push({ policy: plugin.type, message: messageOf(error) })
    }
  }
  return { message, failures: all }
}

function rawCluster(name: string, message: Cluster): EncodedResource {
  const endpoints = endpointsOfMessage(message)
  const secrets = secretsOfMessage('envoy.config.cluster.v3.Cluster', message)
  return encodeResource('cluster', name, codec('envoy.config.cluster.v3.Cluster').encode(message), {
    ...(endpoints === undefined ? {} : { endpoints: [endpoints] }),
    ...(secrets.length === 0 ? {} : { secrets }),
  })
}

function rawListener(name: string, message: Listener): EncodedResource {
  const clusters = clustersOfMessage(message)
  const secrets = secretsOfMessage('envoy.config.listener.v3.Listener', message)
  return encodeResource('listener', name, codec('envoy.config.listener.v3.Listener').encode(message), {
    ...(clusters.length === 0 ? {} : { clusters }),
    ...(secrets.length === 0 ? {} : { secrets }),
  })
}
