// MeshTrust: the roots of one trust domain (contract/resources.md section 9).
import type { Violation } from '@weft/foundation/errors'
import { defineResource, type ResourceOf, type SpecOf, type StatusOf } from '../descriptor.ts'
import { pemViolations } from './pem.ts'

export const meshTrust = defineResource({
  type: 'MeshTrust',
  scope: 'Mesh',
  short: 'mtrust',
  rest: { path: 'meshtrusts' },
  cli: { one: 'meshtrust', many: 'meshtrusts' },
  display: { one: 'Mesh Trust', many: 'Mesh Trusts' },
  sync: 'both-ways',
  wire: { spec: 'json' },
  systemNamespaceOnly: true,
  kubernetes: { scope: 'Namespaced' },
  spec: {
    type: 'object',
    properties: {
      trustDomain: { type: 'string', minLength: 1, maxLength: 253 },
      caBundles: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          properties: {
            type: { type: 'string', enum: ['Pem'] },
            pem: { type: 'object', properties: { value: { type: 'string' } }, required: ['value'] },
          },
          required: ['type'],
        },
      },
    },
    required: ['trustDomain', 'caBundles'],
  },
  status: { type: 'object', properties: { origin: { type: 'object', properties: { kri: { type: 'string' } } } } },
  validate: (spec, { at }): readonly Violation[] =>
    spec.caBundles.flatMap((bundle, index) => pemViolations(bundle.pem?.value, `${at}.caBundles[${index}].pem`)),
})

export type MeshTrustSpec = SpecOf<typeof meshTrust>
export type MeshTrustStatus = StatusOf<typeof meshTrust>
export type MeshTrust = ResourceOf<typeof meshTrust>
