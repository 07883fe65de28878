// MeshHealthCheck: active checks of destinations' endpoints (contract/policies.md section 3.4).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { headerValues } from '../headers.ts'
import { policyKind } from '../policy-kind.ts'
import { topLevelTargetRef, toList } from '../target-ref.ts'
import { duration, int32 } from '../value-rules.ts'
import { validateMeshHealthCheck } from './validate.ts'

const flag = { type: 'boolean' } as const

const conf = {
  type: 'object',
  default: {},
  properties: {
    interval: duration,
    unhealthyInterval: duration,
    timeout: duration,
    unhealthyThreshold: int32,
    healthyThreshold: int32,
    initialJitter: duration,
    intervalJitter: duration,
    intervalJitterPercent: int32,
    failTrafficOnPanic: flag,
    eventLogPath: { type: 'string' },
    alwaysLogHealthCheckFailures: flag,
    noTrafficInterval: duration,
    tcp: {
      type: 'object',
      properties: { disabled: flag, send: { type: 'string' }, receive: { type: 'array', items: { type: 'string' } } },
    },
    http: {
      type: 'object',
      properties: {
        disabled: flag,
        path: { type: 'string' },
        requestHeadersToAdd: { type: 'object', properties: { set: headerValues, add: headerValues } },
        expectedStatuses: { type: 'array', items: int32 },
      },
    },
    grpc: { type: 'object', properties: { disabled: flag, serviceName: { type: 'string' }, authority: { type: 'string' } } },
    reuseConnection: flag,
  },
} as const

const spec = {
  type: 'object',
  properties: {
    targetRef: topLevelTargetRef,
    to: toList(conf),
  },
} as const

export const meshHealthCheck = defineResource({
  ...policyKind,
  type: 'MeshHealthCheck',
  short: 'mhc',
  rest: { path: 'meshhealthchecks' },
  cli: { one: 'meshhealthcheck', many: 'meshhealthchecks' },
  display: { one: 'Mesh Health Check', many: 'Mesh Health Checks' },
  policy: { order: 1200, to: true, rules: false, single: false },
  spec,
  validate: validateMeshHealthCheck,
})

export type MeshHealthCheckSpec = Infer<typeof spec>
export type HealthCheckConf = Infer<typeof conf>
