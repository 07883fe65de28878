// Target references of policies: schemas and the rules a schema cannot say (contract/policies.md sections 1.1 and 1.2).
import type { Violation } from '@weft/foundation/errors'
import { stringMap } from '@weft/resources'

/** `spec.targetRef`: the proxies a policy selects. Absent means the whole mesh. */
export const topLevelTargetRef = {
  type: 'object',
  properties: { kind: { type: 'string', enum: ['Mesh', 'Dataplane'] }, labels: stringMap, sectionName: { type: 'string' } },
  required: ['kind'],
} as const

/** `spec.to[].targetRef`: the destinations an entry is for. */
export const outboundTargetRef = {
  type: 'object',
  properties: {
    kind: { type: 'string', enum: ['Mesh', 'MeshService', 'MeshExternalService', 'MeshMultiZoneService', 'MeshHTTPRoute'] },
    labels: stringMap,
    sectionName: { type: 'string' },
  },
  required: ['kind'],
} as const

/** Schema of `spec.to`: what holds for traffic to a destination. */
export function toList<const C>(conf: C) {
  const items = { type: 'object', properties: { targetRef: outboundTargetRef, default: conf }, required: ['targetRef'] } as const
  return { type: 'array', items } as const
}

interface RefLike {
  readonly kind: string
  readonly labels?: Readonly<Record<string, string>>
  readonly sectionName?: string
}

const notWithKind = (kind: string): string => `must not be set with kind ${kind}`

/** Checks a reference against the kinds an entry supports. Paths start at `at`. */
export function targetRefViolations(ref: RefLike, kinds: readonly string[], at: string): readonly Violation[] {
  if (ref.kind === '') return [{ field: `${at}.kind`, message: 'must be defined' }]
  if (!kinds.includes(ref.kind)) return [{ field: `${at}.kind`, message: `value '${ref.kind}' is not supported` }]
  const violations: Violation[] = []
  const hasLabels = ref.labels !== undefined && Object.keys(ref.labels).length > 0
  if (ref.kind === 'Mesh') {
    if (hasLabels) violations.push({ field: `${at}.labels`, message: notWithKind(ref.kind) })
  } else if (ref.kind !== 'Dataplane' && !hasLabels) {
    violations.push({ field: `${at}.labels`, message: `must be set when kind is ${ref.kind}` })
  }
  const takesSection = ref.kind === 'Dataplane' || ref.kind === 'MeshService' || ref.kind === 'MeshMultiZoneService'
  if (!takesSection && ref.sectionName !== undefined && ref.sectionName !== '') {
    violations.push({ field: `${at}.sectionName`, message: notWithKind(ref.kind) })
  }
  return violations
}

/** Checks `spec.targetRef`. `inbound`: the policy has rules, so a section of a dataplane can be named. */
export function topLevelViolations(ref: RefLike | undefined, inbound: boolean, at: string): readonly Violation[] {
  if (ref === undefined) return []
  const field = `${at}.targetRef`
  const violations = targetRefViolations(ref, ['Mesh', 'Dataplane'], field)
  if (ref.kind === 'Dataplane' && !inbound && ref.sectionName !== undefined && ref.sectionName !== '') {
    return [...violations, { field: `${field}.sectionName`, message: 'can only be used with inbound policies' }]
  }
  return violations
}
