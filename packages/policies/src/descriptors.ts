// Every policy's descriptor, in the order their effects run.
import type { ResourceDescriptor } from '@weft/resources'
import { meshAccessLog } from './mesh-access-log/resource.ts'
import { meshCircuitBreaker } from './mesh-circuit-breaker/resource.ts'
import { meshFaultInjection } from './mesh-fault-injection/resource.ts'
import { meshHealthCheck } from './mesh-health-check/resource.ts'
import { meshHttpRoute } from './mesh-http-route/resource.ts'
import { meshLoadBalancingStrategy } from './mesh-load-balancing-strategy/resource.ts'
import { meshMetric } from './mesh-metric/resource.ts'
import { meshPassthrough } from './mesh-passthrough/resource.ts'
import { meshProxyPatch } from './mesh-proxy-patch/resource.ts'
import { meshRateLimit } from './mesh-rate-limit/resource.ts'
import { meshRetry } from './mesh-retry/resource.ts'
import { meshTcpRoute } from './mesh-tcp-route/resource.ts'
import { meshTimeout } from './mesh-timeout/resource.ts'
import { meshTls } from './mesh-tls/resource.ts'
import { meshTrace } from './mesh-trace/resource.ts'
import { meshTrafficPermission } from './mesh-traffic-permission/resource.ts'

/** The sixteen policies by ascending order. */
export const policyDescriptors: readonly ResourceDescriptor[] = [
  meshHttpRoute,
  meshTcpRoute,
  meshTls,
  meshLoadBalancingStrategy,
  meshPassthrough,
  meshAccessLog,
  meshTrace,
  meshFaultInjection,
  meshRateLimit,
  meshTimeout,
  meshTrafficPermission,
  meshHealthCheck,
  meshCircuitBreaker,
  meshRetry,
  meshMetric,
  meshProxyPatch,
]
