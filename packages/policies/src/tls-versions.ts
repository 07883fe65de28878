// TLS versions and cipher suites that policies may name (contract/policies.md section 2).
import type { Violation } from '@weft/foundation/errors'

const version = { type: 'string', enum: ['TLSAuto', 'TLS10', 'TLS11', 'TLS12', 'TLS13'] } as const

export const tlsVersion = {
  type: 'object',
  properties: { min: { ...version, default: 'TLSAuto' }, max: { ...version, default: 'TLSAuto' } },
} as const

export const tlsCiphers = {
  type: 'array',
  items: {
    type: 'string',
    enum: [
      'ECDHE-ECDSA-AES128-GCM-SHA256',
      'ECDHE-ECDSA-AES256-GCM-SHA384',
      'ECDHE-ECDSA-CHACHA20-POLY1305',
      'ECDHE-RSA-AES128-GCM-SHA256',
      'ECDHE-RSA-AES256-GCM-SHA384',
      'ECDHE-RSA-CHACHA20-POLY1305',
    ],
  },
} as const

/** The lowest version must not be above the highest; automatic fits everything. */
export function tlsVersionViolations(range: { readonly min: string; readonly max: string }, at: string): readonly Violation[] {
  const order: readonly string[] = version.enum
  const fits = range.min === 'TLSAuto' || range.max === 'TLSAuto' || order.indexOf(range.min) <= order.indexOf(range.max)
  return fits ? [] : [{ field: `${at}.min`, message: 'min version must be lower than max' }]
}
