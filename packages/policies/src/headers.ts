// HTTP header matches and modifications as several policies write them (contract/policies.md section 2).
import type { Violation } from '@weft/foundation/errors'
import type { Infer } from '@weft/foundation/schema'
import { isRegex } from '@weft/resources'

/** Header names are lower case, as HTTP/2 sends them. */
export const headerName = {
  type: 'string',
  minLength: 1,
  maxLength: 256,
  pattern: "^[a-z0-9!#$%&'*+\\-.^_\\x60|~]+$",
} as const

/** A value that Envoy takes: at most 16 KiB and one line. */
const headerValue = { type: 'string', maxLength: 16_384, pattern: '^[^\\x00\\r\\n]*$' } as const

export const headerMatch = {
  type: 'object',
  properties: {
    type: { type: 'string', enum: ['Exact', 'Present', 'RegularExpression', 'Absent', 'Prefix'], default: 'Exact' },
    name: headerName,
    value: headerValue,
  },
  required: ['name'],
} as const

export type HeaderMatchSpec = Infer<typeof headerMatch>

export const headerValues = {
  type: 'array',
  maxItems: 16,
  items: { type: 'object', properties: { name: headerName, value: headerValue }, required: ['name', 'value'] },
} as const

/** Checks that an expression is one that proxies take. */
export function regexViolations(text: string, field: string): readonly Violation[] {
  return isRegex(text) ? [] : [{ field, message: 'must be a regular expression that proxies take: RE2, at most 4096 characters' }]
}

/** Checks that a value is given exactly for the types that compare one. */
export function headerMatchViolations(list: readonly HeaderMatchSpec[] | undefined, at: string): readonly Violation[] {
  return (list ?? []).flatMap((item, index): readonly Violation[] => {
    const valueless = item.type === 'Present' || item.type === 'Absent'
    if (valueless && item.value !== undefined && item.value !== '') {
      return [{ field: `${at}[${index}].value`, message: 'must not be defined' }]
    }
    return item.type === 'RegularExpression' ? regexViolations(item.value ?? '', `${at}[${index}].value`) : []
  })
}
