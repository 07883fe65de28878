import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '../descriptor.ts'
import type { HostnameGeneratorSpec } from './hostname-generator.ts'

export function validateHostnameGenerator(_spec: HostnameGeneratorSpec, _context: ValidationContext): readonly Violation[] {
  return []
}
