// What a write must meet beyond the resource's own schema: agreement with the URL, names, labels and origin, by role of the control plane
// (contract/rest-cli-gui.md sections 3.4, 3.5 and 4.1).
import type { Violation } from '@weft/foundation/errors'
import {
  isProvidedBy,
  labelKeys,
  labelPath,
  type Labels,
  meshViolations,
  nameViolations,
  originViolations,
  type Resource,
  type ResourceDescriptor,
  type ResourceKey,
  rfc1035Messages,
  writeLabelViolations,
  type WritePlace,
  zonedNameViolations,
} from '@weft/resources'
import type { ApiSettings, ControlPlaneIdentity } from './api-deps.ts'
import { badRequest } from './problem.ts'
import type { ReadResource } from './read-body.ts'

export interface WriteScene {
  readonly kind: ResourceDescriptor
  /** From the URL. */
  readonly key: ResourceKey
  readonly controlPlane: ControlPlaneIdentity
  readonly settings: ApiSettings
}

/** Everything wrong with a PUT that the URL, the names and the labels show, in the order of the peers. */
export function requestViolations(scene: WriteScene, read: ReadResource, stored: Resource | undefined): readonly Violation[] {
  const { kind, key } = scene
  const place = placeOf(scene)
  const differs = (field: 'name' | 'type' | 'mesh', wanted: string): readonly Violation[] =>
    read[field] === wanted ? [] : [{ field, message: `${field} from the URL has to be the same as in body` }]
  return [
    ...differs('name', key.name),
    ...zonedNameViolations(read.name, place),
    ...differs('type', kind.type),
    ...differs('mesh', key.mesh),
    ...writeLabelViolations(kind, read, place),
    ...foreignViolations(scene, stored, labelPath(labelKeys.origin)),
    ...nameViolations(read.name),
    ...(kind.scope === 'Mesh' ? meshViolations(read.mesh) : []),
  ]
}

/** Why a stored resource may not be deleted here. */
export function deletionViolations(scene: WriteScene, stored: Resource): readonly Violation[] {
  // the peers show the label this way here, and tools compare
  const field = '["kuma.io/origin"]'
  const violations = originViolations(scene.kind, stored.labels, placeOf(scene), field)
  return violations.length > 0 ? violations : foreignViolations(scene, stored, field)
}

function placeOf({ controlPlane: { mode, zone, federated }, settings }: WriteScene): WritePlace {
  return { mode, zone, federated, originUnchecked: settings.disableOriginLabelValidation }
}

/** A resource that came by sync belongs to where it came from: writing or deleting it here would be undone, or would break the sync. */
function foreignViolations({ controlPlane, kind }: WriteScene, stored: Resource | undefined, field: string): readonly Violation[] {
  const owner = stored?.labels[labelKeys.origin]
  if (controlPlane.mode === 'global') {
    return owner === 'zone' ? [{ field, message: 'the stored resource is owned by a zone: change it there' }] : []
  }
  if (!controlPlane.federated || owner !== 'global' || !isProvidedBy(kind, 'zone') || kind.type === 'Zone') return []
  return [{ field, message: 'the stored resource is owned by the global control plane: change it there, or choose another name' }]
}

/** `kuma.io/workload` on a Dataplane ends the request at once, as in the reference. */
export function checkWorkloadLabel(scene: WriteScene, labels: Labels): void {
  const workload = labels[labelKeys.workload]
  if (scene.kind.type !== 'Dataplane' || workload === undefined) return
  const field = labelPath(labelKeys.workload)
  if (scene.controlPlane.mode === 'global') throw badRequest(`${field}: not allowed on a global control plane`)
  const [message] = rfc1035Messages(workload)
  if (message !== undefined)
    throw badRequest(
      `${field}: must be a valid DNS-1035 label (at most 63 characters, matching regex [a-z]([-a-z0-9]*[a-z0-9])?): ${message}`,
    )
}

/** Names of these kinds become parts of host names. */
export function labelNameViolations(kind: ResourceDescriptor, name: string): readonly Violation[] {
  return kind.naming === 'label' ? rfc1035Messages(name).map((message) => ({ field: 'name', message })) : []
}
