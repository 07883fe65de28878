// Workload: the dataplanes that run the same thing, counted (contract/resources.md section 11).
import { defineResource, type ResourceOf, type SpecOf, type StatusOf } from '../descriptor.ts'

const count = { type: 'integer', default: 0 } as const

export const workload = defineResource({
  type: 'Workload',
  scope: 'Mesh',
  short: 'wl',
  rest: { path: 'workloads' },
  cli: { one: 'workload', many: 'workloads' },
  display: { one: 'Workload', many: 'Workloads' },
  sync: 'zone-to-global',
  wire: { spec: 'json' },
  kubernetes: { scope: 'Namespaced' },
  spec: { type: 'object', properties: {} },
  status: {
    type: 'object',
    properties: {
      dataplaneProxies: { type: 'object', properties: { connected: count, healthy: count, total: count }, default: {} },
    },
  },
})

export type WorkloadSpec = SpecOf<typeof workload>
export type WorkloadStatus = StatusOf<typeof workload>
export type Workload = ResourceOf<typeof workload>
