// MeshTrafficPermission: who may connect to an inbound (contract/policies.md section 3.14).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { matches } from '../match.ts'
import { policyKind } from '../policy-kind.ts'
import { topLevelTargetRef } from '../target-ref.ts'
import { validateMeshTrafficPermission } from './validate.ts'

const spec = {
  type: 'object',
  properties: {
    targetRef: topLevelTargetRef,
    rules: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          default: { type: 'object', properties: { deny: matches, allowWithShadowDeny: matches, allow: matches } },
        },
        required: ['default'],
      },
    },
  },
} as const

export const meshTrafficPermission = defineResource({
  ...policyKind,
  type: 'MeshTrafficPermission',
  short: 'mtp',
  rest: { path: 'meshtrafficpermissions' },
  cli: { one: 'meshtrafficpermission', many: 'meshtrafficpermissions' },
  display: { one: 'Mesh Traffic Permission', many: 'Mesh Traffic Permissions' },
  policy: { order: 1100, to: false, rules: true, single: false },
  spec,
  validate: validateMeshTrafficPermission,
})

export type MeshTrafficPermissionSpec = Infer<typeof spec>
