// Conditions on the client of a connection: its SPIFFE id and the server name it asked for (contract/policies.md sections 1.1 and 1.2).
import type { Violation } from '@weft/foundation/errors'
import type { Infer } from '@weft/foundation/schema'
import { invalidSubdomain1123, isRfc1123Subdomain } from '@weft/resources'

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

const emptyMatch = "must specify at least one of 'spiffeID' or 'sni'"

/** Why a text is no SPIFFE id, in the words of the SPIFFE library of the peers; undefined when it is one. */
export function spiffeIdProblem(text: string): string | undefined {
  if (!text.startsWith('spiffe://')) return 'scheme is missing or invalid'
  const [domain = '', ...segments] = text.slice('spiffe://'.length).split('/')
  if (domain === '') return 'trust domain is missing'
  if (!/^[a-z0-9._-]+$/.test(domain)) {
    return 'trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores'
  }
  if (segments.at(-1) === '') return 'path cannot have a trailing slash'
  if (segments.includes('')) return 'path cannot contain empty segments'
  if (segments.includes('.') || segments.includes('..')) return 'path cannot contain dot segments'
  return segments.every((segment) => /^[A-Za-z0-9._-]+$/.test(segment))
    ? undefined
    : 'path segment characters are limited to letters, numbers, dots, dashes, and underscores'
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
    const problem = spiffeIdProblem(type === 'Prefix' && id.endsWith('/') ? id.slice(0, -1) : id)
    if (problem !== undefined) violations.push({ field: `${at}.spiffeID`, message: `must be a valid Spiffe ID: ${problem}` })
  }
  if (value.sni !== undefined) {
    if (value.sni.value === '') violations.push({ field: `${at}.sni.value`, message: 'must be set' })
    else if (!isRfc1123Subdomain(value.sni.value)) violations.push({ field: `${at}.sni.value`, message: invalidSubdomain1123 })
  }
  return violations
}

/** `matchViolations` of every item. */
export function matchesViolations(list: readonly Match[] | undefined, at: string, emptyAllowed = false): readonly Violation[] {
  return (list ?? []).flatMap((item, index) => matchViolations(item, `${at}[${index}]`, emptyAllowed))
}
