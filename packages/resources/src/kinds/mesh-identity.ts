// MeshIdentity: which SPIFFE identity dataplanes get and who issues it (contract/resources.md section 8).
import type { Infer } from '@weft/foundation/schema'
import { defineResource, type ResourceOf, type StatusOf } from '../descriptor.ts'
import { secureSource } from './data-source.ts'
import { validateMeshIdentity } from './mesh-identity-rules.ts'
import { conditions, stringMap } from './shared-schemas.ts'

const spec = {
  type: 'object',
  properties: {
    selector: {
      type: 'object',
      description: 'Absent selects nothing; empty matchLabels select every dataplane.',
      properties: { dataplane: { type: 'object', properties: { matchLabels: stringMap } } },
    },
    spiffeID: { type: 'object', properties: { trustDomain: { type: 'string' }, path: { type: 'string' } } },
    provider: {
      type: 'object',
      properties: {
        type: { type: 'string', enum: ['Bundled', 'Spire', 'Extension'] },
        bundled: {
          type: 'object',
          properties: {
            meshTrustCreation: { type: 'string', enum: ['Enabled', 'Disabled'], description: 'Enabled when absent.' },
            insecureAllowSelfSigned: { type: 'boolean' },
            certificateParameters: { type: 'object', properties: { expiry: { type: 'string', format: 'duration' } } },
            autogenerate: { type: 'object', properties: { enabled: { type: 'boolean' } } },
            ca: { type: 'object', properties: { certificate: secureSource, privateKey: secureSource } },
          },
        },
        spire: {
          type: 'object',
          properties: { agent: { type: 'object', properties: { timeout: { type: 'string', format: 'duration' } } } },
        },
        extension: { type: 'object', properties: { name: { type: 'string' }, config: { type: 'any' } }, required: ['name'] },
      },
      required: ['type'],
    },
  },
} as const

export const meshIdentity = defineResource({
  type: 'MeshIdentity',
  scope: 'Mesh',
  short: 'mid',
  rest: { path: 'meshidentities' },
  cli: { one: 'meshidentity', many: 'meshidentities' },
  display: { one: 'Mesh Identity', many: 'Mesh Identities' },
  sync: 'both-ways',
  wire: { spec: 'json' },
  systemNamespaceOnly: true,
  kubernetes: { scope: 'Namespaced' },
  spec,
  status: { type: 'object', properties: { conditions } },
  validate: validateMeshIdentity,
})

export type MeshIdentitySpec = Infer<typeof spec>
export type MeshIdentityStatus = StatusOf<typeof meshIdentity>
export type MeshIdentity = ResourceOf<typeof meshIdentity>
