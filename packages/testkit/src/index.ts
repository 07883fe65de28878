// What tests and the benchmark of other packages play with: simulated proxies, alone or as fleets.
export type { HeldResource } from './fleet/delta-messages.ts'
export {
  type NamedType,
  type ResourceSummary,
  type SimulatedType,
  simulatedTypes,
  simulatedTypeUrls,
  summarise,
} from './fleet/envoy-resource.ts'
export { createFleet, type Fleet, type FleetOptions, type FleetParts, type FleetState } from './fleet/fleet.ts'
export { type FleetProcess, spawnFleet } from './fleet/fleet-process.ts'
export { type Counts, type Expectation, type FleetReport, meets } from './fleet/fleet-report.ts'
export { median, type Percentiles, percentiles } from './fleet/percentiles.ts'
export { type FleetPlan, planIngress, type PlannedProxy, planSidecar, type SidecarPlan } from './fleet/simulated-dataplane.ts'
export {
  type ProxyNode,
  type ReceivedResponse,
  SimulatedProxy,
  type SimulatedProxyOptions,
} from './fleet/simulated-proxy.ts'
