// What comes and goes with a Mesh, a Zone and a Dataplane. One transaction each: nobody ever sees a mesh without its defaults or a leftover
// of a deleted one (contract/policies.md section 4, contract/rest-cli-gui.md section 3.4).
import { listField } from '@weft/foundation/json'
import {
  checkSpec,
  computeLabels,
  emptyStatus,
  labelKeys,
  type LabelPlace,
  type Registry,
  type Resource,
  type ResourceKey,
} from '@weft/resources'
import { isOnline } from '@weft/insights'
import type { Store, StoreOp } from '@weft/store'
import { dataplaneSigningKeyName, defaultPolicies } from './mesh-defaults.ts'
import { invalid } from './problem.ts'

export interface MeshRulesDeps {
  readonly store: Store
  readonly registry: Registry
  readonly place: LabelPlace
  generateSigningKey(): Promise<string>
}

/** What is written together with a new Mesh: default policies and the key that signs its proxies' tokens. */
export async function newMeshOps(deps: MeshRulesDeps, mesh: string, spec: unknown): Promise<readonly StoreOp[]> {
  const skipped = skippedTypes(spec)
  const ops: StoreOp[] = []
  for (const policy of defaultPolicies) {
    if (skipped.has('*') || skipped.has(policy.type)) continue
    const op = newResource(deps, { type: policy.type, mesh, name: policy.name(mesh) }, policy.spec)
    if (op) ops.push(op)
  }
  const secret = { type: 'Secret', mesh, name: dataplaneSigningKeyName(mesh) }
  if (!deps.store.get(secret)) {
    const key = await deps.generateSigningKey()
    const op = newResource(deps, secret, { data: Buffer.from(key).toString('base64') })
    if (op) ops.push(op)
  }
  return ops
}

/** A put of a resource of our own; undefined when it exists already or this control plane does not know the kind. */
function newResource(deps: MeshRulesDeps, key: ResourceKey, spec: unknown): StoreOp | undefined {
  const kind = deps.registry.get(key.type)
  if (!kind || deps.store.get(key)) return undefined
  const checked = checkSpec(kind, spec)
  if (checked.value === undefined) throw new Error(`default ${key.type} is not valid: ${JSON.stringify(checked.violations)}`)
  const labels = computeLabels(kind, { ...key, labels: {}, spec: checked.value }, deps.place)
  const status = emptyStatus(kind)
  return { op: 'put', resource: { ...key, labels, spec: checked.value, ...(status === undefined ? {} : { status }) } }
}

function skippedTypes(spec: unknown): ReadonlySet<unknown> {
  return new Set(listField(spec, 'skipCreatingInitialPolicies'))
}

export interface DeleteScene {
  readonly store: Store
  readonly registry: Registry
  readonly mode: 'global' | 'zone'
  readonly unsafeDelete: boolean
}

/** What a deletion takes along. Throws the Problem that forbids it. */
export function deletionOps(scene: DeleteScene, resource: Resource): readonly StoreOp[] {
  switch (resource.type) {
    case 'Mesh':
      return meshDeletion(scene, resource.name)
    case 'Zone':
      return zoneDeletion(scene, resource.name)
    case 'Dataplane':
      return [remove({ type: 'DataplaneInsight', mesh: resource.mesh, name: resource.name })]
    default:
      return []
  }
}

function meshDeletion(scene: DeleteScene, mesh: string): readonly StoreOp[] {
  const { store, registry } = scene
  if (!scene.unsafeDelete && store.list('Dataplane', mesh).length > 0) {
    throw invalid('Could not delete a resource', [
      { field: 'mesh', message: 'unable to delete mesh, there are still some dataplanes attached' },
    ])
  }
  const owned = registry.all.filter((kind) => kind.scope === 'Mesh').flatMap((kind) => store.list(kind.type, mesh))
  return [...owned.map(remove), remove({ type: 'MeshInsight', mesh: '', name: mesh })]
}

function zoneDeletion(scene: DeleteScene, zone: string): readonly StoreOp[] {
  const { store, registry } = scene
  const insight = { type: 'ZoneInsight', mesh: '', name: zone }
  if (!scene.unsafeDelete && isOnline(store.get(insight)?.spec)) {
    const message = 'unable to delete Zone, Zone CP is still connected, please shut it down first'
    throw invalid('Could not delete a resource', [{ field: 'zone', message }])
  }
  // in a zone its own resources carry its name, and stay
  const reported =
    scene.mode === 'global'
      ? registry.all.filter((kind) => kind.type !== 'Zone').flatMap((kind) => store.list(kind.type).filter(isOf(zone)))
      : []
  return [...reported.map(remove), remove(insight)]
}

function isOf(zone: string): (resource: Resource) => boolean {
  return ({ labels }) => labels[labelKeys.origin] === 'zone' && labels[labelKeys.zone] === zone
}

function remove(key: ResourceKey): StoreOp {
  return { op: 'delete', key: { type: key.type, mesh: key.mesh, name: key.name }, ifPresent: true }
}
