// PUT and DELETE of a resource: checks in the order the contract gives, then one store transaction (contract/rest-cli-gui.md section 3.2).
import {
  computeLabels,
  emptyStatus,
  immutableLabelViolations,
  isReadOnly,
  type LabelPlace,
  type Resource,
  type ResourceDescriptor,
  type ResourceKey,
} from '@weft/resources'
import type { StoreOp, WriteContext } from '@weft/store'
import { requireRight } from './access.ts'
import { warnOfAnswer } from './answer-warnings.ts'
import type { ApiServerDeps } from './api-deps.ts'
import type { ApiReply, ApiRequest } from './api-route.ts'
import { deletionOps, newMeshOps } from './mesh-rules.ts'
import { notFound, Problem, rejectInvalid, titled } from './problem.ts'
import { queryFlag } from './query-flag.ts'
import { processTitle, type ReadResource, readBody } from './read-body.ts'
import { checkWorkloadLabel, deletionViolations, labelNameViolations, requestViolations, type WriteScene } from './write-rules.ts'

/** Where resources written here are from. */
export function labelPlaceOf(deps: ApiServerDeps): LabelPlace {
  const { mode, zone, federated, environment } = deps.controlPlane
  return { mode, zone, federated, environment }
}

/** Access to a kind that only administrators see. */
export function requireKindAccess(deps: ApiServerDeps, kind: ResourceDescriptor, request: ApiRequest): void {
  if (kind.rest?.adminOnly)
    requireRight(deps.settings.access, 'adminResources', { user: request.user, action: `the resource of type "${kind.type}"` })
}

/** Ends the request when this control plane cannot write the kind. */
export function requireWritable(deps: ApiServerDeps, kind: ResourceDescriptor): void {
  const { mode, federated } = deps.controlPlane
  if (!deps.settings.readOnly && !isReadOnly(kind, mode, federated)) return
  throw new Problem(405, 'Method not allowed', { detail: readOnlyHint(deps, kind) })
}

function readOnlyHint(deps: ApiServerDeps, kind: ResourceDescriptor): string {
  if (kind.rest?.readOnly) return `${kind.type} is written by the control plane itself and cannot be changed through the API.\n`
  if (deps.settings.readOnly) return 'This API is set to read-only.\n'
  if (deps.controlPlane.mode === 'global')
    return `On global control plane you can not change ${kind.type}: it belongs to a zone, change it on the zone control plane.\n`
  return `On zone control plane you can not change ${kind.type}: it belongs to the global control plane, change it there.\n`
}

/** Ends the request when the mesh of the URL does not exist. */
export function requireMesh(deps: ApiServerDeps, mesh: string): void {
  if (!deps.store.get({ type: 'Mesh', mesh: '', name: mesh })) throw notFound('Failed to retrieve Mesh')
}

/** Creates or replaces a resource. */
export async function putResource(deps: ApiServerDeps, kind: ResourceDescriptor, request: ApiRequest): Promise<ApiReply> {
  requireWritable(deps, kind)
  const key = keyOf(kind, request)
  if (kind.scope === 'Mesh') requireMesh(deps, key.mesh)
  const scene: WriteScene = { kind, key, controlPlane: deps.controlPlane, settings: deps.settings }
  const read = readBody(kind, request.body, { mesh: key.mesh, strict: queryFlag(request, 'strict', false) })
  const isNew = await untilSettled(() => writeOnce(deps, { scene, read, request }))
  const { warnings } = read
  for (const warning of warnings) warnOfAnswer(warning)
  return { status: isNew ? 201 : 200, json: warnings.length > 0 ? { warnings } : {} }
}

interface Write {
  readonly scene: WriteScene
  readonly read: ReadResource
  readonly request: ApiRequest
}

/** Resolves with whether the resource is new. */
async function writeOnce(deps: ApiServerDeps, { scene, read, request }: Write): Promise<boolean> {
  const { kind, key } = scene
  const stored = deps.store.get(key)
  rejectInvalid(processTitle, requestViolations(scene, read, stored))
  requireKindAccess(deps, kind, request)
  checkWorkloadLabel(scene, read.labels)
  const labels = computeLabels(kind, { ...key, labels: read.labels, spec: read.spec }, labelPlaceOf(deps))
  if (stored) rejectInvalid('Could not update a resource', immutableLabelViolations(stored.labels, labels))
  const title = stored ? 'Failed to update a resource' : 'Failed to create a resource'
  if (!stored) rejectInvalid(title, labelNameViolations(kind, key.name))
  const together =
    kind.type === 'Mesh' && !stored
      ? await titled(title, () => newMeshOps({ ...deps, place: labelPlaceOf(deps) }, key.name, read.spec))
      : []
  await titled(title, () => deps.store.transact([putOp(scene, { ...read, labels }, stored), ...together], contextOf(request)))
  return stored === undefined
}

const attempts = 3

/** The last writer wins, so one that finds the resource changed under its hands decides again. */
async function untilSettled<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await run()
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 409 || attempt === attempts) throw error
    }
  }
}

/** Expecting what was read makes two writers at once a conflict for one of them, not a lost write. */
function putOp(scene: WriteScene, read: ReadResource, stored: Resource | undefined): StoreOp {
  const status = stored ? undefined : emptyStatus(scene.kind)
  return {
    op: 'put',
    resource: { ...scene.key, labels: read.labels, spec: read.spec, ...(status === undefined ? {} : { status }) },
    expect: stored ? stored.version : 'absent',
  }
}

const deleteTitle = 'Could not delete a resource'

/** Deletes a resource and what belongs to it. */
export async function deleteResource(deps: ApiServerDeps, kind: ResourceDescriptor, request: ApiRequest): Promise<ApiReply> {
  requireWritable(deps, kind)
  const key = keyOf(kind, request)
  if (kind.scope === 'Mesh') requireMesh(deps, key.mesh)
  requireKindAccess(deps, kind, request)
  await untilSettled(() => deleteOnce(deps, { kind, key, controlPlane: deps.controlPlane, settings: deps.settings }, request))
  return { json: {} }
}

async function deleteOnce(deps: ApiServerDeps, scene: WriteScene, request: ApiRequest): Promise<void> {
  const { store, registry, settings, controlPlane } = deps
  const stored = store.get(scene.key)
  if (!stored) throw notFound(deleteTitle)
  rejectInvalid(deleteTitle, deletionViolations(scene, stored))
  const together = deletionOps({ store, registry, mode: controlPlane.mode, unsafeDelete: settings.unsafeDelete }, stored)
  await titled(deleteTitle, () =>
    store.transact([...together, { op: 'delete', key: scene.key, expect: stored.version }], contextOf(request)),
  )
}

/** The resource a URL names. */
export function keyOf(kind: ResourceDescriptor, request: ApiRequest): ResourceKey {
  return { type: kind.type, mesh: kind.scope === 'Mesh' ? request.param('mesh') : '', name: request.param('name') }
}

function contextOf(request: ApiRequest): WriteContext {
  return { actor: `user:${request.user.name}`, reason: 'api', class: 'desired' }
}
