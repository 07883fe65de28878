// MeshExternalService: a destination outside the mesh, reached through a zone egress (contract/resources.md section 6).
import type { Infer } from '@weft/foundation/schema'
import { defineResource, type ResourceOf, type StatusOf } from '../descriptor.ts'
import { secureSource } from './data-source.ts'
import { validateMeshExternalService } from './mesh-external-service-rules.ts'
import { addresses, generatorStatuses, port } from './shared-schemas.ts'

const tlsVersion = { type: 'string', enum: ['TLSAuto', 'TLS10', 'TLS11', 'TLS12', 'TLS13'], default: 'TLSAuto' } as const

const spec = {
  type: 'object',
  properties: {
    match: {
      type: 'object',
      properties: {
        type: { type: 'string', enum: ['HostnameGenerator'], default: 'HostnameGenerator' },
        port,
        protocol: { type: 'string', enum: ['tcp', 'grpc', 'http', 'http2'], default: 'tcp' },
      },
      required: ['port'],
    },
    extension: { type: 'object', properties: { type: { type: 'string' }, config: { type: 'any' } }, required: ['type'] },
    endpoints: {
      type: 'array',
      items: {
        type: 'object',
        properties: { address: { type: 'string', minLength: 1 }, port, priority: { type: 'integer', minimum: 0, maximum: 128 } },
        required: ['address', 'port'],
      },
    },
    tls: {
      type: 'object',
      properties: {
        enabled: { type: 'boolean', default: false },
        version: { type: 'object', properties: { min: tlsVersion, max: tlsVersion } },
        allowRenegotiation: { type: 'boolean', default: false },
        verification: {
          type: 'object',
          properties: {
            mode: { type: 'string', enum: ['SkipSAN', 'SkipCA', 'Secured', 'SkipAll'], default: 'Secured' },
            serverName: { type: 'string' },
            subjectAltNames: {
              type: 'array',
              items: {
                type: 'object',
                properties: { type: { type: 'string', enum: ['Exact', 'Prefix'], default: 'Exact' }, value: { type: 'string' } },
                required: ['value'],
              },
            },
            caCert: secureSource,
            clientCert: secureSource,
            clientKey: secureSource,
          },
        },
      },
    },
  },
  required: ['match'],
} as const

export const meshExternalService = defineResource({
  type: 'MeshExternalService',
  scope: 'Mesh',
  short: 'extsvc',
  rest: { path: 'meshexternalservices' },
  cli: { one: 'meshexternalservice', many: 'meshexternalservices' },
  display: { one: 'Mesh External Service', many: 'Mesh External Services' },
  sync: 'both-ways',
  wire: { spec: 'json' },
  naming: 'label',
  systemNamespaceOnly: true,
  kubernetes: { scope: 'Namespaced' },
  spec,
  status: {
    type: 'object',
    properties: {
      vip: { type: 'object', properties: { ip: { type: 'string' } }, default: {} },
      addresses,
      hostnameGenerators: generatorStatuses,
    },
  },
  destination: { ports: (spec) => [{ name: String(spec.match.port), port: spec.match.port }] },
  validate: validateMeshExternalService,
})

export type MeshExternalServiceSpec = Infer<typeof spec>
export type MeshExternalServiceStatus = StatusOf<typeof meshExternalService>
export type MeshExternalService = ResourceOf<typeof meshExternalService>
