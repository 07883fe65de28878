// Delta discovery for proxies: cells, snapshots, streams and the gRPC service. Knows Envoy's protocol and no mesh.
export { type AdsLimits, type AdsService, type AdsServiceOptions, adsServerOptions, createAdsService } from './ads-service.ts'
export { admissionStatus, type Caller } from './ads-session.ts'
export { createCell } from './cell.ts'
export type { EncodedResource, ProxySnapshot, ResourceCell, XdsType } from './contract.ts'
export type { DeltaRequest, ProxyNode } from './delta-request.ts'
export {
  createDelivery,
  type Delivery,
  type DeliveryFigures,
  longestFirst,
  type StreamDelivery,
  undetermined,
  type WaitingProxy,
} from './delivery.ts'
export { DeltaStream, type DeltaStreamOptions } from './delta-stream.ts'
export { encodeResource, type ResourceNeeds } from './encode-resource.ts'
export type { AckEvent, CloseReason, NackEvent, SentEvent, StreamEvents, TypeCounters } from './stream-events.ts'
export { defaultStreamLimits, type StreamLimits } from './stream-limits.ts'
export { createTurnQueue, type TurnQueue } from './turn-queue.ts'
export { typeUrls, xdsTypeOf, xdsTypes } from './type-urls.ts'
