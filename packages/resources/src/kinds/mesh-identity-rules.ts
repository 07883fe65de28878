import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '../descriptor.ts'
import type { MeshIdentitySpec } from './mesh-identity.ts'

export function validateMeshIdentity(_spec: MeshIdentitySpec, _context: ValidationContext): readonly Violation[] {
  return []
}
