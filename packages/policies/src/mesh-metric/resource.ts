// MeshMetric: which metrics of proxies and applications go where (contract/policies.md section 3.15).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { backendResourceRef } from '../backend-ref.ts'
import { conditionsStatus, policyKind } from '../policy-kind.ts'
import { topLevelTargetRef } from '../target-ref.ts'
import { duration, uint32 } from '../value-rules.ts'
import { validateMeshMetric } from './validate.ts'

const selectors = {
  type: 'array',
  items: {
    type: 'object',
    properties: { type: { type: 'string', enum: ['Prefix', 'Regex', 'Exact', 'Contains'] }, match: { type: 'string' } },
    required: ['type', 'match'],
  },
} as const

const conf = {
  type: 'object',
  default: {},
  properties: {
    sidecar: {
      type: 'object',
      properties: {
        profiles: {
          type: 'object',
          properties: {
            appendProfiles: {
              type: 'array',
              items: { type: 'object', properties: { name: { type: 'string', enum: ['All', 'Basic', 'None'] } }, required: ['name'] },
            },
            exclude: selectors,
            include: selectors,
          },
        },
        includeUnused: { type: 'boolean' },
      },
    },
    applications: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          path: { type: 'string', default: '/metrics' },
          address: { type: 'string' },
          port: uint32,
        },
        required: ['port'],
      },
    },
    backends: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          type: { type: 'string', enum: ['Prometheus', 'OpenTelemetry'] },
          prometheus: {
            type: 'object',
            properties: {
              clientId: { type: 'string' },
              port: { ...uint32, default: 5670 },
              path: { type: 'string', default: '/metrics' },
              tls: {
                type: 'object',
                properties: { mode: { type: 'string', enum: ['Disabled', 'ProvidedTLS', 'ActiveMTLSBackend'], default: 'Disabled' } },
              },
            },
          },
          openTelemetry: { type: 'object', properties: { backendRef: backendResourceRef, refreshInterval: duration } },
        },
        required: ['type'],
      },
    },
  },
} as const

const spec = { type: 'object', properties: { targetRef: topLevelTargetRef, default: conf } } as const

export const meshMetric = defineResource({
  ...policyKind,
  type: 'MeshMetric',
  short: 'mm',
  rest: { path: 'meshmetrics' },
  cli: { one: 'meshmetric', many: 'meshmetrics' },
  display: { one: 'Mesh Metric', many: 'Mesh Metrics' },
  policy: { order: 1500, to: false, rules: false, single: true },
  spec,
  status: conditionsStatus,
  validate: validateMeshMetric,
})

export type MeshMetricSpec = Infer<typeof spec>
export type MetricConf = Infer<typeof conf>
