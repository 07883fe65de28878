// Header matches as policies write them and as Envoy reads them (contract/policies.md section 2).
import { field, textField } from '@weft/foundation/json'
import type { Messages } from '@weft/proto'
import type { HeaderMatch } from './route-model.ts'

type HeaderMatcher = Messages['envoy.config.route.v3.HeaderMatcher']

/** Reads a match; undefined when it has no name or an unknown type. The type is Exact by default. */
export function readHeaderMatch(value: unknown): HeaderMatch | undefined {
  const name = textField(value, 'name')
  const type = field(value, 'type') ?? 'Exact'
  if (name === '') return undefined
  if (type !== 'Exact' && type !== 'Present' && type !== 'RegularExpression' && type !== 'Absent' && type !== 'Prefix') return undefined
  return { type, name, value: textField(value, 'value') }
}

/** Envoy's form. A prefix without text means "present": Envoy refuses empty prefixes. */
export function headerMatcher(match: HeaderMatch): HeaderMatcher {
  const { name, value } = match
  switch (match.type) {
    case 'Exact':
      return { name, stringMatch: { exact: value } }
    case 'RegularExpression':
      return { name, stringMatch: { safeRegex: { regex: value } } }
    case 'Prefix':
      return value === '' ? { name, presentMatch: true } : { name, stringMatch: { prefix: value } }
    case 'Present':
      return { name, presentMatch: true }
    case 'Absent':
      return { name, presentMatch: false }
  }
}
