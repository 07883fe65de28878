// Everything about one resource that can be judged without looking at others.
import type { Violation } from '@weft/foundation/errors'
import { type ResourceDescriptor, specPath } from './descriptor.ts'
import { labelViolations } from './label-rules.ts'
import { displayName, type Labels } from './model.ts'
import { meshViolations, nameViolations, rfc1035Messages } from './names.ts'

export interface ValidationScope {
  /** Resources of a peer keep labels that were valid where they were written. Local by default. */
  readonly from?: 'local' | 'peer'
}

interface Candidate {
  readonly mesh: string
  readonly name: string
  readonly labels: Labels
  /** Checked against the schema of its kind. */
  readonly spec: unknown
}

/**
 * Violations of a resource whose spec passed its schema: name, mesh, labels, then the rules of its kind
 * (contract/rest-cli-gui.md section 4.1). Empty when it is valid.
 */
export function validateResource(kind: ResourceDescriptor, resource: Candidate, scope: ValidationScope = {}): readonly Violation[] {
  const { mesh, name, labels } = resource
  return [
    ...nameViolations(name),
    ...(kind.scope === 'Mesh' ? meshViolations(mesh) : []),
    ...(scope.from === 'peer' ? [] : labelViolations(labels)),
    ...(kind.naming === 'label' ? rfc1035Messages(displayName(resource)).map((message) => ({ field: 'name', message })) : []),
    ...(kind.validate?.(resource.spec, { at: specPath(kind), mesh, name, labels }) ?? []),
  ]
}
