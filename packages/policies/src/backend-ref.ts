// References to destinations that traffic is sent to, and to telemetry backends (contract/policies.md sections 1.1 and 1.2).
import type { Violation } from '@weft/foundation/errors'
import type { Infer } from '@weft/foundation/schema'
import { stringMap } from '@weft/resources'
import { targetRefViolations } from './target-ref.ts'

export const backendRef = {
  type: 'object',
  properties: {
    kind: { type: 'string', enum: ['Mesh', 'MeshService', 'MeshExternalService', 'MeshMultiZoneService', 'MeshHTTPRoute', 'Dataplane'] },
    labels: stringMap,
    sectionName: { type: 'string' },
    weight: { type: 'integer', minimum: 0, maximum: 4294967295, default: 1 },
    port: { type: 'integer', minimum: 0, maximum: 4294967295 },
  },
  required: ['kind'],
} as const

export type BackendRefSpec = Infer<typeof backendRef>

export const backendRefs = { type: 'array', items: backendRef } as const

/** Kinds traffic can be sent to. */
export const destinationKinds = ['MeshService', 'MeshExternalService', 'MeshMultiZoneService'] as const

/** Checks one reference to a destination. */
export function backendRefViolations(ref: BackendRefSpec, at: string): readonly Violation[] {
  const violations = targetRefViolations(ref, destinationKinds, at)
  if (ref.kind === 'MeshMultiZoneService' && ref.port === undefined) {
    return [...violations, { field: `${at}.port`, message: 'must be defined with kind MeshMultiZoneService' }]
  }
  return violations
}

/** Reference to a MeshOpenTelemetryBackend. */
export const backendResourceRef = {
  type: 'object',
  properties: { kind: { type: 'string', enum: ['MeshOpenTelemetryBackend'] }, labels: stringMap },
  required: ['kind'],
} as const

/** Checks that the reference exists and selects by labels. */
export function backendResourceRefViolations(ref: Infer<typeof backendResourceRef> | undefined, at: string): readonly Violation[] {
  if (ref === undefined) return [{ field: at, message: 'must be defined' }]
  return ref.labels === undefined || Object.keys(ref.labels).length === 0
    ? [{ field: at, message: 'backendRef must have exactly one defined: labels' }]
    : []
}
