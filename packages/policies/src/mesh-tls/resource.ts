// MeshTLS: how inbounds require TLS (contract/policies.md section 3.7).
import type { Infer } from '@weft/foundation/schema'
import { defineResource } from '@weft/resources'
import { policyKind } from '../policy-kind.ts'
import { topLevelTargetRef } from '../target-ref.ts'
import { tlsCiphers, tlsVersion } from '../tls-versions.ts'
import { validateMeshTls } from './validate.ts'

const conf = {
  type: 'object',
  default: {},
  properties: { tlsVersion, tlsCiphers, mode: { type: 'string', enum: ['Permissive', 'Strict'], description: 'Strict when absent.' } },
} as const

const spec = {
  type: 'object',
  properties: { targetRef: topLevelTargetRef, rules: { type: 'array', items: { type: 'object', properties: { default: conf } } } },
} as const

export const meshTls = defineResource({
  ...policyKind,
  type: 'MeshTLS',
  short: 'mtls',
  rest: { path: 'meshtlses' },
  cli: { one: 'meshtls', many: 'meshtlses' },
  display: { one: 'Mesh TLS', many: 'Mesh TLSes' },
  policy: { order: 300, to: false, rules: true, single: false },
  spec,
  validate: validateMeshTls,
})

export type MeshTlsSpec = Infer<typeof spec>
export type MeshTlsConf = Infer<typeof conf>
