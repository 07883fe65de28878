// MeshService: a destination in one zone, selecting dataplanes by name or labels (contract/resources.md section 4). Zones of the previous
// major version also list ServiceTag identities; they mean nothing here but must not keep the rest of the service out.
import type { Violation } from '@weft/foundation/errors'
import { defineResource, type ResourceOf, type SpecOf, type StatusOf } from '../descriptor.ts'
import { portProtocolViolations, servicePorts } from './service-ports.ts'
import { addresses, appProtocol, generatorStatuses, port, stringMap, vips } from './shared-schemas.ts'

export const meshService = defineResource({
  type: 'MeshService',
  scope: 'Mesh',
  short: 'msvc',
  rest: { path: 'meshservices' },
  cli: { one: 'meshservice', many: 'meshservices' },
  display: { one: 'Mesh Service', many: 'Mesh Services' },
  sync: 'zone-to-zones',
  wire: { spec: 'json' },
  naming: 'label',
  kubernetes: { scope: 'Namespaced' },
  spec: {
    type: 'object',
    properties: {
      state: { type: 'string', enum: ['Available', 'Unavailable'], default: 'Unavailable' },
      selector: {
        type: 'object',
        default: {},
        properties: {
          dataplaneRef: { type: 'object', properties: { name: { type: 'string' } } },
          dataplaneLabels: { type: 'object', properties: { matchLabels: stringMap } },
        },
      },
      ports: {
        type: 'array',
        items: {
          type: 'object',
          properties: { name: { type: 'string' }, port, targetPort: { type: 'intOrString' }, appProtocol },
          required: ['port'],
        },
      },
      identities: {
        type: 'array',
        items: {
          type: 'object',
          properties: { type: { type: 'string', enum: ['SpiffeID', 'ServiceTag'] }, value: { type: 'string' } },
          required: ['type', 'value'],
        },
      },
    },
  },
  status: {
    type: 'object',
    properties: {
      addresses,
      vips,
      tls: { type: 'object', properties: { status: { type: 'string', enum: ['Ready', 'NotReady'] } }, default: {} },
      hostnameGenerators: generatorStatuses,
      dataplaneProxies: {
        type: 'object',
        properties: { connected: { type: 'integer' }, healthy: { type: 'integer' }, total: { type: 'integer' } },
        default: {},
      },
    },
  },
  destination: { ports: (spec) => servicePorts(spec.ports) },
  validate: (spec, { at }): readonly Violation[] => {
    const violations = [...portProtocolViolations(spec.ports, { at, emptyAllowed: true })]
    if (spec.selector.dataplaneRef !== undefined && spec.selector.dataplaneLabels !== undefined) {
      violations.unshift({ field: `${at}.selector`, message: 'must specify only one of: dataplaneRef or dataplaneLabels' })
    }
    return violations
  },
})

export type MeshServiceSpec = SpecOf<typeof meshService>
export type MeshServiceStatus = StatusOf<typeof meshService>
export type MeshService = ResourceOf<typeof meshService>
