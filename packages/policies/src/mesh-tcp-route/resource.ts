// MeshTCPRoute: where connections to a destination go (contract/policies.md section 3.6).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { backendRefs } from '../backend-ref.ts'
import { policyKind } from '../policy-kind.ts'
import { outboundTargetRef, topLevelTargetRef } from '../target-ref.ts'
import { validateMeshTcpRoute } from './validate.ts'

const spec = {
  type: 'object',
  properties: {
    targetRef: topLevelTargetRef,
    to: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        properties: {
          targetRef: outboundTargetRef,
          rules: {
            type: 'array',
            maxItems: 1,
            items: {
              type: 'object',
              properties: { default: { type: 'object', properties: { backendRefs } } },
              required: ['default'],
            },
          },
        },
        required: ['targetRef', 'rules'],
      },
    },
  },
} as const

export const meshTcpRoute = defineResource({
  ...policyKind,
  type: 'MeshTCPRoute',
  short: 'mtcpr',
  rest: { path: 'meshtcproutes' },
  cli: { one: 'meshtcproute', many: 'meshtcproutes' },
  display: { one: 'Mesh TCP Route', many: 'Mesh TCP Routes' },
  policy: { order: 200, to: true, rules: false, single: false },
  spec,
  validate: validateMeshTcpRoute,
})

export type MeshTcpRouteSpec = Infer<typeof spec>
