// Drafts to resources as the discovery server serves them: bytes, version and what they need first.
import {
  type ClusterDraft,
  clusterEndpoints,
  clusterSecrets,
  clustersOf,
  encodeCluster,
  encodeListener,
  encodeLoadAssignment,
  type ListenerDraft,
  type LoadAssignmentDraft,
  listenerSecrets,
} from '@weft/envoy'
import { type EncodedResource, encodeResource } from '@weft/xds'

/** A cluster with the load assignment and secrets it needs. */
export function encodedCluster(draft: ClusterDraft): EncodedResource {
  const endpoints = clusterEndpoints(draft)
  const secrets = clusterSecrets(draft)
  return encodeResource('cluster', draft.name, encodeCluster(draft), {
    ...(endpoints === undefined ? {} : { endpoints: [endpoints] }),
    ...(secrets.length === 0 ? {} : { secrets }),
  })
}

/** A listener with the clusters and secrets it needs. */
export function encodedListener(draft: ListenerDraft): EncodedResource {
  const clusters = clustersOf(draft)
  const secrets = listenerSecrets(draft)
  return encodeResource('listener', draft.name, encodeListener(draft), {
    ...(clusters.length === 0 ? {} : { clusters }),
    ...(draft.announces === undefined || draft.announces.length === 0 ? {} : { after: draft.announces }),
    ...(secrets.length === 0 ? {} : { secrets }),
  })
}

/** A load assignment. */
export function encodedLoadAssignment(draft: LoadAssignmentDraft): EncodedResource {
  return encodeResource('endpoint', draft.name, encodeLoadAssignment(draft))
}
