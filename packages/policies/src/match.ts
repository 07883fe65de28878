// Conditions on the client of a connection: its SPIFFE id and the server name it asked for (contract/policies.md sections 1.1 and 1.2).
import type { Violation } from '@weft/foundation/errors'
import type { Infer } from '@weft/foundation/schema'
import { isRfc1123Subdomain } from '@weft/resources'

export const match = {
  type: 'object',
  properties: {
    spiffeID: {
      type: 'object',
      properties: { type: { type: 'string', enum: ['Exact', 'Prefix'] }, value: { type: 'string' } },
      required: ['type', 'value'],
    },
    sni: {
      type: 'object',
      properties: { type: { type: 'string', enum: ['Exact'] }, value: { type: 'string' } },
      required: ['type', 'value'],
    },
  },
} as const

export const matches = { type: 'array', items: match } as const

export type Match = Infer<typeof match>

const spiffeId = /^spiffe:\/\/([a-z0-9._-]+)((?:\/[A-Za-z0-9._-]+)*)$/
const emptyMatch = "must specify at least one of 'spiffeID' or 'sni'"
const invalidSni =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

/** True for a SPIFFE id: trust domain, then path segments that are neither empty nor dots. */
export function isSpiffeId(text: string): boolean {
  const found = spiffeId.exec(text)
  return found !== null && text.length <= 2048 && !(found[2] ?? '').split('/').some((segment) => segment === '.' || segment === '..')
}

/**
 * Checks the parts of one match. A prefix may end in a slash: the proxies understand it and it is the only way to stop at a segment.
 * `emptyAllowed` is for kinds where a match without parts means everything.
 */
export function matchViolations(value: Match, at: string, emptyAllowed = false): readonly Violation[] {
  if (value.spiffeID === undefined && value.sni === undefined) return emptyAllowed ? [] : [{ field: at, message: emptyMatch }]
  const violations: Violation[] = []
  if (value.spiffeID !== undefined) {
    const { type, value: id } = value.spiffeID
    const text = type === 'Prefix' && id.endsWith('/') ? id.slice(0, -1) : id
    if (!isSpiffeId(text)) {
      violations.push({ field: `${at}.spiffeID`, message: `must be a valid Spiffe ID: ${JSON.stringify(id.slice(0, 256))} is not one` })
    }
  }
  if (value.sni !== undefined) {
    if (value.sni.value === '') violations.push({ field: `${at}.sni.value`, message: 'must be set' })
    else if (!isRfc1123Subdomain(value.sni.value)) violations.push({ field: `${at}.sni.value`, message: invalidSni })
  }
  return violations
}

/** `matchViolations` of every item. */
export function matchesViolations(list: readonly Match[] | undefined, at: string, emptyAllowed = false): readonly Violation[] {
  return (list ?? []).flatMap((item, index) => matchViolations(item, `${at}[${index}]`, emptyAllowed))
}
