// MeshCircuitBreaker: connection limits and outlier detection (contract/policies.md section 3.2).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { policyKind } from '../policy-kind.ts'
import { topLevelTargetRef, toList } from '../target-ref.ts'
import { duration, uint32 } from '../value-rules.ts'
import { validateMeshCircuitBreaker } from './validate.ts'

const consecutive = { type: 'object', properties: { consecutive: uint32 } } as const

const conf = {
  type: 'object',
  default: {},
  properties: {
    connectionLimits: {
      type: 'object',
      properties: {
        maxConnections: uint32,
        maxConnectionPools: uint32,
        maxPendingRequests: uint32,
        maxRetries: uint32,
        maxRequests: uint32,
      },
    },
    outlierDetection: {
      type: 'object',
      properties: {
        disabled: { type: 'boolean' },
        interval: duration,
        baseEjectionTime: duration,
        maxEjectionPercent: uint32,
        splitExternalAndLocalErrors: { type: 'boolean' },
        detectors: {
          type: 'object',
          properties: {
            totalFailures: consecutive,
            gatewayFailures: consecutive,
            localOriginFailures: consecutive,
            successRate: {
              type: 'object',
              properties: { minimumHosts: uint32, requestVolume: uint32, standardDeviationFactor: { type: 'intOrString' } },
            },
            failurePercentage: { type: 'object', properties: { minimumHosts: uint32, requestVolume: uint32, threshold: uint32 } },
          },
        },
        healthyPanicThreshold: { type: 'intOrString' },
      },
    },
  },
} as const

const spec = {
  type: 'object',
  properties: {
    targetRef: topLevelTargetRef,
    to: toList(conf),
    rules: { type: 'array', items: { type: 'object', properties: { default: conf } } },
  },
} as const

export const meshCircuitBreaker = defineResource({
  ...policyKind,
  type: 'MeshCircuitBreaker',
  short: 'mcb',
  rest: { path: 'meshcircuitbreakers' },
  cli: { one: 'meshcircuitbreaker', many: 'meshcircuitbreakers' },
  display: { one: 'Mesh Circuit Breaker', many: 'Mesh Circuit Breakers' },
  policy: { order: 1300, to: true, rules: true, single: false },
  spec,
  validate: validateMeshCircuitBreaker,
})

export type MeshCircuitBreakerSpec = Infer<typeof spec>
export type MeshCircuitBreakerConf = Infer<typeof conf>
