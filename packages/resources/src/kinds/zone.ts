// Zone: one zone control plane as global and the zone itself know it (contract/kds.md section 11).
import { defineResource, type ResourceOf, type SpecOf } from '../descriptor.ts'

export const zone = defineResource({
  type: 'Zone',
  scope: 'Global',
  short: 'z',
  rest: { path: 'zones' },
  cli: { one: 'zone', many: 'zones' },
  display: { one: 'Zone', many: 'Zones' },
  sync: 'local',
  wire: { spec: 'kuma.system.v1alpha1.Zone' },
  naming: 'label',
  kubernetes: { scope: 'Cluster' },
  overview: { insight: 'ZoneInsight', type: 'ZoneOverview' },
  spec: { type: 'object', properties: { enabled: { type: 'boolean', presence: 'explicit', description: 'Absent means enabled.' } } },
})

export type ZoneSpec = SpecOf<typeof zone>
export type Zone = ResourceOf<typeof zone>
