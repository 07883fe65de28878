import type { Violation } from '@weft/foundation/errors'
import type { ValidationContext } from '../descriptor.ts'
import type { MeshOpenTelemetryBackendSpec } from './mesh-open-telemetry-backend.ts'

export function validateOpenTelemetryBackend(_spec: MeshOpenTelemetryBackendSpec, _context: ValidationContext): readonly Violation[] {
  return []
}
