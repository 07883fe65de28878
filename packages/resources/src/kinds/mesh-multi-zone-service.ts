// MeshMultiZoneService: one destination over the MeshServices of many zones (contract/resources.md section 5).
import type { Violation } from '@weft/foundation/errors'
import { defineResource, type ResourceOf, type SpecOf, type StatusOf } from '../descriptor.ts'
import { portProtocolViolations, servicePorts } from './service-ports.ts'
import { addresses, appProtocol, conditions, generatorStatuses, port, stringMap, vips } from './shared-schemas.ts'

export const meshMultiZoneService = defineResource({
  type: 'MeshMultiZoneService',
  scope: 'Mesh',
  short: 'mzsvc',
  rest: { path: 'meshmultizoneservices' },
  cli: { one: 'meshmultizoneservice', many: 'meshmultizoneservices' },
  display: { one: 'Mesh Multi Zone Service', many: 'Mesh Multi Zone Services' },
  sync: 'global-to-zones',
  wire: { spec: 'json' },
  naming: 'label',
  kubernetes: { scope: 'Namespaced' },
  spec: {
    type: 'object',
    properties: {
      selector: {
        type: 'object',
        properties: {
          meshService: { type: 'object', properties: { matchLabels: { ...stringMap, default: {} } } },
        },
        required: ['meshService'],
      },
      ports: {
        type: 'array',
        minItems: 1,
        items: { type: 'object', properties: { name: { type: 'string' }, port, appProtocol }, required: ['port'] },
      },
    },
    required: ['selector', 'ports'],
  },
  status: {
    type: 'object',
    properties: {
      addresses,
      meshServices: {
        type: 'array',
        items: {
          type: 'object',
          properties: { name: { type: 'string' }, namespace: { type: 'string' }, zone: { type: 'string' }, mesh: { type: 'string' } },
          required: ['name', 'namespace', 'zone', 'mesh'],
        },
      },
      vips,
      hostnameGenerators: generatorStatuses,
      conditions,
    },
  },
  destination: { ports: (spec) => servicePorts(spec.ports) },
  validate: (spec, { at }): readonly Violation[] => {
    const violations: Violation[] = []
    if (Object.keys(spec.selector.meshService.matchLabels).length === 0) {
      violations.push({ field: `${at}.selector.meshService.matchLabels`, message: 'cannot be empty' })
    }
    for (const [index, item] of spec.ports.entries()) {
      if (item.name === '') violations.push({ field: `${at}.ports[${index}].name`, message: 'must not be empty' })
    }
    return [...violations, ...portProtocolViolations(spec.ports, { at, emptyAllowed: false })]
  },
})

export type MeshMultiZoneServiceSpec = SpecOf<typeof meshMultiZoneService>
export type MeshMultiZoneServiceStatus = StatusOf<typeof meshMultiZoneService>
export type MeshMultiZoneService = ResourceOf<typeof meshMultiZoneService>
