// All policies in the order in which they act (contract/policies.md section 1.9). One list: adding a policy is adding it here.
import { meshAccessLogPlugin } from './mesh-access-log/envoy.ts'
import { meshCircuitBreakerPlugin } from './mesh-circuit-breaker/envoy.ts'
import { meshFaultInjectionPlugin } from './mesh-fault-injection/envoy.ts'
import { meshHealthCheckPlugin } from './mesh-health-check/envoy.ts'
import { meshHttpRoutePlugin } from './mesh-http-route/envoy.ts'
import { meshLoadBalancingStrategyPlugin } from './mesh-load-balancing-strategy/envoy.ts'
import { meshMetricPlugin } from './mesh-metric/envoy.ts'
import { meshPassthroughPlugin } from './mesh-passthrough/envoy.ts'
import { meshProxyPatchPlugin } from './mesh-proxy-patch/envoy.ts'
import { meshRateLimitPlugin } from './mesh-rate-limit/envoy.ts'
import { meshRetryPlugin } from './mesh-retry/envoy.ts'
import { meshTcpRoutePlugin } from './mesh-tcp-route/envoy.ts'
import { meshTimeoutPlugin } from './mesh-timeout/envoy.ts'
import { meshTlsPlugin } from './mesh-tls/envoy.ts'
import { meshTracePlugin } from './mesh-trace/envoy.ts'
import { meshTrafficPermissionPlugin } from './mesh-traffic-permission/envoy.ts'
import type { PolicyPlugin } from './plugin.ts'

/** The plugins, sorted by their order. */
export const plugins: readonly PolicyPlugin[] = [
  meshHttpRoutePlugin,
  meshTcpRoutePlugin,
  meshTlsPlugin,
  meshLoadBalancingStrategyPlugin,
  meshPassthroughPlugin,
  meshAccessLogPlugin,
  meshTracePlugin,
  meshFaultInjectionPlugin,
  meshRateLimitPlugin,
  meshTimeoutPlugin,
  meshTrafficPermissionPlugin,
  meshHealthCheckPlugin,
  meshCircuitBreakerPlugin,
  meshRetryPlugin,
  meshMetricPlugin,
  meshProxyPatchPlugin,
].sort((a, b) => a.order - b.order)
