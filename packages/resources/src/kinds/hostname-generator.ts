// HostnameGenerator: hostnames for destinations by template (contract/resources.md section 10).
import type { Infer } from '@weft/foundation/schema'
import { defineResource, type ResourceOf } from '../descriptor.ts'
import { validateHostnameGenerator } from './hostname-generator-rules.ts'
import { stringMap } from './shared-schemas.ts'

const labelSelector = { type: 'object', properties: { matchLabels: stringMap } } as const

const spec = {
  type: 'object',
  properties: {
    selector: {
      type: 'object',
      default: {},
      properties: { meshService: labelSelector, meshExternalService: labelSelector, meshMultiZoneService: labelSelector },
    },
    template: { type: 'string' },
    extension: { type: 'object', properties: { type: { type: 'string' }, config: { type: 'any' } }, required: ['type'] },
  },
  required: ['template'],
} as const

export const hostnameGenerator = defineResource({
  type: 'HostnameGenerator',
  scope: 'Global',
  short: 'hg',
  rest: { path: 'hostnamegenerators' },
  cli: { one: 'hostnamegenerator', many: 'hostnamegenerators' },
  display: { one: 'Hostname Generator', many: 'Hostname Generators' },
  sync: 'both-ways',
  wire: { spec: 'json' },
  systemNamespaceOnly: true,
  kubernetes: { scope: 'Namespaced' },
  spec,
  validate: validateHostnameGenerator,
})

export type HostnameGeneratorSpec = Infer<typeof spec>
export type HostnameGenerator = ResourceOf<typeof hostnameGenerator>
