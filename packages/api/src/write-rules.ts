// What a write must meet beyond the resource's own schema: agreement with the URL, names, labels and origin, by role of the control plane
// (contract/rest-cli-gui.md sections 3.4, 3.5 and 4.1).
import type { Violation } from '@weft/foundation/errors'
import {
  isJsonKind,
  isProvidedBy,
  labelKeys,
  labelPath,
  type Labels,
  labelViolations,
  meshViolations,
  nameViolations,
  type Resource,
  type ResourceDescriptor,
  type ResourceKey,
  rfc1035Messages,
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

/** Everything wrong with a PUT that the URL, the names and the labels show. */
export function requestViolations(scene: WriteScene, read: ReadResource, stored: Resource | undefined): readonly Violation[] {
  const { kind, key } = scene
  const mesh = kind.scope === 'Mesh' ? (read.mesh ?? key.mesh) : ''
  const violations: Violation[] = []
  const differs = (field: string): Violation => ({ field, message: `${field} from the URL has to be the same as in body` })
  if (read.name !== key.name) violations.push(differs('name'))
  if (read.type !== kind.type) violations.push(differs('type'))
  if (mesh !== key.mesh) violations.push(differs('mesh'))
  violations.push(...nameViolations(read.name))
  if (kind.scope === 'Mesh') violations.push(...meshViolations(mesh))
  violations.push(...labelViolations(read.labels), ...placeViolations(scene, read.labels, stored))
  return violations
}

function placeViolations(scene: WriteScene, labels: Labels, stored: Resource | undefined): readonly Violation[] {
  const { kind, key, controlPlane } = scene
  const violations: Violation[] = []
  const say = (label: string, message: string): void => void violations.push({ field: labelPath(label), message })
  violations.push(...originViolations(scene, labels, labelPath(labelKeys.origin)))
  violations.push(...foreignViolations(scene, stored, labelPath(labelKeys.origin)))
  const zone = labels[labelKeys.zone]
  if (controlPlane.mode === 'zone' && zone !== undefined && zone !== controlPlane.zone)
    say(labelKeys.zone, `must be the zone of this control plane, "${controlPlane.zone}"`)
  const mesh = labels[labelKeys.mesh]
  if (
    controlPlane.mode === 'zone' &&
    kind.scope === 'Mesh' &&
    mesh !== undefined &&
    mesh !== key.mesh &&
    labels[labelKeys.origin] !== 'global'
  ) {
    say(labelKeys.mesh, `must be the mesh of the resource, "${key.mesh}"`)
  }
  const role = labels[labelKeys.policyRole]
  if (role !== undefined && kind.policy !== undefined && role !== 'system') say(labelKeys.policyRole, 'must be "system" outside Kubernetes')
  if (controlPlane.federated && stored === undefined && `${controlPlane.zone}.${key.name}`.length >= 253) {
    violations.push({ field: 'name', message: `must be shorter than ${252 - controlPlane.zone.length} characters in this zone` })
  }
  return violations
}

/** The origin label a write must carry; `field` is how the place of the label is shown. */
export function originViolations(scene: WriteScene, labels: Labels, field: string): readonly Violation[] {
  const { kind, controlPlane, settings } = scene
  const origin = labels[labelKeys.origin]
  if (controlPlane.mode === 'global') {
    return origin === undefined || origin === 'global'
      ? []
      : [{ field, message: `must be "global" or absent on a global control plane, not "${origin}"` }]
  }
  if (!controlPlane.federated || !isJsonKind(kind) || settings.disableOriginLabelValidation) return []
  return origin === 'zone' ? [] : [{ field, message: 'must be "zone" for what is written in a zone that has a global control plane' }]
}

/** A resource that came by sync belongs to where it came from: writing or deleting it here would be undone, or would break the sync. */
export function foreignViolations(scene: WriteScene, stored: Resource | undefined, field: string): readonly Violation[] {
  const { controlPlane, kind } = scene
  const owner = stored?.labels[labelKeys.origin]
  if (controlPlane.mode === 'global') {
    return owner === 'zone' ? [{ field, message: 'the stored resource is owned by a zone: change it there' }] : []
  }
  if (!controlPlane.federated || owner !== 'global' || !isProvidedBy(kind, 'zone') || kind.type === 'Zone') return []
  return [{ field, message: 'the stored resource is owned by the global control plane: change it there, or choose another name' }]
}

/** Labels that never change once given. */
export function immutableLabelViolations(before: Labels, after: Labels, controlPlane: ControlPlaneIdentity): readonly Violation[] {
  if (controlPlane.mode !== 'zone') return []
  return [labelKeys.zone].flatMap((key) => {
    const [was, is] = [before[key], after[key]]
    if (was === undefined || was === is) return []
    const message =
      is === undefined ? `is immutable, cannot be removed (was "${was}")` : `is immutable, cannot be changed from "${was}" to "${is}"`
    return [{ field: labelPath(key), message }]
  })
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
