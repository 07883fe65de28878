// Mesh: the unit of isolation (contract/resources.md section 2).
import { defineResource, type ResourceOf, type SpecOf } from '../descriptor.ts'
import { stringList } from './shared-schemas.ts'

export const mesh = defineResource({
  type: 'Mesh',
  scope: 'Global',
  short: 'm',
  rest: { path: 'meshes' },
  cli: { one: 'mesh', many: 'meshes' },
  display: { one: 'Mesh', many: 'Meshes' },
  sync: 'global-to-zones',
  wire: { spec: 'kuma.mesh.v1alpha1.Mesh' },
  hashedName: false,
  naming: 'label',
  kubernetes: { scope: 'Cluster' },
  overview: { insight: 'MeshInsight', type: 'MeshOverview' },
  spec: { type: 'object', properties: { skipCreatingInitialPolicies: stringList } },
})

export type MeshSpec = SpecOf<typeof mesh>
export type Mesh = ResourceOf<typeof mesh>
