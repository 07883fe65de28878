// Secret, GlobalSecret and Config: values that control planes keep for themselves and for proxies (contract/resources.md section 3.3).
import { defineResource, type ResourceOf, type SpecOf } from '../descriptor.ts'

const spec = { type: 'object', properties: { data: { type: 'string', format: 'bytes', description: 'Base64.' } } } as const

export const secret = defineResource({
  type: 'Secret',
  scope: 'Mesh',
  rest: { path: 'secrets', adminOnly: true },
  cli: { one: 'secret', many: 'secrets' },
  display: { one: 'Secret', many: 'Secrets' },
  sync: 'global-to-zones-zone-writable',
  wire: { spec: 'kuma.system.v1alpha1.Secret' },
  hashedName: false,
  isConfidential: true,
  kubernetes: { scope: 'Namespaced', object: 'Secret', secretType: 'system.kuma.io/secret' },
  spec,
})

export const globalSecret = defineResource({
  type: 'GlobalSecret',
  scope: 'Global',
  rest: { path: 'globalsecrets', aliases: ['global-secrets'], adminOnly: true },
  cli: { one: 'globalsecret', many: 'globalsecrets', aliases: ['global-secret', 'global-secrets'] },
  display: { one: 'Global Secret', many: 'Global Secrets' },
  sync: 'global-to-zones-zone-writable',
  wire: { spec: 'kuma.system.v1alpha1.Secret' },
  hashedName: false,
  isConfidential: true,
  kubernetes: { scope: 'Namespaced', object: 'Secret', secretType: 'system.kuma.io/global-secret' },
  spec,
})

export const config = defineResource({
  type: 'Config',
  scope: 'Global',
  display: { one: 'Config', many: 'Configs' },
  sync: 'global-to-zones-zone-writable',
  wire: { spec: 'kuma.system.v1alpha1.Config' },
  hashedName: false,
  kubernetes: { scope: 'Namespaced', object: 'ConfigMap' },
  spec: { type: 'object', properties: { config: { type: 'string' } } },
})

export type SecretSpec = SpecOf<typeof secret>
export type GlobalSecretSpec = SpecOf<typeof globalSecret>
export type ConfigSpec = SpecOf<typeof config>
export type Secret = ResourceOf<typeof secret>
export type GlobalSecret = ResourceOf<typeof globalSecret>
export type Config = ResourceOf<typeof config>
