// Feature strings of the sync protocol (contract/kds.md section 3.3) and our own additions, which a stock peer ignores.

/** Features in a node's metadata. */
export const nodeFeatures = {
  zoneToken: 'zone-token',
  hashSuffix: 'hash-suffix',
  multiZoneHostnames: 'hg-mz-selector',
  producerPolicies: 'producer-policy-flow',
  optionalTargetRef: 'optional-top-level-target-ref',
  /** Own peers: long first lists may come in several responses (`partialMarker`). */
  chunkedLists: 'weft-chunked-lists',
  /** Own peers: the zone tells which roots its proxies trust, and wants to be told the same of the others (`trustSpreadType`). */
  trustSpread: 'weft-trust-spread',
  /** Own peers: what is sent of each type is compared by digest (`digestsType`). */
  digests: 'weft-digests',
  /** Own peers: global pings, the zone opens the stream for it. */
  ping: 'weft-ping',
  /** Own peers: resources and responses carry sequence numbers of the sender's store, and zones tell how far each of them is. */
  originSeq: 'weft-origin-seq',
} as const

/** What our zone announces; the fifth makes a 2.14 global send policies without a top-level targetRef. */
export const zoneFeatures: readonly string[] = Object.values(nodeFeatures)

/** What our global announces. */
export const globalFeatures: readonly string[] = zoneFeatures.filter((feature) => feature !== nodeFeatures.optionalTargetRef)

/** Features of the gRPC metadata: one header field each, never joined (contract/kds.md section 3.1). */
export const headerFeatures = { pingHealth: 'zone-ping-health', hashSuffix: 'hash-suffix' } as const

/** Metadata keys of every call. */
export const headerKeys = {
  clientId: 'client-id',
  features: 'features',
  version: 'version',
  kdsVersion: 'kds-version',
  zoneVersion: 'zone-version',
  authorization: 'authorization',
  /** Own peers, both ways: id of the sender's store, which tells its incarnations apart. */
  storeId: 'weft-store-id',
  /** Own globals: their cluster id, before anything else is said, and whether it outlives a restart (`true`). */
  clusterId: 'weft-cluster-id',
  clusterLasts: 'weft-cluster-lasts',
  /** Own zones: the right of this process to act for the zone, and its `control-plane-id`. Global answers a lost right with the newer one. */
  epoch: 'weft-epoch',
  instanceId: 'weft-instance-id',
} as const

/** Field of node metadata that carries the store id of an own peer. */
export const storeIdField = 'weft-store-id'

/** Version under which a receiver names what it holds of an earlier incarnation of an own peer. */
export const recalledVersion = 'weft:recalled'

/** Name under which a receiver offers the digest of what it holds instead of all its versions. */
export const digestOffer = 'weft:digest'

/** `system_version_info` of a first list that is exactly what was offered. */
export const sameMarker = 'weft:same'

/**
 * `system_version_info` of a response after which the receiver has all of a type up to this change of the sender's store; behind `sameMarker`
 * and a space when both are true. Only towards own peers.
 */
export const positionMarker = 'weft:seq='

/** `system_version_info` of a response that is not the last one of a first list; only towards own peers. */
export const partialMarker = 'weft:more'
