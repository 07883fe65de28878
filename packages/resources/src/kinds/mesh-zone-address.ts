// MeshZoneAddress: where other zones reach a mesh's ingress in this zone (contract/resources.md section 7).
import type { Violation } from '@weft/foundation/errors'
import { addressViolations } from '../addresses.ts'
import { defineResource, type ResourceOf, type SpecOf } from '../descriptor.ts'
import { port } from './shared-schemas.ts'

export const meshZoneAddress = defineResource({
  type: 'MeshZoneAddress',
  scope: 'Mesh',
  short: 'mza',
  rest: { path: 'meshzoneaddresses' },
  cli: { one: 'meshzoneaddress', many: 'meshzoneaddresses' },
  display: { one: 'Mesh Zone Address', many: 'Mesh Zone Addresses' },
  sync: 'zone-to-zones',
  wire: { spec: 'json' },
  kubernetes: { scope: 'Namespaced' },
  spec: { type: 'object', properties: { address: { type: 'string', minLength: 1 }, port }, required: ['address', 'port'] },
  validate: (spec, { at }): readonly Violation[] =>
    addressViolations(spec.address, `${at}.address`, 'must be a valid IP address or domain name'),
})

export type MeshZoneAddressSpec = SpecOf<typeof meshZoneAddress>
export type MeshZoneAddress = ResourceOf<typeof meshZoneAddress>
