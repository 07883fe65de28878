// Rules of MeshProxyPatch that its schema cannot say (contract/policies.md section 3.16).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '@weft/resources'
import { topLevelViolations } from '../target-ref.ts'
import { mustBeDefined, mustNotBeDefined, mustNotBeEmpty } from '../value-rules.ts'
import type { MeshProxyPatchSpec, ProxyModification } from './resource.ts'

const parts = ['cluster', 'listener', 'networkFilter', 'httpFilter', 'virtualHost'] as const
type Part = (typeof parts)[number]
type Operation = NonNullable<ProxyModification[Part]>

export function validateMeshProxyPatch(spec: MeshProxyPatchSpec, { at }: ValidationContext): readonly Violation[] {
  const list = spec.default.appendModifications ?? []
  const field = `${at}.default.appendModifications`
  return [
    ...topLevelViolations(spec.targetRef, false, at),
    ...(list.length === 0 ? [{ field, message: mustNotBeEmpty }] : []),
    ...list.flatMap((modification, index) => modificationViolations(modification, `${field}[${index}]`)),
  ]
}

function modificationViolations(modification: ProxyModification, at: string): readonly Violation[] {
  const given = parts.filter((part) => modification[part] !== undefined)
  const [part, ...others] = given
  if (part === undefined) return [{ field: at, message: 'at least one modification has to be defined' }]
  if (others.length > 0) return [{ field: at, message: `exactly one of ${parts.join(', ')} must be defined, got ${given.join(', ')}` }]
  const operation = modification[part]
  return operation === undefined ? [] : operationViolations(part, operation, `${at}.${part}`)
}

function operationViolations(part: Part, operation: Operation, at: string): readonly Violation[] {
  const violations: Violation[] = []
  const { operation: name, value, jsonPatches, match } = operation
  const hasPatches = jsonPatches !== undefined && jsonPatches.length > 0
  if (name === 'Remove') {
    if (value !== undefined) violations.push({ field: `${at}.value`, message: mustNotBeDefined })
    if (hasPatches) violations.push({ field: `${at}.jsonPatches`, message: mustNotBeDefined })
  } else if (name === 'Patch') {
    if ((value !== undefined) === hasPatches) violations.push({ field: at, message: 'exactly one of value, jsonPatches must be defined' })
  } else {
    if (value === undefined || value === '') violations.push({ field: `${at}.value`, message: mustNotBeEmpty })
    if (hasPatches) violations.push({ field: `${at}.jsonPatches`, message: mustNotBeDefined })
  }
  const isFilter = part === 'networkFilter' || part === 'httpFilter'
  if (name === 'Add' && (part === 'cluster' || part === 'listener') && match !== undefined) {
    violations.push({ field: `${at}.match`, message: mustNotBeDefined })
  }
  if (name === 'Add' && part === 'virtualHost' && match?.name !== undefined) {
    violations.push({ field: `${at}.match.name`, message: mustNotBeDefined })
  }
  if (isFilter && (name === 'AddBefore' || name === 'AddAfter' || name === 'Patch') && !match?.name) {
    violations.push({ field: `${at}.match.name`, message: mustBeDefined })
  }
  for (const [index, patch] of (jsonPatches ?? []).entries()) {
    const field = `${at}.jsonPatches[${index}]`
    if (!isPointer(patch.path)) violations.push({ field: `${field}.path`, message: 'must be a valid JSON pointer' })
    const moves = patch.op === 'move' || patch.op === 'copy'
    if (moves && patch.from === undefined) violations.push({ field: `${field}.from`, message: mustBeDefined })
    if (patch.from !== undefined && !isPointer(patch.from)) violations.push({ field: `${field}.from`, message: 'must be a valid JSON pointer' })
    if ((patch.op === 'add' || patch.op === 'replace') && patch.value === undefined) violations.push({ field: `${field}.value`, message: mustBeDefined })
  }
  return violations
}

function isPointer(text: string): boolean {
  return text === '' || /^(\/([^~]|~[01])*)+$/.test(text)
}
