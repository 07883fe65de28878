// MeshTrace: where spans go and how many (contract/policies.md section 3.13).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { backendResourceRef } from '../backend-ref.ts'
import { conditionsStatus, policyKind } from '../policy-kind.ts'
import { topLevelTargetRef } from '../target-ref.ts'
import { validateMeshTrace } from './validate.ts'

const backend = {
  type: 'object',
  properties: {
    type: { type: 'string', enum: ['Zipkin', 'Datadog', 'OpenTelemetry'] },
    zipkin: {
      type: 'object',
      properties: {
        url: { type: 'string' },
        traceId128bit: { type: 'boolean', default: false },
        apiVersion: { type: 'string', enum: ['httpJson', 'httpProto'], default: 'httpJson' },
        sharedSpanContext: { type: 'boolean', default: true },
      },
      required: ['url'],
    },
    datadog: {
      type: 'object',
      properties: { url: { type: 'string' }, splitService: { type: 'boolean', default: false } },
      required: ['url'],
    },
    openTelemetry: { type: 'object', properties: { backendRef: backendResourceRef } },
  },
  required: ['type'],
} as const

const tag = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    literal: { type: 'string' },
    header: { type: 'object', properties: { name: { type: 'string' }, default: { type: 'string' } }, required: ['name'] },
  },
  required: ['name'],
} as const

const conf = {
  type: 'object',
  default: {},
  properties: {
    backends: { type: 'array', maxItems: 1, items: backend },
    sampling: {
      type: 'object',
      properties: { overall: { type: 'intOrString' }, client: { type: 'intOrString' }, random: { type: 'intOrString' } },
    },
    tags: { type: 'array', items: tag },
  },
} as const

const spec = { type: 'object', properties: { targetRef: topLevelTargetRef, default: conf } } as const

export const meshTrace = defineResource({
  ...policyKind,
  type: 'MeshTrace',
  short: 'mtr',
  rest: { path: 'meshtraces' },
  cli: { one: 'meshtrace', many: 'meshtraces' },
  display: { one: 'Mesh Trace', many: 'Mesh Traces' },
  policy: { order: 700, to: false, rules: false, single: true },
  spec,
  status: conditionsStatus,
  validate: validateMeshTrace,
})

export type MeshTraceSpec = Infer<typeof spec>
export type TraceConf = Infer<typeof conf>
