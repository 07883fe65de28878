// HTTP header matches and modifications as several policies write them (contract/policies.md section 2).
import type { Violation } from '@weft/foundation/errors'
import type { Infer } from '@weft/foundation/schema'

/** Header names are lower case, as HTTP/2 sends them. */
export const headerName = {
  type: 'string',
  minLength: 1,
  maxLength: 256,
  pattern: "^[a-z0-9!#$%&'*+\\-.^_\\x60|~]+$",
} as const

export const headerMatch = {
  type: 'object',
  properties: {
    type: { type: 'string', enum: ['Exact', 'Present', 'RegularExpression', 'Absent', 'Prefix'], default: 'Exact' },
    name: headerName,
    value: { type: 'string' },
  },
  required: ['name'],
} as const

export type HeaderMatchSpec = Infer<typeof headerMatch>

export const headerValues = {
  type: 'array',
  maxItems: 16,
  items: { type: 'object', properties: { name: headerName, value: { type: 'string' } }, required: ['name', 'value'] },
} as const

/** Checks that a value is given exactly for the types that compare one. */
export function headerMatchViolations(list: readonly HeaderMatchSpec[] | undefined, at: string): readonly Violation[] {
  return (list ?? []).flatMap((item, index): readonly Violation[] => {
    const valueless = item.type === 'Present' || item.type === 'Absent'
    if (valueless && item.value !== undefined && item.value !== '') {
      return [{ field: `${at}[${index}].value`, message: 'must not be defined' }]
    }
    return []
  })
}
