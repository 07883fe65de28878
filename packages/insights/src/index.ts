// Observed state: what proxies and zones do, counted and shown.
export { type CountedType, type IssuedIdentity, type ProxySubscription } from './dataplane-insight.ts'
export { type CountedKind, globalInsight } from './global-insight.ts'
export {
  createInsightWriter,
  type InsightWriter,
  type InsightWriterOptions,
  type ProxyRef,
  type ProxyStatusRecorder,
  type ZoneStatusRecorder,
} from './insight-writer.ts'
export { holderOf } from './merge-insight.ts'
export { createMeshInsights, type MeshInsightsOptions } from './mesh-insights.ts'
export { overviewSpec } from './overview.ts'
export { isZoneOnline, proxyStatus, type ProxyStatus } from './proxy-status.ts'
export { isOnline, type Outcome } from './subscriptions.ts'
export { areCompatible } from './version.ts'
export type { OpenedZoneSubscription, ZoneDescription, ZoneStreamName } from './zone-insight.ts'
