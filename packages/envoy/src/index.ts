export { packAny, packed, typed, typeUrl, warmCodecs } from './any.ts'
export type { ServerTlsInput } from './cluster.ts'
export { bindSource, edsCluster, explicitHttp, originalDstCluster, staticCluster, strictDnsCluster, useServerTls } from './cluster.ts'
export type {
  ClusterDraft,
  EndpointInput,
  FilterChainDraft,
  HttpDraft,
  HttpFilterDraft,
  HttpFilterSlot,
  ListenerDraft,
  LoadAssignmentDraft,
  LocalityDraft,
  Mutable,
  NetworkFilterDraft,
  TcpDraft,
  TypedMessage,
} from './drafts.ts'
export { httpFilterSlots } from './drafts.ts'
export { clusterMessage, encodeCluster, encodeListener, listenerMessage, orderFilters } from './encode.ts'
export {
  apiVersion,
  appendAction,
  discoveryType,
  dnsLookupFamily,
  forwardClientCert,
  healthStatus,
  lbPolicy,
  sanType,
  tlsProtocol,
  trafficDirection,
  zipkinVersion,
} from './enums.ts'
export type { ExternalClusterInput, ExternalEndpoint, ExternalTls } from './external-cluster.ts'
export { externalCluster } from './external-cluster.ts'
export type { FilterChainInput, HttpInput, ListenerInput } from './listener.ts'
export { filterChain, grpcStatsFilter, httpDraft, listenerDraft, routerFilter, tcpDraft } from './listener.ts'
export type { PlacedEndpoint } from './load-assignment.ts'
export { degradedOverprovisioningFactor, encodeLoadAssignment, loadAssignmentDraft, settleOutOfReach } from './load-assignment.ts'
export type { Direction, IpFamily } from './names.ts'
export {
  dynamicConfigRouteName,
  dynamicConfigSocket,
  extensionNames,
  inboundName,
  isOwnName,
  joinPath,
  metadataKeys,
  passthroughName,
  readinessSocketPrefix,
  socketPath,
  statName,
  systemNames,
  tagsHeader,
  zoneEgressName,
  zoneIngressName,
} from './names.ts'
export { clusterEndpoints, clusterSecrets, clustersOf, listenerSecrets } from './references.ts'
export type { DirectRouteInput, RouteToInput } from './routes.ts'
export { defaultRouteName, directRoute, routeTo } from './routes.ts'
export type { CertificateInput } from './secret.ts'
export { encodeCertificateSecret, encodeTrustBundleSecret } from './secret.ts'
export type { DownstreamTlsInput, InlineTlsInput, UpstreamTlsInput } from './tls.ts'
export {
  adsSecret,
  adsSource,
  downstreamTls,
  fileDownstreamTls,
  inlineDownstreamTls,
  meshAlpn,
  secretsOf,
  spiffeValidator,
  upstreamTls,
} from './tls.ts'
export {
  boolValue,
  durationMs,
  durationSeconds,
  localInternalAddresses,
  meshInternalAddresses,
  pipeAddress,
  socketAddress,
  sortedKeys,
  stringStruct,
  tagsMetadata,
  uintValue,
} from './values.ts'
