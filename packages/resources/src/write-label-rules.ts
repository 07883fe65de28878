// Rules for the labels of what is written through the API of a control plane: who may claim which origin, zone and role
// (contract/rest-cli-gui.md section 3.4). The texts are those of the peers; tools compare them.
import type { Violation } from '@weft/foundation/errors'
import { isJsonKind, type ResourceDescriptor } from './descriptor.ts'
import { labelPath, labelViolations } from './label-rules.ts'
import { labelKeys, type Labels } from './model.ts'
import type { ControlPlaneMode } from './sync-plan.ts'

/** The control plane that is written to. */
export interface WritePlace {
  readonly mode: ControlPlaneMode
  /** Name of the zone; '' on global. */
  readonly zone: string
  /** True for a zone that has a global. */
  readonly federated: boolean
  /** A zone then trusts whoever writes to say where a resource is from. */
  readonly originUnchecked?: boolean
}

interface Written {
  readonly mesh: string
  readonly labels: Labels
}

/**
 * What the origin label of a resource must be to be written or deleted here. `field` names the label in the answer: a PUT and a DELETE
 * show it differently.
 */
export function originViolations(kind: ResourceDescriptor, labels: Labels, place: WritePlace, field: string): readonly Violation[] {
  const origin = labels[labelKeys.origin] || undefined
  const must = (value: ControlPlaneMode): Violation => ({ field, message: `the origin label must be set to '${value}'` })
  if (place.mode === 'global') return origin === undefined || origin === 'global' ? [] : [must('global')]
  if (!place.federated || place.originUnchecked === true || !isJsonKind(kind)) return []
  return origin === 'zone' ? [] : [must('zone')]
}

/** Every violation in the labels of a PUT, in the order of the peers: origin, zone, mesh, role, then syntax by key. */
export function writeLabelViolations(kind: ResourceDescriptor, { mesh, labels }: Written, place: WritePlace): readonly Violation[] {
  const violations: Violation[] = []
  const say = (key: string, message: string): void => {
    violations.push({ field: labelPath(key), message })
  }
  const origin = labels[labelKeys.origin] || undefined
  if (origin !== undefined && origin !== 'global' && origin !== 'zone') {
    say(labelKeys.origin, `unknown resource origin ${JSON.stringify(origin)}`)
  }
  violations.push(...originViolations(kind, labels, place, labelPath(labelKeys.origin)))
  if (place.mode === 'zone') {
    const zone = labels[labelKeys.zone]
    if (zone !== undefined && zone !== place.zone) say(labelKeys.zone, `${labelKeys.zone} label should have ${place.zone} value`)
    const meshLabel = labels[labelKeys.mesh]
    if (meshLabel !== undefined && meshLabel !== mesh && origin !== 'global')
      say(labelKeys.mesh, `${labelKeys.mesh} label must not differ from mesh set on resource`)
  }
  const role = labels[labelKeys.policyRole] || 'system'
  if (kind.policy !== undefined && role !== 'system') {
    say(labelKeys.policyRole, `${labelKeys.policyRole} label should have system value, got ${role}`)
  }
  return [...violations, ...labelViolations(labels)]
}

/** Labels that never change once a resource has them. Both sides as stored, after computing. */
export function immutableLabelViolations(before: Labels, after: Labels): readonly Violation[] {
  return [labelKeys.zone, labelKeys.origin].flatMap((key): readonly Violation[] => {
    const was = before[key]
    const is = after[key]
    if (was === undefined || was === is) return []
    const message =
      is === undefined
        ? `is immutable, cannot be removed (was ${JSON.stringify(was)})`
        : `is immutable, cannot be changed from ${JSON.stringify(was)} to ${JSON.stringify(is)}`
    return [{ field: labelPath(key), message }]
  })
}

/** A name must leave room for the zone's, which some peers put in front of it. */
export function zonedNameViolations(name: string, place: WritePlace): readonly Violation[] {
  return place.federated && `${place.zone}.${name}`.length >= 253
    ? [{ field: 'name', message: 'the length of the name must be shorter' }]
    : []
}
