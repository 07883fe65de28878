import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '../descriptor.ts'
import type { MeshExternalServiceSpec } from './mesh-external-service.ts'

export function validateMeshExternalService(_spec: MeshExternalServiceSpec, _context: ValidationContext): readonly Violation[] {
  return []
}
