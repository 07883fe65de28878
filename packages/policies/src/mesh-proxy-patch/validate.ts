// Rules of MeshProxyPatch that its schema cannot say (contract/policies.md section 3.16).
import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '@weft/resources'
import { topLevelViolations } from '../target-ref.ts'
import { mustBeDefined, mustNotBeDefined, mustNotBeEmpty } from '../value-rules.ts'
import { nativeProblem, wrongRegex, wrongRegexText } from './native.ts'
import type { MeshProxyPatchSpec, ProxyModification } from './resource.ts'

const parts = ['cluster', 'listener', 'networkFilter', 'httpFilter', 'virtualHost'] as const
type Part = (typeof parts)[number]
type Operation = NonNullable<ProxyModification[Part]>
type JsonPatch = NonNullable<Operation['jsonPatches']>[number]

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
  const [part] = given
  if (part === undefined || given.length > 1) {
    return [
      { field: at, message: `exactly one modification can be defined at a time. Currently, ${given.length} modifications are defined` },
    ]
  }
  const operation = modification[part]
  return operation === undefined
    ? []
    : [...valueViolations(part, operation, `${at}.${part}`), ...matchViolations(part, operation, `${at}.${part}`)]
}

function valueViolations(part: Part, modification: Operation, at: string): readonly Violation[] {
  const wrong = modification.operation === 'Remove' || !modification.value ? undefined : nativeProblem(part, modification.value)
  const violations = presenceViolations(part, modification, at)
  if (wrong === undefined) return violations
  return [...violations, { field: `${at}.value`, message: `native Envoy resource is not valid: ${wrong}` }]
}

function presenceViolations(part: Part, { operation, value, jsonPatches = [] }: Operation, at: string): readonly Violation[] {
  switch (operation) {
    case 'Remove':
      return value === undefined ? [] : [{ field: `${at}.value`, message: mustNotBeDefined }]
    case 'Patch': {
      if (value !== undefined && jsonPatches.length > 0)
        return [{ field: at, message: `${part} must have only one type defined: value, jsonPatches` }]
      if (value === undefined && jsonPatches.length === 0)
        return [{ field: at, message: `${part} must have exactly one defined: value, jsonPatches` }]
      return jsonPatches.flatMap((patch, index) => patchViolations(patch, `${at}.jsonPatches[${index}]`))
    }
    default:
      return value === undefined ? [{ field: `${at}.value`, message: mustBeDefined }] : []
  }
}

function matchViolations(part: Part, { operation, match }: Operation, at: string): readonly Violation[] {
  const field = `${at}.match`
  const isFilter = part === 'networkFilter' || part === 'httpFilter'
  if (operation === 'Add' && (part === 'cluster' || part === 'listener') && match !== undefined)
    return [{ field, message: mustNotBeDefined }]
  if (operation === 'Add' && part === 'virtualHost' && match?.name !== undefined)
    return [{ field: `${field}.name`, message: mustNotBeDefined }]
  if (!isFilter || match?.name) return []
  const which = { AddBefore: 'before', AddAfter: 'after' } as const
  if (operation === 'AddBefore' || operation === 'AddAfter') {
    const hint = `You need to pick a filter ${which[operation]} which this one will be added`
    return [{ field: `${field}.name`, message: `${mustBeDefined}. ${hint}` }]
  }
  return operation === 'Patch' ? [{ field: `${field}.name`, message: mustBeDefined }] : []
}

function patchViolations({ op, path, value, from }: JsonPatch, at: string): readonly Violation[] {
  const violations: Violation[] = []
  if (!isPointer(path)) violations.push({ field: `${at}.path`, message: 'must be a valid JSON pointer' })
  if ((op === 'add' || op === 'replace') && value === undefined) {
    violations.push({ field: `${at}.value`, message: '"value" must not be empty when "op" is one of ["add", "replace"]' })
  }
  const regex = wrongRegex({ [path.slice(path.lastIndexOf('/') + 1)]: value })
  if (regex !== undefined) violations.push({ field: `${at}.value`, message: wrongRegexText(regex) })
  if ((op === 'move' || op === 'copy') && (from === undefined || from === '')) {
    violations.push({ field: `${at}.from`, message: '"from" must not be empty when "op" is one of ["move", "copy"]' })
  }
  if (from !== undefined && from !== '' && !isPointer(from))
    violations.push({ field: `${at}.from`, message: 'must be a valid JSON pointer' })
  return violations
}

function isPointer(text: string): boolean {
  return text === '' || (text.startsWith('/') && !/~(?![01])/.test(text))
}
