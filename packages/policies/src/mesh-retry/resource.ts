// MeshRetry: when and how failed requests and connections are tried again (contract/policies.md section 3.11).
import type { Infer } from '@weft/foundation/schema'
import { defineResource, stringMap } from '@weft/resources'
import { headerMatch, headerName } from '../headers.ts'
import { policyKind } from '../policy-kind.ts'
import { topLevelTargetRef, toList } from '../target-ref.ts'
import { duration, int32, uint32 } from '../value-rules.ts'
import { validateMeshRetry } from './validate.ts'

const backOff = { type: 'object', properties: { baseInterval: duration, maxInterval: duration } } as const

const rateLimitedBackOff = {
  type: 'object',
  properties: {
    resetHeaders: {
      type: 'array',
      items: {
        type: 'object',
        properties: { name: headerName, format: { type: 'string', enum: ['Seconds', 'UnixTimestamp'] } },
        required: ['name', 'format'],
      },
    },
    maxInterval: duration,
  },
} as const

const conf = {
  type: 'object',
  default: {},
  properties: {
    tcp: { type: 'object', properties: { maxConnectAttempt: uint32 } },
    http: {
      type: 'object',
      properties: {
        numRetries: uint32,
        perTryTimeout: duration,
        backOff,
        rateLimitedBackOff,
        retryOn: { type: 'array', items: { type: 'string' } },
        retriableResponseHeaders: { type: 'array', items: headerMatch },
        retriableRequestHeaders: { type: 'array', items: headerMatch },
        hostSelection: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              predicate: { type: 'string', enum: ['OmitPreviousHosts', 'OmitHostsWithTags', 'OmitPreviousPriorities'] },
              tags: stringMap,
              updateFrequency: { ...int32, default: 2 },
            },
            required: ['predicate'],
          },
        },
        hostSelectionMaxAttempts: { type: 'integer' },
      },
    },
    grpc: {
      type: 'object',
      properties: {
        numRetries: uint32,
        perTryTimeout: duration,
        backOff,
        rateLimitedBackOff,
        retryOn: {
          type: 'array',
          items: { type: 'string', enum: ['Canceled', 'DeadlineExceeded', 'Internal', 'ResourceExhausted', 'Unavailable'] },
        },
      },
    },
  },
} as const

const spec = {
  type: 'object',
  properties: {
    targetRef: topLevelTargetRef,
    to: toList(conf),
  },
} as const

export const meshRetry = defineResource({
  ...policyKind,
  type: 'MeshRetry',
  short: 'mr',
  rest: { path: 'meshretries' },
  cli: { one: 'meshretry', many: 'meshretries' },
  display: { one: 'Mesh Retry', many: 'Mesh Retries' },
  policy: { order: 1400, to: true, rules: false, single: false },
  spec,
  validate: validateMeshRetry,
})

export type MeshRetrySpec = Infer<typeof spec>
export type MeshRetryConf = Infer<typeof conf>
