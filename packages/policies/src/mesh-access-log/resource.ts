// MeshAccessLog: where and how connections and requests are logged (contract/policies.md section 3.1).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { backendResourceRef } from '../backend-ref.ts'
import { matches } from '../match.ts'
import { conditionsStatus, policyKind } from '../policy-kind.ts'
import { outboundTargetRef, topLevelTargetRef } from '../target-ref.ts'
import { validateMeshAccessLog } from './validate.ts'

const keyValues = {
  type: 'array',
  items: { type: 'object', properties: { key: { type: 'string' }, value: { type: 'string' } }, required: ['key', 'value'] },
} as const

const attributes = {
  type: 'array',
  items: {
    type: 'object',
    properties: { key: { type: 'string', pattern: '^[a-z]([a-z0-9]|[._][a-z0-9])*$' }, value: { type: 'string' } },
    required: ['key', 'value'],
  },
} as const

const format = {
  type: 'object',
  properties: {
    type: { type: 'string', enum: ['Plain', 'Json'] },
    plain: { type: 'string' },
    json: keyValues,
    omitEmptyValues: { type: 'boolean', default: false },
  },
  required: ['type'],
} as const

const backend = {
  type: 'object',
  properties: {
    type: { type: 'string', enum: ['Tcp', 'File', 'OpenTelemetry'] },
    tcp: { type: 'object', properties: { format, address: { type: 'string', minLength: 1 } }, required: ['address'] },
    file: { type: 'object', properties: { format, path: { type: 'string', minLength: 1 } }, required: ['path'] },
    openTelemetry: {
      type: 'object',
      properties: { attributes, body: { type: 'any' }, backendRef: backendResourceRef },
    },
  },
  required: ['type'],
} as const

const conf = { type: 'object', properties: { backends: { type: 'array', items: backend } } } as const

const spec = {
  type: 'object',
  properties: {
    targetRef: topLevelTargetRef,
    to: {
      type: 'array',
      items: { type: 'object', properties: { targetRef: outboundTargetRef, default: conf }, required: ['targetRef', 'default'] },
    },
    rules: { type: 'array', items: { type: 'object', properties: { matches, default: conf }, required: ['default'] } },
  },
} as const

export const meshAccessLog = defineResource({
  ...policyKind,
  type: 'MeshAccessLog',
  short: 'mal',
  rest: { path: 'meshaccesslogs' },
  cli: { one: 'meshaccesslog', many: 'meshaccesslogs' },
  display: { one: 'Mesh Access Log', many: 'Mesh Access Logs' },
  policy: { order: 600, to: true, rules: true, single: false },
  spec,
  status: conditionsStatus,
  validate: validateMeshAccessLog,
})

export type MeshAccessLogSpec = Infer<typeof spec>
export type AccessLogConf = Infer<typeof conf>
export type AccessLogBackend = Infer<typeof backend>
export type AccessLogFormat = Infer<typeof format>
