// MeshPassthrough: which traffic to unknown destinations proxies let through (contract/policies.md section 3.9).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { policyKind } from '../policy-kind.ts'
import { topLevelTargetRef } from '../target-ref.ts'
import { uint32 } from '../value-rules.ts'
import { validateMeshPassthrough } from './validate.ts'

const match = {
  type: 'object',
  properties: {
    type: { type: 'string', enum: ['Domain', 'IP', 'CIDR'] },
    value: { type: 'string' },
    port: uint32,
    protocol: { type: 'string', enum: ['tcp', 'tls', 'grpc', 'http', 'http2', 'mysql'], default: 'tcp' },
  },
  required: ['type', 'value'],
} as const

const spec = {
  type: 'object',
  properties: {
    targetRef: topLevelTargetRef,
    default: {
      type: 'object',
      default: {},
      properties: {
        passthroughMode: { type: 'string', enum: ['All', 'Matched', 'None'], description: 'Matched when absent.' },
        appendMatch: { type: 'array', items: match },
      },
    },
  },
} as const

export const meshPassthrough = defineResource({
  ...policyKind,
  type: 'MeshPassthrough',
  short: 'mp',
  rest: { path: 'meshpassthroughs' },
  cli: { one: 'meshpassthrough', many: 'meshpassthroughs' },
  display: { one: 'Mesh Passthrough', many: 'Mesh Passthroughs' },
  policy: { order: 500, to: false, rules: false, single: true },
  spec,
  validate: validateMeshPassthrough,
})

export type MeshPassthroughSpec = Infer<typeof spec>
export type PassthroughMatch = Infer<typeof match>
