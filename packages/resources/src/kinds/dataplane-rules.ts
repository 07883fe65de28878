import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '../descriptor.ts'
import type { DataplaneSpec } from './dataplane.ts'

export function validateDataplane(_spec: DataplaneSpec, _context: ValidationContext): readonly Violation[] {
  return []
}
