// MeshOpenTelemetryBackend: a collector that telemetry policies refer to (contract/resources.md section 11).
import type { Infer } from '@weft/foundation/schema'
import { defineResource, type ResourceOf, type StatusOf } from '../descriptor.ts'
import { validateOpenTelemetryBackend } from './mesh-open-telemetry-backend-rules.ts'
import { conditions } from './shared-schemas.ts'

const spec = {
  type: 'object',
  properties: {
    endpoint: {
      type: 'object',
      properties: { address: { type: 'string' }, port: { type: 'integer' }, path: { type: 'string' } },
    },
    protocol: { type: 'string', enum: ['grpc', 'http'], description: 'grpc when absent.' },
    env: {
      type: 'object',
      properties: {
        mode: { type: 'string', enum: ['Disabled', 'Optional', 'Required'], default: 'Optional' },
        precedence: { type: 'string', enum: ['ExplicitFirst', 'EnvFirst'], default: 'EnvFirst' },
        allowSignalOverrides: { type: 'boolean' },
      },
    },
  },
} as const

export const meshOpenTelemetryBackend = defineResource({
  type: 'MeshOpenTelemetryBackend',
  scope: 'Mesh',
  short: 'motb',
  rest: { path: 'meshopentelemetrybackends' },
  cli: { one: 'meshopentelemetrybackend', many: 'meshopentelemetrybackends' },
  display: { one: 'Mesh OpenTelemetry Backend', many: 'Mesh OpenTelemetry Backends' },
  sync: 'both-ways',
  wire: { spec: 'json' },
  systemNamespaceOnly: true,
  kubernetes: { scope: 'Namespaced' },
  spec,
  status: { type: 'object', properties: { conditions } },
  validate: validateOpenTelemetryBackend,
})

export type MeshOpenTelemetryBackendSpec = Infer<typeof spec>
export type MeshOpenTelemetryBackendStatus = StatusOf<typeof meshOpenTelemetryBackend>
export type MeshOpenTelemetryBackend = ResourceOf<typeof meshOpenTelemetryBackend>
