// All policies: what each is as a resource and what it does to Envoy's configuration. The one list: adding a policy is adding it here.
import type { ResourceDescriptor } from '@weft/resources'
import { meshAccessLogPlugin } from './mesh-access-log/envoy.ts'
import { meshAccessLog } from './mesh-access-log/resource.ts'
import { meshCircuitBreakerPlugin } from './mesh-circuit-breaker/envoy.ts'
import { meshCircuitBreaker } from './mesh-circuit-breaker/resource.ts'
import { meshFaultInjectionPlugin } from './mesh-fault-injection/envoy.ts'
import { meshFaultInjection } from './mesh-fault-injection/resource.ts'
import { meshHealthCheckPlugin } from './mesh-health-check/envoy.ts'
import { meshHealthCheck } from './mesh-health-check/resource.ts'
import { meshHttpRoutePlugin } from './mesh-http-route/envoy.ts'
import { meshHttpRoute } from './mesh-http-route/resource.ts'
import { meshLoadBalancingStrategyPlugin } from './mesh-load-balancing-strategy/envoy.ts'
import { meshLoadBalancingStrategy } from './mesh-load-balancing-strategy/resource.ts'
import { meshMetricPlugin } from './mesh-metric/envoy.ts'
import { meshMetric } from './mesh-metric/resource.ts'
import { meshPassthroughPlugin } from './mesh-passthrough/envoy.ts'
import { meshPassthrough } from './mesh-passthrough/resource.ts'
import { meshProxyPatchPlugin } from './mesh-proxy-patch/envoy.ts'
import { meshProxyPatch } from './mesh-proxy-patch/resource.ts'
import { meshRateLimitPlugin } from './mesh-rate-limit/envoy.ts'
import { meshRateLimit } from './mesh-rate-limit/resource.ts'
import { meshRetryPlugin } from './mesh-retry/envoy.ts'
import { meshRetry } from './mesh-retry/resource.ts'
import { meshTcpRoutePlugin } from './mesh-tcp-route/envoy.ts'
import { meshTcpRoute } from './mesh-tcp-route/resource.ts'
import { meshTimeoutPlugin } from './mesh-timeout/envoy.ts'
import { meshTimeout } from './mesh-timeout/resource.ts'
import { meshTlsPlugin } from './mesh-tls/envoy.ts'
import { meshTls } from './mesh-tls/resource.ts'
import { meshTracePlugin } from './mesh-trace/envoy.ts'
import { meshTrace } from './mesh-trace/resource.ts'
import { meshTrafficPermissionPlugin } from './mesh-traffic-permission/envoy.ts'
import { meshTrafficPermission } from './mesh-traffic-permission/resource.ts'
import type { PolicyPlugin } from './plugin.ts'

/** One policy. */
export interface Policy {
  readonly resource: ResourceDescriptor
  readonly plugin: PolicyPlugin
}

/** The policies in the order in which they act (contract/policies.md section 1.9). */
export const policies: readonly Policy[] = [
  { resource: meshHttpRoute, plugin: meshHttpRoutePlugin },
  { resource: meshTcpRoute, plugin: meshTcpRoutePlugin },
  { resource: meshTls, plugin: meshTlsPlugin },
  { resource: meshLoadBalancingStrategy, plugin: meshLoadBalancingStrategyPlugin },
  { resource: meshPassthrough, plugin: meshPassthroughPlugin },
  { resource: meshAccessLog, plugin: meshAccessLogPlugin },
  { resource: meshTrace, plugin: meshTracePlugin },
  { resource: meshFaultInjection, plugin: meshFaultInjectionPlugin },
  { resource: meshRateLimit, plugin: meshRateLimitPlugin },
  { resource: meshTimeout, plugin: meshTimeoutPlugin },
  { resource: meshTrafficPermission, plugin: meshTrafficPermissionPlugin },
  { resource: meshHealthCheck, plugin: meshHealthCheckPlugin },
  { resource: meshCircuitBreaker, plugin: meshCircuitBreakerPlugin },
  { resource: meshRetry, plugin: meshRetryPlugin },
  { resource: meshMetric, plugin: meshMetricPlugin },
  { resource: meshProxyPatch, plugin: meshProxyPatchPlugin },
].toSorted((a, b) => a.plugin.order - b.plugin.order)
