// MeshRateLimit: how many requests and connections an inbound takes (contract/policies.md section 3.10).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { headerValues } from '../headers.ts'
import { matches } from '../match.ts'
import { policyKind } from '../policy-kind.ts'
import { topLevelTargetRef, toList } from '../target-ref.ts'
import { duration, uint32 } from '../value-rules.ts'
import { validateMeshRateLimit } from './validate.ts'

const rate = { type: 'object', properties: { num: uint32, interval: duration }, required: ['num', 'interval'] } as const

const conf = {
  type: 'object',
  default: {},
  properties: {
    local: {
      type: 'object',
      properties: {
        http: {
          type: 'object',
          properties: {
            disabled: { type: 'boolean' },
            requestRate: rate,
            onRateLimit: {
              type: 'object',
              properties: { status: uint32, headers: { type: 'object', properties: { set: headerValues, add: headerValues } } },
            },
          },
        },
        tcp: { type: 'object', properties: { disabled: { type: 'boolean' }, connectionRate: rate } },
      },
    },
  },
} as const

const spec = {
  type: 'object',
  properties: {
    targetRef: topLevelTargetRef,
    to: toList(conf),
    rules: { type: 'array', items: { type: 'object', properties: { matches, default: conf } } },
  },
} as const

export const meshRateLimit = defineResource({
  ...policyKind,
  type: 'MeshRateLimit',
  short: 'mrl',
  rest: { path: 'meshratelimits' },
  cli: { one: 'meshratelimit', many: 'meshratelimits' },
  display: { one: 'Mesh Rate Limit', many: 'Mesh Rate Limits' },
  policy: { order: 900, to: true, rules: true, single: false },
  spec,
  validate: validateMeshRateLimit,
})

export type MeshRateLimitSpec = Infer<typeof spec>
export type RateLimitConf = Infer<typeof conf>
