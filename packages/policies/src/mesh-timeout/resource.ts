// MeshTimeout: timeouts of connections, requests and streams (contract/policies.md section 3.12).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { matches } from '../match.ts'
import { policyKind } from '../policy-kind.ts'
import { topLevelTargetRef, toList } from '../target-ref.ts'
import { duration } from '../value-rules.ts'
import { validateMeshTimeout } from './validate.ts'

const conf = {
  type: 'object',
  default: {},
  properties: {
    connectionTimeout: duration,
    idleTimeout: duration,
    http: {
      type: 'object',
      properties: {
        requestTimeout: duration,
        streamIdleTimeout: duration,
        maxStreamDuration: duration,
        maxConnectionDuration: duration,
        requestHeadersTimeout: duration,
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

export const meshTimeout = defineResource({
  ...policyKind,
  type: 'MeshTimeout',
  short: 'mt',
  rest: { path: 'meshtimeouts' },
  cli: { one: 'meshtimeout', many: 'meshtimeouts' },
  display: { one: 'Mesh Timeout', many: 'Mesh Timeouts' },
  policy: { order: 1000, to: true, rules: true, single: false },
  spec,
  validate: validateMeshTimeout,
})

export type MeshTimeoutSpec = Infer<typeof spec>
export type MeshTimeoutConf = Infer<typeof conf>
