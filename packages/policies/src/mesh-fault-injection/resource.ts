// MeshFaultInjection: errors, delays and limits added on purpose to inbound requests (contract/policies.md section 3.3).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { matches } from '../match.ts'
import { policyKind } from '../policy-kind.ts'
import { topLevelTargetRef, toList } from '../target-ref.ts'
import { duration, int32 } from '../value-rules.ts'
import { validateMeshFaultInjection } from './validate.ts'

const percentage = { type: 'intOrString' } as const

const fault = {
  type: 'object',
  properties: {
    abort: { type: 'object', properties: { httpStatus: int32, percentage }, required: ['httpStatus', 'percentage'] },
    delay: { type: 'object', properties: { value: duration, percentage }, required: ['value', 'percentage'] },
    responseBandwidth: {
      type: 'object',
      properties: { limit: { type: 'string' }, percentage },
      required: ['limit', 'percentage'],
    },
  },
} as const

const faults = { type: 'object', properties: { http: { type: 'array', items: fault } } } as const
const conf = { ...faults, default: {} } as const

const spec = {
  type: 'object',
  properties: {
    targetRef: topLevelTargetRef,
    to: toList(conf),
    rules: { type: 'array', items: { type: 'object', properties: { matches, default: faults }, required: ['default'] } },
  },
} as const

export const meshFaultInjection = defineResource({
  ...policyKind,
  type: 'MeshFaultInjection',
  short: 'mfi',
  rest: { path: 'meshfaultinjections' },
  cli: { one: 'meshfaultinjection', many: 'meshfaultinjections' },
  display: { one: 'Mesh Fault Injection', many: 'Mesh Fault Injections' },
  policy: { order: 800, to: true, rules: true, single: false },
  spec,
  validate: validateMeshFaultInjection,
})

export type MeshFaultInjectionSpec = Infer<typeof spec>
export type FaultInjectionConf = Infer<typeof conf>
