export { policyDescriptors } from './descriptors.ts'
export { effectiveInbound, effectiveZoneListener, type InboundConf, type ZoneListenerConf } from './effective-inbound.ts'
export { type ClusterConf, effectiveOutbound, type ListenerConf, type OutboundConf } from './effective-outbound.ts'
export type { OutboundShape, RouteView } from './outbound-shape.ts'
export { effectiveProxy, type ProxyConf } from './effective-proxy.ts'
export { goJson } from './go-json.ts'
export { otelEndpoint, usesHttps } from './otel-backend.ts'
export type {
  AddedResources,
  ClientPlace,
  ConfByType,
  EgressChainView,
  IdentityView,
  InboundScope,
  InboundView,
  OtelExport,
  OutboundClusterView,
  OutboundListenerView,
  OutboundScope,
  OwnAdditions,
  OwnConfs,
  OwnerView,
  PassthroughView,
  PolicyPlugin,
  Problem,
  ProxyRole,
  ProxyScope,
  ResourceOrigin,
  ZoneListenerView,
} from './plugin.ts'
export { type ScrapeTarget, scrapeTargets } from './mesh-metric/scrape-targets.ts'
export { type Caller, permissionVerdict, type PermissionVerdict } from './mesh-traffic-permission/verdict.ts'
export { plugins } from './plugins.ts'
export type { BackendModel, ExtraDestination, RouteModel, SplitModel } from './route-model.ts'
